//! Why a layer could not be applied.

use std::any::Any;
use std::io;

use varve_core::oci::Compression;
use varve_core::{Error, Kind};

use super::TreePath;

/// A variant per thing that a reader would do differently.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Somebody called `Cancel::cancel`.
    #[error("unpacking was cancelled")]
    Cancelled,
    /// The blob could not be read: says nothing of its bytes.
    #[error("the layer's blob cannot be read")]
    Source(#[source] io::Error),
    /// The bytes are compressed with something that no layer may be compressed with.
    #[error("the layer's media type says {says}, its bytes are {are}", says = name(*.says))]
    UnknownCompression { says: Compression, are: &'static str },
    /// The compressed stream is broken, cut off, or followed by garbage.
    #[error("the layer's {} stream is damaged", name(*.0))]
    Corrupt(Compression, #[source] io::Error),
    /// The archive is not a tar, or says two things at once.
    #[error("the layer's tar is malformed at byte {offset}: {why}")]
    Malformed { offset: u64, why: String },
    /// More than the configuration allows; `key` is its word there.
    #[error("the layer has {what}, more than the limit of {limit} (snapshotter.limits.{key})")]
    Limit { key: &'static str, what: String, limit: u64 },
    /// The disk is nearly full.
    #[error(
        "only {free} bytes are free on the file system, and unpacking leaves {reserve} to others \
         (snapshotter.limits.reserve): make room there"
    )]
    Reserve { free: u64, reserve: u64 },
    /// An entry that no tree can hold.
    #[error("the layer's entry {path:?} is refused: {why}")]
    Refused { path: TreePath, why: String },
    /// A system call failed.
    #[error("{what} {path:?} failed")]
    Disk { what: &'static str, path: TreePath, source: io::Error },
    /// A defect of ours; the other thread was stopped and joined.
    #[error("unpacking broke down: {0}")]
    Panicked(String),
}

impl ApplyError {
    pub(super) fn limit(key: &'static str, what: impl Into<String>, limit: u64) -> Self {
        Self::Limit { key, what: what.into(), limit }
    }

    pub(super) fn refused(path: &TreePath, why: impl Into<String>) -> Self {
        Self::Refused { path: path.clone(), why: why.into() }
    }

    /// What a reader of an entry's body met.
    pub(crate) fn body(error: io::Error) -> Self {
        error.downcast::<Self>().unwrap_or_else(Self::Source)
    }

    pub(super) fn panicked(payload: Box<dyn Any + Send>) -> Self {
        let text = payload
            .downcast_ref::<&str>()
            .map(|text| text.to_string())
            .or_else(|| payload.downcast_ref::<String>().cloned());
        Self::Panicked(text.unwrap_or_else(|| "a thread panicked".into()))
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Cancelled => Kind::Cancelled,
            Self::Source(_) => Kind::Unavailable,
            Self::UnknownCompression { .. } | Self::Malformed { .. } | Self::Refused { .. } => {
                Kind::InvalidArgument
            }
            Self::Corrupt(..) => Kind::DataLoss,
            Self::Limit { .. } | Self::Reserve { .. } => Kind::ResourceExhausted,
            Self::Disk { source, .. } => Error::io("", io::Error::from(source.kind())).kind(),
            Self::Panicked(_) => Kind::Internal,
        }
    }
}

/// What a compression is called in a sentence.
pub(super) fn name(compression: Compression) -> &'static str {
    match compression {
        Compression::None => "plain tar",
        Compression::Gzip => "gzip",
        Compression::Zstd => "zstd",
    }
}

impl From<ApplyError> for Error {
    /// A source that carries a [`varve_core::Error`] (a follower of an ingest that was aborted)
    /// keeps its kind.
    fn from(error: ApplyError) -> Self {
        let inner = match &error {
            ApplyError::Source(source) => source.get_ref().and_then(|e| e.downcast_ref::<Error>()),
            _ => None,
        };
        let kind = inner.map_or(error.kind(), Error::kind);
        let message = error.to_string();
        match error {
            ApplyError::Source(source)
            | ApplyError::Corrupt(_, source)
            | ApplyError::Disk { source, .. } => Error::new(kind, message).with_source(source),
            _ => Error::new(kind, message),
        }
    }
}
