//! What a layer can be at.

use std::borrow::Cow;
use std::sync::Arc;

/// From first to last, of a pull and of a push; bytes are of the blob, compressed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Nothing has happened yet.
    Queued,
    /// Other downloads go first.
    Waiting,
    Downloading(u64),
    /// The download failed and is tried again.
    Retrying(u32),
    Downloaded,
    /// Bytes come from an archive, and are unpacked as they come.
    Loading(u64),
    Extracting(u64),
    Complete,
    /// What came from an archive is unpacked.
    Loaded,
    /// Was here before: nothing to do.
    Exists,
    /// It is to be pushed.
    Preparing,
    Pushing(u64),
    Pushed,
    /// Was at the registry before.
    LayerExists,
    /// Was in this other repository of the registry.
    Mounted(Arc<str>),
    /// Read again, to see whether it is what it must be.
    Hashing(u64),
    Hashed,
    /// Written into an archive.
    Saving(u64),
    Saved,
}

impl Phase {
    /// Docker's words, where it has any.
    pub fn words(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Queued => "Pulling fs layer",
            Self::Waiting => "Waiting",
            Self::Downloading(_) => "Downloading",
            Self::Retrying(_) => "Retrying",
            Self::Downloaded => "Download complete",
            Self::Loading(_) => "Loading",
            Self::Extracting(_) => "Extracting",
            Self::Complete => "Pull complete",
            Self::Loaded => "Loaded",
            Self::Exists => "Already exists",
            Self::Preparing => "Preparing",
            Self::Pushing(_) => "Pushing",
            Self::Pushed => "Pushed",
            Self::LayerExists => "Layer already exists",
            Self::Hashing(_) => "Hashing",
            Self::Hashed => "Hashed",
            Self::Saving(_) => "Saving",
            Self::Saved => "Saved",
            Self::Mounted(from) => return format!("Mounted from {from}").into(),
        })
    }

    /// Whether nothing follows.
    pub fn is_last(&self) -> bool {
        use Phase::*;
        matches!(
            self,
            Complete | Loaded | Exists | Pushed | LayerExists | Mounted(_) | Hashed | Saved
        )
    }

    /// How many bytes it has come to, where it is bytes that move.
    pub fn bytes(&self) -> Option<u64> {
        match self {
            Self::Downloading(bytes)
            | Self::Loading(bytes)
            | Self::Extracting(bytes)
            | Self::Pushing(bytes)
            | Self::Hashing(bytes)
            | Self::Saving(bytes) => Some(*bytes),
            _ => None,
        }
    }
}
