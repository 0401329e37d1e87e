//! A layer from two trees into the content store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use varve_core::content::{Commit, Content, OpenWriter, Writer};
use varve_core::diff::NewLayer;
use varve_core::{
    Descriptor, Digest, Error, Kind, Labels, Mask, Mount, Result, Scope, labels, time,
};

use super::pour::{Form, Poured, pour};
use crate::drivers::Driver;
use crate::service::Snapshotter;

impl<D: Driver> Snapshotter<D> {
    /// [`varve_core::diff::Diff::diff`].
    pub(crate) async fn make_layer(
        &self,
        scope: &Scope,
        lower: &[Mount],
        upper: &[Mount],
        layer: NewLayer,
    ) -> Result<Descriptor> {
        let form = Form {
            compression: layer.compression()?,
            latest: layer.latest.map(floor),
            limits: self.0.config.limits.clone(),
        };
        labels::check(&layer.labels)?;
        let permit = self.0.extractions.clone().acquire_owned().await;
        let permit = permit.map_err(|_| Error::unavailable("the snapshotter is closed"))?;
        let mounts = (scope.namespace.clone(), lower.to_vec(), upper.to_vec());
        let (stacks, sides) = self
            .run(move |inner| {
                let stacks = inner.stacks(&mounts.0, &mounts.1, &mounts.2)?;
                let sides = inner.sides(&stacks)?;
                Ok(((mounts, stacks), sides))
            })
            .await?;
        let mut ingest = Ingest::open(&self.0.neighbours.content, scope, &layer.ingest).await?;
        let poured = pour(sides, form, ingest.writer(), permit).await?;
        self.run(move |inner| {
            let (mounts, stacks) = stacks;
            match inner.stacks(&mounts.0, &mounts.1, &mounts.2) {
                Ok(now) if now == stacks => Ok(()),
                _ => Err(Error::aborted("a snapshot was removed while it was read")),
            }
        })
        .await?;
        let (digest, size) = ingest.commit(poured, layer.labels).await?;
        Ok(Descriptor::new(layer.media_type, digest, size))
    }
}

/// A time as files have it.
fn floor(time: varve_core::Timestamp) -> (i64, u32) {
    let nanos = time.as_nanosecond();
    let (seconds, rest) = (nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000));
    (i64::try_from(seconds).unwrap_or(i64::MAX), rest as u32)
}

/// The ingest that a layer is written through. One of ours goes, if it was not committed; a caller's
/// stays and is free.
struct Ingest {
    content: Arc<dyn Content>,
    scope: Scope,
    /// `None` once it is let go of.
    writer: Option<Box<dyn Writer>>,
    /// Its ref, where nobody else knows that.
    own: Option<String>,
}

impl Ingest {
    async fn open(content: &Arc<dyn Content>, scope: &Scope, name: &str) -> Result<Self> {
        let own = name.is_empty().then(own_ref);
        let ingest = own.clone().unwrap_or_else(|| name.to_owned());
        let open = OpenWriter { ingest, ..OpenWriter::default() };
        let mut writer = content.writer(scope, open).await?;
        if writer.status().offset > 0 {
            writer.truncate(0).await?;
        }
        let (content, scope) = (Arc::clone(content), scope.clone());
        Ok(Self { content, scope, writer: Some(writer), own })
    }

    fn writer(&mut self) -> &mut dyn Writer {
        &mut **self.writer.as_mut().expect("it is let go of at the end alone")
    }

    /// Makes it a blob, or finds that there is one already. Answers digest and size.
    async fn commit(mut self, poured: Poured, mut labels: Labels) -> Result<(Digest, u64)> {
        labels.insert(labels::UNCOMPRESSED.to_owned(), poured.diff_id.to_string());
        let writer = self.writer();
        let digest = writer.digest().await?;
        let commit = Commit { size: poured.size, expected: Some(digest), labels: labels.clone() };
        match writer.commit(commit).await {
            Err(error) if error.kind() == Kind::AlreadyExists => {
                let mask = Mask::labels(labels.keys());
                self.content.update(&self.scope, &digest, &labels, &mask).await?;
            }
            done => drop(done?),
        }
        self.own = None;
        Ok((digest, poured.size))
    }
}

impl Drop for Ingest {
    fn drop(&mut self) {
        self.writer = None;
        let (Some(ingest), Ok(runtime)) = (self.own.take(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        let (content, scope) = (Arc::clone(&self.content), self.scope.clone());
        runtime.spawn(async move {
            if let Err(error) = content.abort(&scope, &ingest).await {
                tracing::debug!(%ingest, error = %error.chain(), "an ingest is left to the collector");
            }
        });
    }
}

fn own_ref() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let (now, next) = (time::now().as_nanosecond(), NEXT.fetch_add(1, Ordering::Relaxed));
    format!("varve-diff-{now}-{}-{next}", std::process::id())
}
