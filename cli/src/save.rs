//! A save, from images that are here to one archive: this page is its story, and each step is a module.
//!
//! First it is found out what there is to write and whether all of it is here, so that what fails does so before
//! the first byte. While it is written a lease keeps it.

mod complete;
mod contents;
mod documents;
mod find;
mod reduced;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use varve_core::leases::Resource;
use varve_core::{Digest, Error, Platform, Result, ResultExt};

use crate::archive::{TarWriter, Target, blob_name};
use crate::progress::{self, Line, Phase, Progress};
use crate::pull::Lease;
use crate::session::Session;

use contents::Contents;

/// Bytes read of a blob at once.
const CHUNK: usize = 1 << 20;

/// What is to be saved, and how.
pub struct Wish {
    /// As a person names them.
    pub images: Vec<String>,
    pub format: Format,
    pub platforms: Platforms,
    pub target: Target,
}

/// For whom the archive is; by default for all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// An image layout and a docker-archive at once, as Docker writes it since version 25.
    Both,
    Oci,
    Docker,
}

impl Format {
    /// Whether there is an index.json.
    pub fn is_layout(self) -> bool {
        self != Self::Docker
    }

    /// Whether there is a manifest.json.
    pub fn is_docker(self) -> bool {
        self != Self::Oci
    }
}

/// Which platforms of an index.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Platforms {
    /// Those that are here.
    Here,
    /// This one.
    One(Platform),
    /// Every one, fetched first where it is not here.
    All,
}

/// Saves.
pub async fn save(session: &Session, wish: Wish) -> Result<()> {
    let (services, scope) = (&session.services, &session.scope);
    let label = format!("saving {} image(s)", wish.images.len());
    let lease = Lease::for_work(services, scope, &label).await?;
    let scope = lease.scope(scope);
    let saved = async {
        let contents = contents::of(session, &scope, &wish).await?;
        write(session, &contents, wish).await
    };
    let saved = saved.await;
    lease.release().await?;
    saved
}

/// Holds a blob and all that it refers to.
async fn hold(session: &Session, lease: &varve_core::Scope, digest: &Digest) -> Result<()> {
    let id = lease.lease.as_deref().unwrap_or_default();
    session.services.leases.add_resource(lease, id, &Resource::content(digest)).await
}

/// Sorted by name, so that the same images give the same archive.
async fn write(session: &Session, contents: &Contents, wish: Wish) -> Result<()> {
    let documents = documents::of(contents, wish.format)?;
    let mut tar = TarWriter::new(wish.target);
    for name in ["blobs/", "blobs/sha256/"] {
        tar.directory(name).await?;
    }
    let shown = show(contents);
    for (number, (digest, size)) in contents.blobs.iter().enumerate() {
        let told = |phase| shown.layer(number, phase);
        match contents.made.get(digest) {
            Some(bytes) => tar.document(&blob_name(digest), bytes.clone()).await?,
            None => blob(session, &mut tar, digest, *size, told).await?,
        }
        told(Phase::Saved);
    }
    shown.end();
    for (name, bytes) in documents {
        tar.document(name, bytes).await?;
    }
    tar.finish().await
}

/// A line a blob, on a terminal that no archive goes to.
fn show(contents: &Contents) -> Arc<dyn Progress> {
    let shown = progress::open_bars(false);
    let line = |(digest, size): (&Digest, &u64)| Line { id: digest.short(), size: *size };
    shown.begin(&contents.blobs.iter().map(line).collect::<Vec<_>>());
    shown
}

async fn blob(
    session: &Session,
    tar: &mut TarWriter,
    digest: &Digest,
    size: u64,
    told: impl Fn(Phase),
) -> Result<()> {
    let noun = || format!("blob {digest}");
    let reader = session.services.content.reader(&session.scope, digest).await.context(noun)?;
    if reader.size() != size {
        let has = reader.size();
        let message = format!("{}: has {has} bytes, and {size} are said to be in it", noun());
        return Err(Error::data_loss(message));
    }
    tar.file(&blob_name(digest), size).await?;
    let mut at = 0;
    while at < size {
        let bytes = reader.read_at(at, CHUNK).await.context(noun)?;
        if bytes.is_empty() {
            return Err(Error::data_loss(format!("{}: ended before its size", noun())));
        }
        at += bytes.len() as u64;
        tar.bytes(bytes).await?;
        told(Phase::Saving(at));
    }
    Ok(())
}

/// Files of the archive beside the blobs, by name.
type Files = BTreeMap<&'static str, Bytes>;
