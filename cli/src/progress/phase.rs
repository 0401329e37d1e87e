//! What a layer can be at.

/// From first to last; bytes are of the blob, compressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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
}

impl Phase {
    /// Docker's words.
    pub fn words(self) -> &'static str {
        match self {
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
        }
    }

    /// Whether nothing follows.
    pub fn is_last(self) -> bool {
        matches!(self, Self::Complete | Self::Loaded | Self::Exists)
    }
}
