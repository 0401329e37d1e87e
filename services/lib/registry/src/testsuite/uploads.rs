//! What is written to the registry: uploads in parts, blobs mounted from other repositories, manifests.

use std::collections::HashMap;

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap};
use http::request::Parts;
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use varve_core::oci::{Bounds, Document};
use varve_core::{Digest, MediaType};

use super::answer::{Answer, DIGEST};
use super::faults::Fault;
use super::shelf::Source;
use super::{State, lock};

/// Uploads under way, by their number.
#[derive(Default)]
pub(super) struct Uploads {
    begun: u64,
    open: HashMap<u64, BytesMut>,
}

/// Where in the registry something is written.
pub(super) enum Place<'a> {
    /// `<name>/blobs/uploads/`.
    Begin {
        repository: &'a str,
    },
    /// `<name>/blobs/uploads/<number>`.
    Upload {
        repository: &'a str,
        number: u64,
    },
    Manifest {
        repository: &'a str,
        reference: &'a str,
    },
}

/// The client's connection ends, with no answer.
#[derive(Debug, thiserror::Error)]
#[error("cut, as a fault says")]
pub(super) struct Cut;

impl<'a> Place<'a> {
    /// `None` where nothing is written there.
    pub(super) fn parse(method: &Method, path: &'a str) -> Option<Self> {
        let rest = path.strip_prefix("/v2/")?;
        if let Some((repository, number)) = rest.split_once("/blobs/uploads/") {
            return Some(match number {
                "" => Self::Begin { repository },
                number => Self::Upload { repository, number: number.parse().ok()? },
            });
        }
        let (repository, reference) = rest.split_once("/manifests/")?;
        (*method == Method::PUT).then_some(Self::Manifest { repository, reference })
    }

    pub(super) fn repository(&self) -> &'a str {
        match self {
            Self::Begin { repository }
            | Self::Upload { repository, .. }
            | Self::Manifest { repository, .. } => repository,
        }
    }
}

/// Does what is asked, as far as the faults let it.
pub(super) async fn write(
    state: &State,
    place: &Place<'_>,
    parts: &Parts,
    body: Incoming,
    faults: &[Fault],
) -> Result<Answer, Cut> {
    if let Some(refusal) = refused(&parts.headers, faults) {
        return Ok(refusal);
    }
    match (place, &parts.method) {
        (Place::Begin { repository }, &Method::POST) => Ok(begin(state, repository, parts)),
        (Place::Upload { repository, number }, &Method::PATCH) => {
            if let Some(answer) = out_of_order(state, *number, &parts.headers) {
                return Ok(answer);
            }
            take(state, *number, body, faults).await?;
            Ok(under_way(state, repository, *number, StatusCode::ACCEPTED, faults))
        }
        (Place::Upload { repository, number }, &Method::PUT) => {
            take(state, *number, body, faults).await?;
            Ok(finish(state, repository, *number, parts))
        }
        (Place::Upload { repository, number }, &Method::GET) => {
            Ok(under_way(state, repository, *number, StatusCode::NO_CONTENT, faults))
        }
        (Place::Upload { number, .. }, &Method::DELETE) => {
            lock(&state.uploads).open.remove(number);
            Ok(Answer::text(StatusCode::NO_CONTENT, String::new()))
        }
        (Place::Manifest { repository, reference }, &Method::PUT) => {
            Ok(manifest(state, repository, reference, parts, body).await)
        }
        _ => Ok(Answer::error(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", "no such thing here")),
    }
}

/// A refusal that comes before anything is taken.
fn refused(headers: &HeaderMap, faults: &[Fault]) -> Option<Answer> {
    let length = number(headers, "content-length").unwrap_or(0);
    faults.iter().find_map(|fault| match fault {
        Fault::Status(..) => Some(Answer::text(StatusCode::OK, String::new())),
        Fault::MostBytes(most) if length > *most => {
            Some(Answer::text(StatusCode::PAYLOAD_TOO_LARGE, "<html>too large</html>".into()))
        }
        _ => None,
    })
}

fn begin(state: &State, repository: &str, parts: &Parts) -> Answer {
    let query: HashMap<_, _> =
        url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).collect();
    if let (Some(digest), Some(from)) = (query.get("mount"), query.get("from")) {
        let mut shelf = lock(&state.shelf);
        if let (Some(source), Ok(known)) = (shelf.blob(from, digest), digest.parse()) {
            shelf.add(repository, known, source);
            return created(&format!("/v2/{repository}/blobs/{digest}"), digest);
        }
    }
    let number = {
        let mut uploads = lock(&state.uploads);
        uploads.begun += 1;
        let number = uploads.begun;
        uploads.open.insert(number, BytesMut::new());
        number
    };
    under_way(state, repository, number, StatusCode::ACCEPTED, &[])
}

/// A part that does not begin where the last one ended.
fn out_of_order(state: &State, number: u64, headers: &HeaderMap) -> Option<Answer> {
    let range = headers.get(header::CONTENT_RANGE)?.to_str().ok()?;
    let start: usize = range.split_once('-')?.0.parse().ok()?;
    let here = lock(&state.uploads).open.get(&number)?.len();
    let message = "the part does not begin where the last one ended";
    (start != here)
        .then(|| Answer::error(StatusCode::RANGE_NOT_SATISFIABLE, "RANGE_INVALID", message))
}

/// Takes what comes, until the end or the fault.
async fn take(state: &State, number: u64, mut body: Incoming, faults: &[Fault]) -> Result<(), Cut> {
    let cut = faults.iter().find_map(|fault| match fault {
        Fault::CutUpload(bytes) => Some(*bytes),
        _ => None,
    });
    let most = faults.iter().find_map(|fault| match fault {
        Fault::Takes(bytes) => Some(*bytes),
        _ => None,
    });
    let mut came = 0;
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(data) = frame.into_data() else { continue };
        let room = cut.map_or(data.len(), |cut| data.len().min(cut - came));
        let kept = most.map_or(room, |most| room.min(most.saturating_sub(came)));
        if let Some(bytes) = lock(&state.uploads).open.get_mut(&number) {
            bytes.extend_from_slice(&data[..kept]);
        }
        came += room;
        if cut == Some(came) {
            return Err(Cut);
        }
        if faults.contains(&Fault::StallUpload) {
            std::future::pending::<()>().await;
        }
    }
    Ok(())
}

