//! A collection some moments after a deletion that did not wait for one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use varve_core::collect::Collector;

use crate::shutdown::Shutdown;

/// From a deletion to its collection: many that come together are collected once.
pub const DELAY: Duration = Duration::from_secs(1);

/// Collects what deletions left, later and in the background, until the shutdown begins. What is left then is
/// collected the next time.
#[derive(Clone)]
pub struct Soon {
    collector: Arc<dyn Collector>,
    shutdown: Shutdown,
    delay: Duration,
    asked: Arc<AtomicBool>,
}

impl Soon {
    pub fn new(collector: Arc<dyn Collector>, shutdown: Shutdown, delay: Duration) -> Self {
        Self { collector, shutdown, delay, asked: Arc::default() }
    }

    /// Has a collection begin after the delay, if none is about to.
    pub fn ask(&self) {
        if self.asked.swap(true, Ordering::AcqRel) {
            return;
        }
        let soon = self.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = soon.shutdown.started() => return,
                () = tokio::time::sleep(soon.delay) => {}
            }
            // Before it begins: what is deleted from now on may come too late for it.
            soon.asked.store(false, Ordering::Release);
            match soon.collector.collect(false).await {
                Ok(done) => tracing::debug!(?done, "collected after a deletion"),
                Err(error) => tracing::warn!("collecting after a deletion: {}", error.chain()),
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use async_trait::async_trait;
    use varve_core::collect::{Attendee, Collected};
    use varve_core::{Digest, Result, Scope};

    use super::*;

    #[derive(Default)]
    struct Counting(AtomicUsize);

    #[async_trait]
    impl Collector for Counting {
        async fn references(&self, _: &Scope, _: &Digest) -> Result<u64> {
            Ok(0)
        }

        async fn recount(&self) -> Result<Vec<String>> {
            Ok(Vec::new())
        }

        async fn collect(&self, _: bool) -> Result<Collected> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Ok(Collected::default())
        }

        async fn collect_below(&self, _: &Scope, _: &[Digest]) -> Result<Collected> {
            Ok(Collected::default())
        }

        async fn attend(&self, _: &str, _: Arc<dyn Attendee>) -> Result<()> {
            Ok(())
        }
    }

    const SHORT: Duration = Duration::from_millis(50);

    /// Waits until there were so many collections.
    async fn until(counting: &Counting, many: usize) {
        while counting.0.load(Ordering::SeqCst) < many {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(SHORT * 3).await;
        assert_eq!(counting.0.load(Ordering::SeqCst), many);
    }

    #[tokio::test]
    async fn many_deletions_are_collected_once_and_a_later_one_again() {
        let counting = Arc::new(Counting::default());
        let soon = Soon::new(counting.clone(), Shutdown::new(), SHORT);
        (0..100).for_each(|_| soon.ask());
        until(&counting, 1).await;
        soon.ask();
        until(&counting, 2).await;
    }

    #[tokio::test]
    async fn a_shutdown_collects_nothing_more() {
        let counting = Arc::new(Counting::default());
        let shutdown = Shutdown::new();
        let soon = Soon::new(counting.clone(), shutdown.clone(), SHORT);
        soon.ask();
        shutdown.start();
        until(&counting, 0).await;
    }
}
