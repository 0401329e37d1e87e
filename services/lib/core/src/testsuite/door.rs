//! The content store's end of an attendance and no more: whoever attends is handed to a test, which
//! then asks what a collector would.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::collect::{Attendee, Collected, Collector};
use crate::digest::Digest;
use crate::error::Result;
use crate::scope::Scope;

/// A collector of a store without records: it lets in, and collects nothing.
pub struct Door(UnboundedSender<Arc<dyn Attendee>>);

impl Door {
    /// Also answers where those who attend come out.
    pub fn new() -> (Self, UnboundedReceiver<Arc<dyn Attendee>>) {
        let (to, from) = unbounded_channel();
        (Self(to), from)
    }
}

#[async_trait]
impl Collector for Door {
    async fn references(&self, _: &Scope, _: &Digest) -> Result<u64> {
        Ok(0)
    }

    async fn recount(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    async fn collect(&self, _: bool) -> Result<Collected> {
        Ok(Collected::default())
    }

    async fn collect_below(&self, _: &Scope, _: &[Digest]) -> Result<Collected> {
        Ok(Collected::default())
    }

    async fn attend(&self, _: &str, attendee: Arc<dyn Attendee>) -> Result<()> {
        // Nobody asks any more: then it attends in vain.
        let _ = self.0.send(attendee);
        Ok(())
    }
}