/// Where the upload goes on.
fn under_way(
    state: &State,
    repository: &str,
    number: u64,
    status: StatusCode,
    faults: &[Fault],
) -> Answer {
    let Some(here) = lock(&state.uploads).open.get(&number).map(BytesMut::len) else {
        return Answer::error(StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown");
    };
    let path = format!("/v2/{repository}/blobs/uploads/{number}?_state=at-{here}");
    let location = match faults.contains(&Fault::AbsoluteLocation) {
        true => format!("http://{}{path}", state.address),
        false => path,
    };
    Answer::text(status, String::new())
        .with(header::LOCATION, &location)
        .with(header::RANGE, &format!("0-{}", here.saturating_sub(1)))
}

fn finish(state: &State, repository: &str, number: u64, parts: &Parts) -> Answer {
    let Some(bytes) = lock(&state.uploads).open.remove(&number).map(BytesMut::freeze) else {
        return Answer::error(StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown");
    };
    let digest = Digest::of(&bytes);
    let wanted = url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
        .find(|(key, _)| key == "digest")
        .map(|(_, value)| value.into_owned());
    if wanted != Some(digest.to_string()) {
        let message = "provided digest did not match uploaded content";
        return Answer::error(StatusCode::BAD_REQUEST, "DIGEST_INVALID", message);
    }
    lock(&state.shelf).add(repository, digest, Source::Bytes(bytes));
    created(&format!("/v2/{repository}/blobs/{digest}"), &digest.to_string())
}

/// Refused, as by Docker's own registry, where something that it refers to is not here.
async fn manifest(
    state: &State,
    repository: &str,
    reference: &str,
    parts: &Parts,
    body: Incoming,
) -> Answer {
    let bytes: Bytes = body.collect().await.map(|all| all.to_bytes()).unwrap_or_default();
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = MediaType::from(kind.unwrap_or_default());
    let mut shelf = lock(&state.shelf);
    let document = Document::parse(&kind, &bytes, &Bounds::default());
    let missing = document.iter().flat_map(|document| document.children()).find(|child| {
        let digest = child.digest.to_string();
        shelf.blob(repository, &digest).is_none() && shelf.manifest(repository, &digest).is_none()
    });
    if let Some(missing) = missing {
        let message = format!("blob unknown to registry: {}", missing.digest);
        return Answer::error(StatusCode::NOT_FOUND, "MANIFEST_BLOB_UNKNOWN", &message);
    }
    let tag = Some(reference).filter(|reference| !reference.contains(':'));
    let digest = shelf.add_manifest(repository, tag, &kind, bytes).to_string();
    if tag.is_none() && digest != reference {
        return Answer::error(StatusCode::BAD_REQUEST, "DIGEST_INVALID", "another digest");
    }
    created(&format!("/v2/{repository}/manifests/{digest}"), &digest)
}

fn created(location: &str, digest: &str) -> Answer {
    Answer::text(StatusCode::CREATED, String::new())
        .with(header::LOCATION, location)
        .with(DIGEST, digest)
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}
