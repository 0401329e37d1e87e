//! The log: what was asked, and what was answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, HeaderName, Method};

/// One request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    pub method: Method,
    pub path: String,
    pub query: String,
    /// The Range that was asked for.
    pub range: Option<String>,
    /// The Authorization that was sent.
    pub authorization: Option<String>,
    /// All headers of the request.
    pub headers: HeaderMap,
    pub status: u16,
    /// Bytes of the body that were handed to the connection so far.
    pub bytes: u64,
}

pub(super) struct Entry {
    record: Record,
    sent: Arc<AtomicU64>,
}

impl Entry {
    pub(super) fn new(method: Method, path: &str, query: &str, headers: &HeaderMap) -> Self {
        let text = |name: HeaderName| Some(headers.get(name)?.to_str().ok()?.to_owned());
        let record = Record {
            method,
            path: path.to_owned(),
            query: query.to_owned(),
            range: text(http::header::RANGE),
            authorization: text(http::header::AUTHORIZATION),
            headers: headers.clone(),
            status: 0,
            bytes: 0,
        };
        Self { record, sent: Arc::default() }
    }

    /// The answer's status, and where its bytes are counted.
    pub(super) fn answered(&mut self, status: u16, sent: Arc<AtomicU64>) {
        self.record.status = status;
        self.sent = sent;
    }

    pub(super) fn record(&self) -> Record {
        Record { bytes: self.sent.load(Ordering::Relaxed), ..self.record.clone() }
    }
}
