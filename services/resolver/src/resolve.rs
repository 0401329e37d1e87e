//! A reference to a descriptor: one HEAD, or a GET where a HEAD does not tell enough.

use varve_core::oci::MAX_DOCUMENT;
use varve_core::remotes::Remote;
use varve_core::{Descriptor, Digest, Error, Kind, Result, ResultExt};
use varve_registry::{ASK, Budget, Client, Head, LARGE, Repository};

/// The digest of the reference decides; its tag is only asked whether it says the same.
pub(crate) async fn resolve(client: &Client, remote: &Remote) -> Result<Descriptor> {
    let repository = client.open(remote)?;
    let mut budget = repository.budget();
    let reference = &remote.reference;
    let Some(digest) = reference.digest() else {
        let tag = reference.tag().ok_or_else(|| {
            Error::invalid(format!("reference {reference}: has neither a tag nor a digest"))
        })?;
        return named(&repository, tag, None, &mut budget).await;
    };
    if let Some(tag) = reference.tag() {
        agree(&repository, tag, digest, &mut budget).await?;
    }
    named(&repository, &digest.to_string(), Some(digest), &mut budget).await
}

/// Refuses a tag that is there and points elsewhere. One that is gone contradicts nothing.
async fn agree(
    repository: &Repository,
    tag: &str,
    digest: Digest,
    budget: &mut Budget,
) -> Result<()> {
    let Some(found) = named(repository, tag, None, budget).await.found()? else {
        return Ok(());
    };
    if found.digest != digest {
        let name = repository.full_name();
        return Err(Error::precondition(format!(
            "{name}:{tag} is {} and not {digest}; leave out the tag to pull the digest",
            found.digest
        )));
    }
    Ok(())
}

/// The descriptor of a tag or a digest (`wanted`, then).
async fn named(
    repository: &Repository,
    reference: &str,
    wanted: Option<Digest>,
    budget: &mut Budget,
) -> Result<Descriptor> {
    match repository.head_manifest(reference, budget).await {
        Ok(head) => {
            if let Some(descriptor) = whole(repository, head, wanted)? {
                return Ok(descriptor);
            }
        }
        // Some registries refuse HEAD; and where it fails for good, only a GET can say why.
        Err(error) if refused(error.kind()) => {}
        Err(error) => return Err(error),
    }
    let manifest = repository.manifest(reference, budget).await?;
    let size = manifest.bytes.len() as u64;
    Ok(Descriptor::new(manifest.media_type, manifest.digest, size))
}

/// The descriptor, where the HEAD tells all of it.
fn whole(
    repository: &Repository,
    head: Head,
    wanted: Option<Digest>,
) -> Result<Option<Descriptor>> {
    let (Some(media_type), Some(size)) = (head.media_type, head.size) else {
        return Ok(None);
    };
    let Some(digest) = wanted.or(head.digest) else {
        return Ok(None);
    };
    let name = repository.full_name();
    if head.digest.is_some_and(|said| said != digest) {
        let message = format!("manifest for {name}@{digest}: the registry offers another; {ASK}");
        return Err(Error::precondition(message));
    }
    if size > MAX_DOCUMENT {
        let limit = format!("has {size} bytes, more than {MAX_DOCUMENT}; {LARGE}");
        return Err(Error::exhausted(format!("manifest for {name}@{digest}: {limit}")));
    }
    Ok(Some(Descriptor::new(media_type, digest, size)))
}

fn refused(kind: Kind) -> bool {
    use Kind::{InvalidArgument, NotFound, PermissionDenied, Unauthenticated};
    matches!(kind, InvalidArgument | NotFound | PermissionDenied | Unauthenticated)
}
