//! Manifests and indexes: HEAD, and GET of whole documents.

use bytes::Bytes;
use http::Method;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use varve_core::{Digest, Error, MediaType, Result};

use crate::exchange::Answer;
use crate::failure::{ASK, Failure};
use crate::host::Need;
use crate::repository::{Ask, Repository};
use crate::retry::Budget;
use crate::visit;

/// The four kinds of document a name may be.
const ACCEPT: HeaderValue = HeaderValue::from_static(
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.docker.distribution.manifest.v2+json",
);
const DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// What a HEAD tells. A registry may leave out any of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Head {
    /// Only an index or a manifest.
    pub media_type: Option<MediaType>,
    pub digest: Option<Digest>,
    /// Bytes; of a document there is always one.
    pub size: Option<u64>,
}

/// A document as it came, and its digest as we computed it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ManifestBytes {
    pub media_type: MediaType,
    pub digest: Digest,
    pub bytes: Bytes,
}

impl Repository {
    /// HEAD of `reference`, a tag or a digest.
    pub async fn head_manifest(&self, reference: &str, budget: &mut Budget) -> Result<Head> {
        let ask = manifest(Method::HEAD, reference);
        let answer = self.send(&self.manifest_noun(reference), &ask, budget).await?;
        let size = visit::text(&answer, header::CONTENT_LENGTH).and_then(|text| text.parse().ok());
        // A HEAD has no body, and some say that of the document.
        let size = size.filter(|size| *size > 0);
        Ok(Head { media_type: media_type(&answer), digest: digest(&answer), size })
    }

    /// GET of `reference`, a tag or a digest: at most what the configuration allows a document. Where `reference` is a digest, or the
    /// registry names one, the bytes have it.
    pub async fn manifest(&self, reference: &str, budget: &mut Budget) -> Result<ManifestBytes> {
        let ask = manifest(Method::GET, reference);
        let noun = self.manifest_noun(reference);
        loop {
            let answer = self.send(&noun, &ask, budget).await?;
            let host = answer.host.clone();
            match self.read_manifest(&noun, reference, answer).await {
                Ok(manifest) => return Ok(manifest),
                Err(failure) => budget.survive(host.blame(failure)).await?,
            }
        }
    }

    async fn read_manifest(
        &self,
        noun: &str,
        reference: &str,
        answer: Answer,
    ) -> Result<ManifestBytes, Failure> {
        let (said, kind) = (digests(&answer), media_type(&answer));
        let cap = usize::try_from(self.config().images.document).unwrap_or(usize::MAX);
        let bytes = self.document(answer, "a manifest", cap).await?;
        let digest = Digest::of(&bytes);
        let wanted = if reference.contains(':') { vec![reference.parse()?] } else { said };
        if let Some(wanted) = wanted.into_iter().find(|wanted| *wanted != digest) {
            let message = format!("{noun}: the registry sent {digest} in place of {wanted}; {ASK}");
            return Err(Failure::passing(Error::precondition(message)));
        }
        let media_type = kind.or_else(|| media_type_within(&bytes)).ok_or_else(|| {
            let what = "is neither an image manifest nor an index";
            Error::invalid(format!("{noun}: {what}; check that the name is an image's"))
        })?;
        Ok(ManifestBytes { media_type, digest, bytes })
    }

    pub(crate) fn manifest_noun(&self, reference: &str) -> String {
        let mark = if reference.contains(':') { '@' } else { ':' };
        format!("manifest for {}{mark}{reference}", self.full_name())
    }
}

fn manifest(method: Method, reference: &str) -> Ask {
    let path = ["manifests".into(), reference.into()];
    let headers = HeaderMap::from_iter([(header::ACCEPT, ACCEPT)]);
    Ask { method, path, headers, need: Need::of(reference) }
}

/// What the answer says that the document's digest is; nothing where it contradicts itself.
pub(crate) fn digest(answer: &Answer) -> Option<Digest> {
    let said = digests(answer);
    let first = *said.first()?;
    said.iter().all(|other| *other == first).then_some(first)
}

/// All that the answer says of the digest: a registry says it once, a proxy before it perhaps once more.
fn digests(answer: &Answer) -> Vec<Digest> {
    let said = answer.headers().get_all(DIGEST).iter();
    said.filter_map(|value| value.to_str().ok()?.parse().ok()).collect()
}

/// The Content-Type without its parameters, where it is one of the four.
fn media_type(answer: &Answer) -> Option<MediaType> {
    let text = visit::text(answer, header::CONTENT_TYPE)?;
    document(text.split(';').next().unwrap_or_default().trim())
}

fn document(name: &str) -> Option<MediaType> {
    let media_type = MediaType::from(name);
    (media_type.is_index() || media_type.is_manifest()).then_some(media_type)
}

/// What a document says it is: file servers call everything `application/json`.
fn media_type_within(bytes: &[u8]) -> Option<MediaType> {
    #[derive(serde::Deserialize)]
    struct Within {
        #[serde(rename = "mediaType")]
        media_type: String,
    }
    document(&serde_json::from_slice::<Within>(bytes).ok()?.media_type)
}
