//! Why no layer could be made.

use std::io;

use rustix::io::Errno;
use varve_core::{Error, Kind};

use super::TreePath;

/// A variant per thing that a reader would do differently.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DiffError {
    #[error("the comparison was cancelled")]
    Cancelled,
    /// What was there a moment ago is not, or is something else.
    #[error("{0:?} changed while it was read; pause what runs on it, or try again")]
    Moved(TreePath),
    #[error("{path:?} cannot be said in a layer: {why}")]
    Unsayable { path: TreePath, why: String },
    /// More than the configuration allows a layer.
    #[error("the layer would have {what}, more than the limit of {limit}")]
    Limit { what: String, limit: u64 },
    #[error("{what} {path:?} failed")]
    Disk { what: &'static str, path: TreePath, source: io::Error },
    /// The compressor broke down, or was given what it does not take.
    #[error("the layer cannot be written")]
    Output(#[source] io::Error),
}

impl DiffError {
    pub fn unsayable(path: &TreePath, why: impl Into<String>) -> Self {
        Self::Unsayable { path: path.clone(), why: why.into() }
    }

    pub fn limit(what: impl Into<String>, limit: u64) -> Self {
        Self::Limit { what: what.into(), limit }
    }

    /// What whoever writes was told by one of the writers below it.
    pub fn output(error: io::Error) -> Self {
        error.downcast::<Self>().unwrap_or_else(Self::Output)
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Cancelled => Kind::Cancelled,
            Self::Moved(_) => Kind::Aborted,
            Self::Unsayable { .. } => Kind::FailedPrecondition,
            Self::Limit { .. } => Kind::ResourceExhausted,
            Self::Disk { source, .. } => Error::io("", io::Error::from(source.kind())).kind(),
            Self::Output(_) => Kind::Internal,
        }
    }
}

/// A failed system call on `path`, to be made of its errno.
pub(super) fn failed(what: &'static str, path: &TreePath) -> impl Fn(Errno) -> DiffError {
    move |errno| match errno {
        // It was seen before, with another type on its way.
        Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::STALE => DiffError::Moved(path.clone()),
        errno => DiffError::Disk { what, path: path.clone(), source: errno.into() },
    }
}

impl From<DiffError> for Error {
    fn from(error: DiffError) -> Self {
        let (kind, message) = (error.kind(), error.to_string());
        match error {
            DiffError::Disk { source, .. } | DiffError::Output(source) => {
                Error::new(kind, message).with_source(source)
            }
            _ => Error::new(kind, message),
        }
    }
}
