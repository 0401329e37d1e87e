//! Manifests and indexes: HEAD, and GET of whole documents.

use bytes::Bytes;
use http::Method;
use http::header::{self, HeaderName, HeaderValue};
use varve_core::oci::MAX_DOCUMENT;
use varve_core::{Digest, Error, MediaType, Result};

use crate::body::Body;
use crate::client::{self, Repository};
use crate::exchange::{Answer, Request};
use crate::failure::Failure;
use crate::retry::Budget;

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
    /// Bytes.
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
        let request = self.manifest_request(Method::HEAD, reference).await?;
        let answer = self.send(&self.manifest_noun(reference), request, budget).await?;
        let size = client::text(&answer, header::CONTENT_LENGTH).and_then(|text| text.parse().ok());
        Ok(Head { media_type: media_type(&answer), digest: digest(&answer), size })
    }

    /// GET of `reference`, a tag or a digest: at most 4 MiB. Where `reference` is a digest, or the
    /// registry names one, the bytes have it.
    pub async fn manifest(&self, reference: &str, budget: &mut Budget) -> Result<ManifestBytes> {
        let request = self.manifest_request(Method::GET, reference).await?;
        let noun = self.manifest_noun(reference);
        loop {
            let answer = self.send(&noun, request.clone(), budget).await?;
            match self.read_manifest(&noun, reference, answer).await {
                Ok(manifest) => return Ok(manifest),
                Err(failure) => budget.survive(failure).await?,
            }
        }
    }

    async fn read_manifest(
        &self,
        noun: &str,
        reference: &str,
        answer: Answer,
    ) -> Result<ManifestBytes, Failure> {
        let (said, kind) = (digest(&answer), media_type(&answer));
        let cap = usize::try_from(MAX_DOCUMENT).unwrap_or(usize::MAX);
        let bytes = Body::new(answer, self.config().stall).all("a manifest", cap).await?;
        let digest = Digest::of(&bytes);
        let wanted = if reference.contains(':') { Some(reference.parse()?) } else { said };
        if let Some(wanted) = wanted.filter(|wanted| *wanted != digest) {
            let message = format!("{noun}: the registry sent {digest} in place of {wanted}");
            return Err(Failure::passing(Error::precondition(message)));
        }
        let media_type = kind.or_else(|| media_type_within(&bytes)).ok_or_else(|| {
            Error::invalid(format!("{noun}: is neither an image manifest nor an index"))
        })?;
        Ok(ManifestBytes { media_type, digest, bytes })
    }

    async fn manifest_request(&self, method: Method, reference: &str) -> Result<Request> {
        let url = self.url(&["manifests", reference]).await?;
        Ok(Request::new(method, url).header(header::ACCEPT, ACCEPT))
    }

    fn manifest_noun(&self, reference: &str) -> String {
        let mark = if reference.contains(':') { '@' } else { ':' };
        format!("manifest for {}{mark}{reference}", self.full_name())
    }
}

fn digest(answer: &Answer) -> Option<Digest> {
    client::text(answer, DIGEST)?.parse().ok()
}

/// The Content-Type without its parameters, where it is one of the four.
fn media_type(answer: &Answer) -> Option<MediaType> {
    let text = client::text(answer, header::CONTENT_TYPE)?;
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
