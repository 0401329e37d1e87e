//! Is there room? Asked before the layers are downloaded: a full disk after ten minutes is worse.
//!
//! What is to be downloaded is known to the byte. What it unpacks to no manifest tells: it is
//! estimated by the compression, as measured on common images (see [`unpacked`]). The estimate is on
//! the low side: to refuse what would have fitted is worse than to find out late.

use std::collections::{BTreeMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::Serialize;
use varve_core::oci::Compression;
use varve_core::remotes::ingest_ref;
use varve_core::{Descriptor, Error, Result, ResultExt};

use super::job::Job;
use super::layers::Todo;
use crate::output::size;
use crate::services::Services;

/// ResourceExhausted where what is missing does not fit.
pub async fn check(services: &Services, job: &Job, todo: &[Todo]) -> Result<()> {
    needs(services, job, todo).await?.check()
}

/// A file system, and what a pull would take of it.
#[derive(Serialize, Clone, Debug)]
pub struct Room {
    /// A directory on it.
    pub dir: String,
    /// Bytes; what is unpacked is estimated.
    pub needed: u64,
    pub free: u64,
}

/// What the pull takes where this process can see it.
pub async fn rooms(services: &Services, job: &Job, todo: &[Todo]) -> Result<Vec<Room>> {
    let needs = needs(services, job, todo).await?;
    let room = |need: Need| Room { dir: need.dir, needed: need.bytes, free: need.free };
    Ok(needs.0.into_values().map(room).collect())
}

async fn needs(services: &Services, job: &Job, todo: &[Todo]) -> Result<Needs> {
    let mut needs = Needs::default();
    // A service in a room of its own may keep its trees where this process cannot see them; a store
    // elsewhere does not tell where its blobs are: beside the trees, as deploy/ has it.
    let trees = job.snapshotter.as_ref().map(|it| it.dir.as_path()).filter(|dir| dir.is_dir());
    if let Some(dir) = services.content_dir.as_deref().or(trees) {
        needs.add(dir, download(job, todo).await?)?;
    }
    if let Some(dir) = trees {
        needs.add(dir, unpack(todo))?;
    }
    Ok(needs)
}

/// Bytes that are still to come; a layer that the image has twice comes once.
pub async fn download(job: &Job, todo: &[Todo]) -> Result<u64> {
    let mut seen = HashSet::new();
    let mut bytes = 0_u64;
    for todo in todo.iter().filter(|todo| !todo.has_blob) {
        let blob = &todo.layer.blob;
        if seen.insert(blob.digest) {
            let ingest = job.content.status(&job.scope, &ingest_ref(blob)).await.found()?;
            let had = ingest.map_or(0, |status| status.offset);
            bytes = bytes.saturating_add(blob.size.saturating_sub(had));
        }
    }
    Ok(bytes)
}

pub fn unpack(todo: &[Todo]) -> u64 {
    let missing = todo.iter().filter(|todo| !todo.has_tree);
    missing.map(|todo| unpacked(&todo.layer.blob)).fold(0, u64::saturating_add)
}

/// Layers of common images (Debian, Python, toolchains) unpack to two to three times their size with
/// gzip and somewhat more with zstd; those that hold data packed already to hardly more than it.
pub fn unpacked(blob: &Descriptor) -> u64 {
    match blob.media_type.layer() {
        Some(Compression::Gzip) => blob.size.saturating_mul(2),
        Some(Compression::Zstd) => blob.size.saturating_mul(5) / 2,
        Some(Compression::None) | None => blob.size,
    }
}

/// Bytes by file system: content and snapshots may lie on two.
#[derive(Default)]
struct Needs(BTreeMap<u64, Need>);

struct Need {
    /// A directory on it, for the message.
    dir: String,
    bytes: u64,
    free: u64,
}

impl Needs {
    fn add(&mut self, dir: &Path, bytes: u64) -> Result<()> {
        let failed = |error| Error::io(format!("free space of {}", dir.display()), error);
        let device = std::fs::metadata(dir).map_err(failed)?.dev();
        let found = rustix::fs::statvfs(dir).map_err(|errno| failed(errno.into()))?;
        let free = found.f_bavail.saturating_mul(found.f_frsize);
        let dir = dir.display().to_string();
        let need = self.0.entry(device).or_insert(Need { dir, bytes: 0, free });
        need.bytes = need.bytes.saturating_add(bytes);
        Ok(())
    }

    fn check(&self) -> Result<()> {
        let Some(need) = self.0.values().find(|need| need.bytes > need.free) else {
            return Ok(());
        };
        let (bytes, free) = (size::exact(need.bytes), size::exact(need.free));
        Err(Error::exhausted(format!(
            "not enough space in {}: needs about {bytes} for download and unpacked layers, and {free} \
             are free; nothing was downloaded; make room (`varve gc` removes what nothing uses) or \
             give another --root",
            need.dir
        )))
    }
}

#[cfg(test)]
mod tests {
    use varve_core::{Digest, MediaType};

    use super::*;

    fn layer(compression: Compression) -> Descriptor {
        Descriptor::new(MediaType::OciLayer(compression), Digest::of(b""), 100)
    }

    #[test]
    fn what_is_packed_tighter_unpacks_to_more() {
        let sizes = [Compression::None, Compression::Gzip, Compression::Zstd];
        assert_eq!(sizes.map(|kind| unpacked(&layer(kind))), [100, 200, 250]);
    }

    #[test]
    fn needs_on_one_file_system_add_up_and_the_message_names_both_numbers() {
        let dir = tempfile::tempdir().unwrap();
        let mut needs = Needs::default();
        needs.add(dir.path(), 1).unwrap();
        assert!(needs.check().is_ok());
        needs.add(dir.path(), 2_000_000_000_000_000_000).unwrap();
        let message = needs.check().unwrap_err().message().to_owned();
        assert!(message.contains("about 2EB") && message.contains("are free"), "{message}");
    }
}
