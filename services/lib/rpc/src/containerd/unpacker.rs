//! Layers unpacked as containerd's own clients have it done: prepare, apply, commit.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::sleep;
use varve_core::content::Content;
use varve_core::diff::Diff;
use varve_core::snapshots::{NewSnapshot, Snapshots};
use varve_core::unpack::{self, Layer, Progress, Unpacked};
use varve_core::{ChainId, Error, Labels, Result, ResultExt, Scope, time};

/// How often it is looked whether a blob, or the snapshot of the layer below, is there.
const POLL: Duration = Duration::from_millis(20);

pub(super) struct Unpacker {
    pub content: Arc<dyn Content>,
    pub snapshots: Arc<dyn Snapshots>,
    pub diff: Arc<dyn Diff>,
}

impl Unpacker {
    /// The bytes of a layer cannot be followed: it is whole, and so is what is below it, before this ends. Who brings
    /// them ends this where they do not come.
    async fn wait(&self, scope: &Scope, layer: &Layer) -> Result<()> {
        while self.content.info(scope, &layer.blob.digest).await.found()?.is_none() {
            sleep(POLL).await;
        }
        let Some(parent) = layer.parent else { return Ok(()) };
        while !self.has(scope, parent).await? {
            sleep(POLL).await;
        }
        Ok(())
    }

    async fn has(&self, scope: &Scope, chain: ChainId) -> Result<bool> {
        Ok(self.snapshots.stat(scope, &chain.to_string()).await.found()?.is_some())
    }

    /// Where it fails, the lease ends what it has begun.
    async fn apply(&self, scope: &Scope, layer: &Layer) -> Result<()> {
        let chain = layer.chain_id().to_string();
        let key = format!("extract-{} {chain}", time::now().as_nanosecond());
        let parent = layer.parent.map(|parent| parent.to_string());
        let new = NewSnapshot { key: key.clone(), parent, labels: Labels::new() };
        let mounts = self.snapshots.prepare(scope, new).await?;
        let applied = self.diff.apply(scope, &layer.blob, &mounts).await?.digest;
        if applied != layer.diff_id.0 {
            self.snapshots.remove(scope, &key).await?;
            let message = format!("inflates to {applied}, and not to {}", layer.diff_id.0);
            return Err(Error::precondition(message));
        }
        if self
            .snapshots
            .commit(scope, &chain, &key, &Labels::new())
            .await
            .unless_exists()?
            .is_none()
        {
            self.snapshots.remove(scope, &key).await.found()?;
        }
        Ok(())
    }
}

#[async_trait]
impl unpack::Unpacker for Unpacker {
    async fn unpack(&self, scope: &Scope, layer: Layer, progress: Progress) -> Result<Unpacked> {
        let chain_id = layer.chain_id();
        let reused = self.has(scope, chain_id).await?;
        if !reused {
            self.wait(scope, &layer).await?;
            self.apply(scope, &layer).await?;
        }
        progress.tell(layer.blob.size);
        let usage = self.snapshots.usage(scope, &chain_id.to_string()).await?;
        Ok(Unpacked { chain_id, reused, usage, notices: Vec::new() })
    }
}
