//! Layers applied for clients that unpack by themselves (`Diff.Apply`).

use std::path::Path;

use async_trait::async_trait;
use rustix::io::Errno;
use varve_core::diff::Diff;
use varve_core::oci::{Compression, MediaType};
use varve_core::snapshots::Kind;
use varve_core::unpack::Progress;
use varve_core::{Descriptor, Error, Mount, Result, Scope};

use crate::apply::Mode;
use crate::drivers::Driver;
use crate::graph::Look;
use crate::mounting::Detached;
use crate::service::{Inner, Snapshotter};
use crate::tree::names;
use crate::unpack::{Extraction, compression, extract, ready};

#[async_trait]
impl<D: Driver> Diff for Snapshotter<D> {
    async fn apply(
        &self,
        scope: &Scope,
        blob: &Descriptor,
        mounts: &[Mount],
    ) -> Result<Descriptor> {
        let compression = compression(blob)?;
        let content = &self.0.neighbours.content;
        // To follow a blob that is not here would be to wait for it.
        content.info(scope, &blob.digest).await?;
        let (namespace, mounts) = (scope.namespace.clone(), mounts.to_vec());
        let target = self.run(move |inner| inner.target(&namespace, &mounts)).await?;
        let ready = ready(content.follow(scope, &blob.digest).await?).await?;
        let permit = self.0.extractions.clone().acquire_owned().await;
        let permit = permit.map_err(|_| Error::unavailable("the snapshotter is closed"))?;
        let extraction = Extraction {
            compression,
            mode: target.mode,
            limits: self.0.config.limits.clone(),
            progress: Progress::ignored(),
        };
        let root = target.tree.reopen()?;
        let (applied, _target) = extract(ready, extraction, root, target, permit).await?;
        let stream = applied.stream;
        let kind = MediaType::OciLayer(Compression::None);
        Ok(Descriptor::new(kind, stream.diff_id.0, stream.uncompressed))
    }
}

impl<D: Driver> Inner<D> {
    /// Opens what `mounts` describe, which must be an active snapshot's own.
    fn target(&self, namespace: &varve_core::Namespace, mounts: &[Mount]) -> Result<Target> {
        let unknown = || {
            Error::invalid(
                "the mounts are not those of an active snapshot of this snapshotter and namespace",
            )
        };
        let [mount] = mounts else { return Err(unknown()) };
        let path = mount.option("upperdir").unwrap_or(&mount.source);
        let dir = self.places.number(Path::new(path)).ok_or_else(unknown)?;
        let active = self.db.of(namespace)?.into_iter().map(|seen| seen.snapshot);
        let snapshot = { active }
            .find(|snapshot| snapshot.dir == dir && snapshot.kind == Kind::Active)
            .ok_or_else(unknown)?;
        let own = self.mounts_of(namespace, &snapshot)?;
        if own != mounts {
            return Err(unknown());
        }
        let tree = self.detached(own)?;
        let failed = |errno: Errno| Error::io("reading a snapshot's root", errno.into());
        let empty = snapshot.parent.is_none() && names(tree.root()).map_err(failed)?.is_empty();
        let mode = if empty { Mode::Base } else { Mode::InPlace };
        Ok(Target { tree, mode })
    }
}

/// Where a layer is applied, and how.
struct Target {
    tree: Detached,
    mode: Mode,
}
