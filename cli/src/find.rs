//! Which image a person means: by name, by ID or the start of one, by digest.

use varve_core::images::Image as Named;
use varve_core::oci::Index;
use varve_core::{Descriptor, Digest, Error, Platform, Reference, Result, ResultExt, Scope};

use crate::image::{Documents, Image, Source};
use crate::removal;
use crate::services::Services;
use crate::session::Session;
use crate::survey;

/// Candidates that an error lists.
const LISTED: usize = 10;

/// What was meant.
pub enum Found {
    /// One name, whatever else names the same image.
    Name(Box<Named>),
    /// An image by its ID or digest, with all of its names.
    Id(Vec<Named>),
}

impl Found {
    /// One of the names: they all point to the image that was meant.
    pub fn first(&self) -> &Named {
        match self {
            Self::Name(named) => named,
            Self::Id(all) => &all[0],
        }
    }
}

/// Looks `text` up, as a name first.
///
/// # Errors
/// NotFound where there is no such image; InvalidArgument where several begin with that ID, naming them.
pub async fn find(session: &Session, text: &str) -> Result<Found> {
    let reference = text.parse::<Reference>();
    if let Ok(reference) = &reference {
        let name = reference.to_string();
        if let Some(named) = session.services.images.get(&session.scope, &name).await.found()? {
            return Ok(Found::Name(Box::new(named)));
        }
    }
    let all = session.services.images.list(&session.scope, &[]).await?;
    let by_digest = reference.as_ref().ok().and_then(|reference| {
        let digest = reference.digest()?;
        Some(all.iter().filter(|named| is_of(named, reference, digest)).cloned().collect())
    });
    let found: Vec<Named> = match (by_digest, id_prefix(text)) {
        (Some(found), _) => found,
        (None, Some(prefix)) => by_id(session, all, text, prefix).await?,
        (None, None) => Vec::new(),
    };
    if found.is_empty() {
        return Err(match reference {
            Err(error) if id_prefix(text).is_none() => error,
            _ => {
                Error::not_found(format!("No such image: {text}; `varve images` lists those here"))
            }
        });
    }
    Ok(Found::Id(found))
}

/// `repository@digest` of an image that has a tag of that repository.
fn is_of(named: &Named, reference: &Reference, digest: Digest) -> bool {
    let other = named.name.parse::<Reference>();
    let same = |other: Reference| other.repository() == reference.repository();
    named.target.digest == digest && other.is_ok_and(same)
}

/// Hex digits that an ID may begin with.
fn id_prefix(text: &str) -> Option<&str> {
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    let digits = |hex: &str| hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    (!hex.is_empty() && hex.len() <= 64 && digits(hex)).then_some(hex)
}

/// An image that may be meant.
struct Candidate {
    id: Digest,
    /// Its ID, or its target's digest: what begins as it was said.
    meant: Digest,
    named: Named,
}

/// The images whose ID, or whose target's digest, begins so.
async fn by_id(session: &Session, all: Vec<Named>, text: &str, prefix: &str) -> Result<Vec<Named>> {
    let mut found = Vec::new();
    let ids = survey::ids(session, &all).await?;
    for named in all {
        let target = named.target.digest;
        let id = ids.get(&target).copied().unwrap_or(target);
        if let Some(meant) = [id, target].into_iter().find(|it| it.hex().starts_with(prefix)) {
            found.push(Candidate { id, meant, named });
        }
    }
    found.sort_by(|a, b| a.id.cmp(&b.id).then_with(|| a.named.name.cmp(&b.named.name)));
    if found.iter().any(|candidate| candidate.id != found[0].id) {
        return Err(ambiguous(text, found));
    }
    Ok(found.into_iter().map(|candidate| candidate.named).collect())
}

/// Names the candidates, each digest with one name of its image.
fn ambiguous(text: &str, mut each: Vec<Candidate>) -> Error {
    each.dedup_by_key(|candidate| candidate.id);
    each.sort_by_key(|candidate| candidate.meant);
    let shown = each.iter().take(LISTED).map(|Candidate { meant, named, .. }| {
        format!("{} ({})", meant.short(), removal::familiar(&named.name))
    });
    let shown = shown.collect::<Vec<_>>().join(", ");
    let more = match each.len().saturating_sub(LISTED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Error::invalid(format!("{text}: the IDs of several images begin so: {shown}{more}"))
}

/// The image for this machine, or else for the first platform that is here.
pub async fn present(session: &Session, named: &Named) -> Result<Option<Image>> {
    let (services, scope, target) = (&session.services, &session.scope, &named.target);
    match best(services, scope, target).await? {
        None => other(services, scope, target).await,
        best => Ok(best),
    }
}

/// The image for this machine, where it is here: the one that a pull without a platform brings.
pub async fn best(
    services: &Services,
    scope: &Scope,
    target: &Descriptor,
) -> Result<Option<Image>> {
    let documents = Documents { services, scope, source: Source::Store };
    documents.load(target, &Platform::host()).await.found()
}

/// The first platform of an index that is here.
pub async fn other(
    services: &Services,
    scope: &Scope,
    target: &Descriptor,
) -> Result<Option<Image>> {
    let below = Below::of(services, scope, target).await?;
    for child in &below.children {
        let image = below.image(child).await?;
        if image.is_some() {
            return Ok(image);
        }
    }
    Ok(None)
}

/// All platforms that are here, this machine's first.
pub async fn platforms(session: &Session, named: &Named) -> Result<Vec<Image>> {
    let (services, scope, target) = (&session.services, &session.scope, &named.target);
    let mut images: Vec<Image> = best(services, scope, target).await?.into_iter().collect();
    let below = Below::of(services, scope, target).await?;
    for child in &below.children {
        // A manifest may be for several platforms.
        if images.iter().all(|image| image.manifest.digest != child.digest) {
            images.extend(below.image(child).await?);
        }
    }
    Ok(images)
}

/// The manifests below an index, here or not.
struct Below<'a> {
    documents: Documents<'a>,
    indexes: Vec<(Descriptor, Index)>,
    children: Vec<Descriptor>,
}

impl<'a> Below<'a> {
    /// Nothing is below a manifest, or an index that is not here.
    async fn of(services: &'a Services, scope: &'a Scope, target: &Descriptor) -> Result<Self> {
        let documents = Documents { services, scope, source: Source::Store };
        let indexes = match target.media_type.is_manifest() {
            true => None,
            false => documents.indexes(target, &Platform::host()).await.found()?,
        };
        let indexes = indexes.unwrap_or_default();
        let children = indexes.iter().flat_map(|(_, index)| &index.manifests);
        let children = children.filter(|child| child.media_type.is_manifest()).cloned().collect();
        Ok(Self { documents, indexes, children })
    }

    /// The image of a child, where its documents are here.
    async fn image(&self, child: &Descriptor) -> Result<Option<Image>> {
        let Documents { services, scope, .. } = self.documents;
        if services.content.info(scope, &child.digest).await.found()?.is_none() {
            return Ok(None);
        }
        self.documents.below(self.indexes.clone(), child.clone()).await.found()
    }
}
