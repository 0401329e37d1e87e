//! Whether the store is sound, and what can be done about it without a registry.
//!
//! What is in the making is no finding. Records are read in one transaction, as the recount does. A file
//! is judged against the record of that moment and judged again where either has changed; that a file
//! has no record, or a record no file, is decided while nobody puts files in place. A blob that is
//! referred to and not here is expected where a lease holds who refers to it, or a writer is bringing it.

mod blobs;
mod counts;
mod files;
mod pace;
mod survey;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use varve_core::fsck::{Depth, Fault, Finding, Fsck, How, Report};
use varve_core::unpack::Progress;
use varve_core::{Digest, Namespace, Result};

use crate::ContentStore;
use crate::records::blocking;
use crate::store::Store;
use survey::Survey;

/// One look at a store.
struct Look {
    store: Arc<Store>,
    how: How,
    progress: Progress,
    /// Nobody waits for it any more.
    given_up: Arc<AtomicBool>,
}

#[async_trait]
impl Fsck for ContentStore {
    async fn fsck(&self, how: How, progress: Progress) -> Result<Report> {
        let given_up = GivenUp::default();
        let flag = Arc::clone(&given_up.0);
        let store = Arc::clone(&self.store);
        let look = Look { store, how, progress, given_up: flag };
        let (look, mut report, survey) = blocking(move || {
            let survey = look.survey()?;
            let mut report = Report::default();
            look.blobs(&survey, &mut report)?;
            Ok((look, report, survey))
        })
        .await?;
        if how.depth != Depth::Scrub {
            look.rest(survey, &mut report).await?;
        }
        Ok(report)
    }
}

/// Raised when the future is dropped: the threads that hash see it.
#[derive(Default)]
struct GivenUp(Arc<AtomicBool>);

impl Drop for GivenUp {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Look {
    /// All but the bytes of blobs.
    async fn rest(&self, survey: Survey, report: &mut Report) -> Result<()> {
        if let Some(what) = self.store.take_rebuilt() {
            let done = Some("made anew from the export, index.json, blobs and manifests".into());
            let noun = "records".to_owned();
            report.add(Finding { fault: Fault::Rebuilt, namespace: None, noun, what, done });
        }
        let adopted = self.files(&survey, report).await?;
        self.missing(&survey, &adopted, report).await?;
        self.counts(&survey, &adopted, report).await?;
        Ok(())
    }

    /// A finding about what is one namespace's, or all's.
    fn finding(
        fault: Fault,
        namespace: Option<&Namespace>,
        noun: impl ToString,
        what: String,
    ) -> Finding {
        Finding { fault, namespace: namespace.cloned(), noun: noun.to_string(), what, done: None }
    }

    /// Whether a writer is bringing the blob at this moment.
    fn is_coming(&self, digest: &Digest) -> bool {
        self.store.ingests.expecting(digest).is_some()
    }
}

impl Store {
    fn take_rebuilt(&self) -> Option<String> {
        self.rebuilt.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
    }
}
