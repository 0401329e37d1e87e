//! The mounts of `varve mount`: each is a view of an image's tree with a record of its directory and
//! boot, found again by the directory; and a lease of the same name and labels on the image's target,
//! by which the content store knows that the image is in use.

use std::path::{Path, PathBuf};

use varve_core::labels::{GC_ROOT, MOUNT_BOOT, MOUNT_TARGET};
use varve_core::leases::{Leases, Resource};
use varve_core::snapshots::NewSnapshot;
use varve_core::{Error, Labels, Mount, Result, ResultExt, Scope};

use crate::image::Image;
use crate::services::{Services, Snapshotter};

/// A view that is, or is about to be, mounted.
pub struct Mounted {
    pub snapshotter: Snapshotter,
    pub scope: Scope,
    pub key: String,
    pub target: PathBuf,
}

impl Mounted {
    /// Makes the lease and then the view, kept from collection until it is removed, and answers how to
    /// mount it.
    pub async fn make(
        leases: &dyn Leases,
        snapshotter: Snapshotter,
        scope: &Scope,
        image: &Image,
        target: &Path,
    ) -> Result<(Self, Vec<Mount>)> {
        let now = varve_core::time::now();
        let mut labels = Labels::from([
            (MOUNT_TARGET.to_owned(), text(target)?),
            (MOUNT_BOOT.to_owned(), varve_core::boot_id()?),
        ]);
        let key = format!("varve-mount-{}-{}", std::process::id(), now.as_nanosecond());
        leases.create(scope, &key, &labels).await?;
        let mounted = Self { snapshotter, scope: scope.clone(), key, target: target.to_owned() };
        labels.insert(GC_ROOT.to_owned(), now.to_string());
        match mounted.view(leases, image, labels).await {
            Ok(mounts) => Ok((mounted, mounts)),
            Err(error) => {
                leases.delete(scope, &mounted.key).await?;
                Err(error)
            }
        }
    }

    async fn view(&self, leases: &dyn Leases, image: &Image, labels: Labels) -> Result<Vec<Mount>> {
        let held = Resource::content(&image.target().digest);
        leases.add_resource(&self.scope, &self.key, &held).await?;
        let parent = image.top().map(|top| top.to_string());
        let view = NewSnapshot { key: self.key.clone(), parent, labels };
        self.snapshotter.snapshots.view(&self.scope, view).await
    }

    /// Removes the view and the lease.
    pub async fn remove(&self, leases: &dyn Leases) -> Result<()> {
        self.snapshotter.snapshots.remove(&self.scope, &self.key).await?;
        // One that an older varve mounted has none.
        leases.delete(&self.scope, &self.key).await.found().map(drop)
    }
}

/// Ends the leases of a mount on `target` that never came to be. Answers whether there were any.
pub async fn forget(services: &Services, target: &Path) -> Result<bool> {
    let target = text(target)?;
    let mut any = false;
    for (namespace, _) in services.namespaces.list().await? {
        let scope = Scope::of(namespace);
        for lease in services.leases.list(&scope, &[]).await? {
            if lease.labels.get(MOUNT_TARGET) == Some(&target) {
                services.leases.delete(&scope, &lease.id).await.found()?;
                any = true;
            }
        }
    }
    Ok(any)
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
