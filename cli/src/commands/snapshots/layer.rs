//! `varve snapshots layer`: what a snapshot changed of its parent, as a layer's bytes.

use varve_core::diff::NewLayer;
use varve_core::snapshots::{Kind, NewSnapshot};
use varve_core::{Descriptor, Labels, Mount, ResultExt, Scope};

use crate::commands::content;
use crate::failure::Result;
use crate::pull::Lease;
use crate::services::Snapshotter;
use crate::session::Session;

/// Makes the layer, writes it to stdout, and leaves it to the collector.
pub async fn write(
    session: &Session,
    snapshotter: &Snapshotter,
    key: &str,
    layer: NewLayer,
) -> Result<()> {
    let lease = Lease::take(&session.services, &session.scope, key).await?;
    let scope = lease.scope(&session.scope);
    let trees = Trees { scope: &scope, snapshotter };
    let made = trees.layer(key, layer).await;
    let gone = trees.forget().await;
    let written = match made {
        Ok(blob) => content::get(session, &blob.digest).await,
        Err(error) => Err(error.into()),
    };
    lease.release().await?;
    gone?;
    written
}

/// Views of what has no mounts of its own, for as long as it is compared.
struct Trees<'a> {
    scope: &'a Scope,
    snapshotter: &'a Snapshotter,
}

impl Trees<'_> {
    async fn layer(&self, key: &str, layer: NewLayer) -> varve_core::Result<Descriptor> {
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

    async fn view(&self, side: &str, of: String) -> varve_core::Result<Vec<Mount>> {
        let new = NewSnapshot { key: own_key(side), parent: Some(of), labels: Labels::new() };
        self.snapshotter.snapshots.view(self.scope, new).await
    }

    async fn forget(&self) -> varve_core::Result<()> {
        for side in ["lower", "upper"] {
            self.snapshotter.snapshots.remove(self.scope, &own_key(side)).await.found()?;
        }
        Ok(())
    }
}

fn own_key(side: &str) -> String {
    format!("varve-layer-{}-{side}", std::process::id())
}
