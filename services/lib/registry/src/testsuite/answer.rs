//! An answer on its way: status, headers, body, and the faults that strike it.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use http::header::{self, HeaderName};
use http::{HeaderMap, Response, StatusCode};
use serde_json::json;

use super::faults::Fault;
use super::shelf::Source;
use super::stream::{self, Body};

pub(super) const DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

const LONG: HeaderName = HeaderName::from_static("x-long");

pub(super) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub source: Source,
    /// The part of the source that is sent.
    pub range: (u64, u64),
}

impl Answer {
    /// All of `source`.
    pub(super) fn whole(status: StatusCode, source: Source) -> Self {
        let range = (0, source.size());
        Self { status, headers: HeaderMap::new(), source, range }
    }

    pub(super) fn text(status: StatusCode, text: String) -> Self {
        Self::whole(status, Source::Bytes(text.into()))
            .with(header::CONTENT_TYPE, "application/json")
    }

    /// An error in the specification's form.
    pub(super) fn error(status: StatusCode, code: &str, message: &str) -> Self {
        let body = json!({"errors": [{"code": code, "message": message}]});
        Self::text(status, body.to_string())
    }

    pub(super) fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = value.parse() {
            self.headers.insert(name, value);
        }
        self
    }

    pub(super) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// Applies the faults that are about the whole answer.
    pub(super) fn struck(mut self, faults: &[Fault], path: &str) -> Self {
        for fault in faults {
            self = match fault {
                Fault::Status(status, after) => {
                    let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::IM_A_TEAPOT);
                    let error = Self::error(status, "FAULT", "a fault, as asked");
                    match after {
                        Some(after) => error.with(header::RETRY_AFTER, after),
                        None => error,
                    }
                }
                Fault::Redirect(to) => Self::text(StatusCode::TEMPORARY_REDIRECT, String::new())
                    .with(header::LOCATION, &to.replace('*', path)),
                Fault::Body(text) => Self::text(StatusCode::OK, text.clone()),
                Fault::NoDigest => {
                    self.headers.remove(DIGEST);
                    self
                }
                Fault::Digest(digest) => self.with(DIGEST, digest),
                Fault::AlsoDigest(digest) => {
                    if let Ok(digest) = digest.parse() {
                        self.headers.append(DIGEST, digest);
                    }
                    self
                }
                Fault::Challenge(challenge) => {
                    Self::error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "authentication required")
                        .with(header::WWW_AUTHENTICATE, challenge)
                }
                Fault::Location(to) => self.with(header::LOCATION, &to.replace('*', path)),
                Fault::LongHeader(bytes) => self.with(LONG, &"x".repeat(*bytes)),
                Fault::Revoke(true) => self.with_invalid_token(),
                Fault::ContentType(name) => self.with(header::CONTENT_TYPE, name),
                Fault::ContentRange(range) => self.with(header::CONTENT_RANGE, range),
                Fault::Link(link) => self.with(header::LINK, link),
                _ => self,
            };
        }
        self
    }

    /// Where it is a challenge, it says that the token was no good (RFC 6750 section 3.1).
    fn with_invalid_token(self) -> Self {
        let challenge = self.headers.get(header::WWW_AUTHENTICATE).and_then(|it| it.to_str().ok());
        match challenge.map(|it| format!(r#"{it},error="invalid_token""#)) {
            Some(challenge) => self.with(header::WWW_AUTHENTICATE, &challenge),
            None => self,
        }
    }

    /// The response, and the count of its body's bytes.
    pub(super) fn response(self, head: bool, faults: &[Fault]) -> (Response<Body>, Arc<AtomicU64>) {
        let (start, end) = self.range;
        let lie = faults.iter().find_map(|fault| match fault {
            Fault::Length(length) => Some(*length),
            _ => None,
        });
        let source = if head { Source::Bytes(Bytes::new()) } else { self.source };
        let (from, to) = if head { (0, 0) } else { (start, end) };
        let (body, sent) = stream::body(source, from, to, faults);
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        if !faults.contains(&Fault::Endless) {
            let length = lie.unwrap_or(end - start);
            response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
        }
        (response, sent)
    }
}
