//! The mounts of `varve mount`: each is a view of an image's tree with a record of its directory and
//! boot, found again by the directory.

use std::path::{Path, PathBuf};

use varve_core::labels::{GC_ROOT, MOUNT_BOOT, MOUNT_TARGET};
use varve_core::snapshots::NewSnapshot;
use varve_core::{ChainId, Error, Labels, Mount, Result, Scope};

use crate::process;
use crate::services::{Services, Snapshotter};

/// A view that is, or is about to be, mounted.
pub struct Mounted {
    pub snapshotter: Snapshotter,
    pub scope: Scope,
    pub key: String,
    pub target: PathBuf,
}

impl Mounted {
    /// Makes the view, kept from collection until it is removed, and answers how to mount it.
    pub async fn make(
        snapshotter: Snapshotter,
        scope: &Scope,
        top: Option<ChainId>,
        target: &Path,
    ) -> Result<(Self, Vec<Mount>)> {
        let now = varve_core::time::now();
        let labels = Labels::from([
            (MOUNT_TARGET.to_owned(), text(target)?),
            (MOUNT_BOOT.to_owned(), process::boot_id()?),
            (GC_ROOT.to_owned(), now.to_string()),
        ]);
        let key = format!("varve-mount-{}-{}", std::process::id(), now.as_nanosecond());
        let parent = top.map(|top| top.to_string());
        let view = NewSnapshot { key: key.clone(), parent, labels };
        let mounts = snapshotter.snapshots.view(scope, view).await?;
        Ok((Self { snapshotter, scope: scope.clone(), key, target: target.to_owned() }, mounts))
    }

    /// Removes the view.
    pub async fn remove(&self) -> Result<()> {
        self.snapshotter.snapshots.remove(&self.scope, &self.key).await
    }
}

/// What is recorded as mounted on `target`, in any namespace, the latest first.
pub async fn on(services: &Services, target: &Path) -> Result<Vec<Mounted>> {
    let target_text = text(target)?;
    let mut found = Vec::new();
    for snapshotter in services.used_snapshotters().await? {
        for (namespace, _) in services.namespaces.list().await? {
            let scope = Scope::of(namespace);
            for info in snapshotter.snapshots.list(&scope, &["kind==view".into()]).await? {
                if info.labels.get(MOUNT_TARGET) == Some(&target_text) {
                    let (snapshotter, scope) = (snapshotter.clone(), scope.clone());
                    let (key, target) = (info.name, target.to_owned());
                    let mounted = Mounted { snapshotter, scope, key, target };
                    found.push((info.created_at, mounted));
                }
            }
        }
    }
    found.sort_by_key(|(created, _)| std::cmp::Reverse(*created));
    Ok(found.into_iter().map(|(_, mounted)| mounted).collect())
}

fn text(path: &Path) -> Result<String> {
    let name = path.to_str();
    name.map(str::to_owned).ok_or_else(|| {
        Error::invalid(format!("{}: a mount point's path must be UTF-8", path.display()))
    })
}
