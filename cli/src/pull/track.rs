//! One layer's line of progress: two workers report to it, and a person sees one thing at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use varve_core::{remotes, unpack};

use super::layers::Todo;
use crate::progress::{Phase, Progress};

/// While bytes are still coming the download is shown, then the extraction, then the end.
pub struct Track {
    progress: Arc<dyn Progress>,
    number: usize,
    /// The blob was here before, or is now.
    downloaded: Arc<AtomicBool>,
    had_blob: bool,
    had_tree: bool,
}

impl Track {
    pub fn new(progress: Arc<dyn Progress>, number: usize, todo: &Todo) -> Self {
        let downloaded = Arc::new(AtomicBool::new(todo.has_blob));
        Self { progress, number, downloaded, had_blob: todo.has_blob, had_tree: todo.has_tree }
    }

    /// What the fetcher tells.
    pub fn fetching(&self) -> remotes::Progress {
        if self.had_blob {
            return remotes::Progress::ignored();
        }
        let (progress, number) = (self.progress.clone(), self.number);
        remotes::Progress::new(move |event| match event {
            remotes::Event::At(bytes) => progress.layer(number, Phase::Downloading(bytes)),
            remotes::Event::Retrying { attempt } => {
                progress.layer(number, Phase::Retrying(attempt));
            }
        })
    }

    /// What the unpacker tells.
    pub fn unpacking(&self) -> unpack::Progress {
        if self.had_tree {
            return unpack::Progress::ignored();
        }
        let (progress, number) = (self.progress.clone(), self.number);
        let downloaded = self.downloaded.clone();
        unpack::Progress::new(move |bytes| {
            if downloaded.load(Ordering::Relaxed) {
                progress.layer(number, Phase::Extracting(bytes));
            }
        })
    }

    pub fn downloaded(&self) {
        if !self.had_blob {
            self.progress.layer(self.number, Phase::Downloaded);
            self.downloaded.store(true, Ordering::Relaxed);
        }
    }

    pub fn complete(&self) {
        if !(self.had_blob && self.had_tree) {
            self.progress.layer(self.number, Phase::Complete);
        }
    }
}
