//! What a snapshot changed of its parent, made a layer.

use varve_core::diff::NewLayer;
use varve_core::snapshots::{Kind, NewSnapshot};
use varve_core::{Descriptor, Labels, Mount, Result, ResultExt, Scope};

use crate::services::Snapshotter;

/// Makes the layer of the snapshot `key`, under the lease of `scope`. Its blob has its diff id as a label.
pub async fn layer(
    scope: &Scope,
    snapshotter: &Snapshotter,
    key: &str,
    layer: NewLayer,
) -> Result<Descriptor> {
    let trees = Trees { scope, snapshotter };
    let made = trees.layer(key, layer).await;
    trees.forget().await?;
    made
}

/// Views of what has no mounts of its own, for as long as it is compared.
struct Trees<'a> {
    scope: &'a Scope,
    snapshotter: &'a Snapshotter,
}

impl Trees<'_> {
    async fn layer(&self, key: &str, layer: NewLayer) -> Result<Descriptor> {
        let (scope, snapshots) = (self.scope, &self.snapshotter.snapshots);
        let info = snapshots.stat(scope, key).await?;
        let lower = match info.parent {
            Some(parent) => self.view("lower", parent).await?,
            None => Vec::new(),
        };
        let upper = match info.kind {
            Kind::Committed => self.view("upper", info.name).await?,
            Kind::Active | Kind::View => snapshots.mounts(scope, key).await?,
        };
        self.snapshotter.diff.diff(scope, &lower, &upper, layer).await
    }

    async fn view(&self, side: &str, of: String) -> Result<Vec<Mount>> {
        let new = NewSnapshot { key: own_key(side), parent: Some(of), labels: Labels::new() };
        self.snapshotter.snapshots.view(self.scope, new).await
    }

    async fn forget(&self) -> Result<()> {
        for side in ["lower", "upper"] {
            self.snapshotter.snapshots.remove(self.scope, &own_key(side)).await.found()?;
        }
        Ok(())
    }
}

fn own_key(side: &str) -> String {
    format!("varve-layer-{}-{side}", std::process::id())
}
