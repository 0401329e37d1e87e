//! Fetching the platforms of an index that are not here, from where the index came.

use varve_core::images::Record;
use varve_core::labels::DISTRIBUTION_SOURCE;
use varve_core::oci::Document;
use varve_core::remotes::{Progress, Remote};
use varve_core::{Descriptor, Error, Reference, Result, ResultExt, Scope};

use super::contents::Here;
use super::find::Meant;
use crate::image::{Documents, Source, edges};
use crate::progress;
use crate::pull::Logins;
use crate::session::Session;

/// Fetches what is missing, and records it below the name.
pub async fn complete(session: &Session, scope: &Scope, meant: &Meant, here: &Here) -> Result<()> {
    let reference = origin(session, meant).await?;
    let logins = Logins::load().await?;
    let mut remote = logins.remote(reference, false).await?;
    for (descriptor, _) in &here.missing {
        let platform = descriptor.platform.as_ref().map_or_else(String::new, ToString::to_string);
        let from = remote.reference.familiar_repository();
        progress::warn(&format!("Fetching {} {platform} from {from}", descriptor.digest.short()));
        loop {
            match fetch(session, scope, meant, &remote, descriptor).await {
                Err(error) if logins.add(&mut remote, &error).await? => {}
                fetched => break fetched.context(|| format!("{platform} of {from}"))?,
            }
        }
    }
    Ok(())
}

/// The repository that the index is known to have come from; else that of its name.
async fn origin(session: &Session, meant: &Meant) -> Result<Reference> {
    if let Some(name) = meant.named.name.parse::<Reference>().ok()
        && is_known(session, meant, &name).await?
    {
        return Ok(name.without_tag().with_digest(meant.named.target.digest));
    }
    let labels = labels(session, meant).await?;
    let known = labels.iter().find_map(|(key, repositories)| {
        let host = key.strip_prefix(DISTRIBUTION_SOURCE)?;
        format!("{host}/{}", repositories.split(',').next()?).parse::<Reference>().ok()
    });
    let digest = meant.named.target.digest;
    known.map(|it| it.without_tag().with_digest(digest)).ok_or_else(|| {
        Error::precondition(format!(
            "{}: did not come from a registry, and its other platforms cannot be fetched; save it \
             without --all-platforms",
            meant.text
        ))
    })
}

async fn is_known(session: &Session, meant: &Meant, name: &Reference) -> Result<bool> {
    let labels = labels(session, meant).await?;
    Ok(varve_core::labels::repositories(&labels, name.domain()).contains(&name.path()))
}

async fn labels(session: &Session, meant: &Meant) -> Result<varve_core::Labels> {
    let digest = &meant.named.target.digest;
    let info = session.services.content.info(&session.scope, digest).await.found()?;
    Ok(info.map(|info| info.labels).unwrap_or_default())
}

/// Brings a manifest or an index and all below it.
async fn fetch(
    session: &Session,
    scope: &Scope,
    meant: &Meant,
    remote: &Remote,
    missing: &Descriptor,
) -> Result<()> {
    let services = &session.services;
    let documents = Documents { services, scope, source: Source::Brought(remote) };
    let mut next = vec![missing.clone()];
    let mut labels = Vec::new();
    while let Some(descriptor) = next.pop() {
        let document = documents.document(&descriptor).await?;
        labels.push((descriptor.digest, edges::of(&document)));
        match &document {
            Document::Index(index) => next.extend(index.manifests.iter().cloned()),
            Document::Manifest(_) => {
                for blob in document.children() {
                    services.fetcher.fetch(scope, remote, blob, Progress::ignored()).await?;
                }
            }
        }
    }
    let name = meant.named.name.clone();
    let target = meant.named.target.clone();
    let record = Record { name, target, content_labels: labels };
    services.images.record(scope, record).await.map(drop)
}
