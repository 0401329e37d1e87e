//! Layers applied for clients that unpack by themselves (`Diff.Apply`), and made for those that build
//! (`Diff.Diff`: see [`crate::diff`]).

use async_trait::async_trait;
use rustix::io::Errno;
use varve_core::diff::{Diff, NewLayer};
use varve_core::oci::{Compression, MediaType};
use varve_core::snapshots::Kind;
use varve_core::unpack::Progress;
use varve_core::{Descriptor, Error, Mount, Result, Scope};

use crate::apply::Mode;
use crate::drivers::Driver;
use crate::mounting::Detached;
use crate::service::{Inner, Snapshotter};
use crate::tree::is_empty;
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

    async fn diff(
        &self,
        scope: &Scope,
        lower: &[Mount],
        upper: &[Mount],
        layer: NewLayer,
    ) -> Result<Descriptor> {
        self.make_layer(scope, lower, upper, layer).await
    }
}

impl<D: Driver> Inner<D> {
    /// Opens what `mounts` describe, which must be an active snapshot's own.
    fn target(&self, namespace: &varve_core::Namespace, mounts: &[Mount]) -> Result<Target> {
        let snapshot = self.behind(namespace, mounts)?;
        let snapshot = snapshot.filter(|snapshot| snapshot.kind == Kind::Active).ok_or_else(|| {
            Error::invalid(
                "the mounts are not those of an active snapshot of this snapshotter and namespace",
            )
        })?;
        let tree = self.detached(mounts.to_vec())?;
        let failed = |errno: Errno| Error::io("reading a snapshot's root", errno.into());
        let empty = snapshot.parent.is_none() && is_empty(tree.root()).map_err(failed)?;
        let mode = if empty { Mode::Base } else { Mode::InPlace };
        Ok(Target { tree, mode })
    }
}

/// Where a layer is applied, and how.
struct Target {
    tree: Detached,
    mode: Mode,
}
