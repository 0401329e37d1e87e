//! The directory: an OCI image layout (image-spec, image-layout.md) with two rooms more.
//!
//! Owns every path under the root and the order in which files become durable. A blob's name comes
//! from a checked digest, an ingest's from a hash, so no name from outside is ever a path. Leaves
//! to others what the files mean.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use varve_core::oci::Bounds;
use varve_core::{Digest, Error, Result};

use crate::records::values::Seal;

const OCI_LAYOUT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;

/// The paths of a store.
#[derive(Clone, Debug)]
pub struct Layout {
    root: PathBuf,
    /// What is read of its documents.
    pub images: Bounds,
}

impl Layout {
    /// Makes what is missing of the directory, private to its owner. One that was there before
    /// keeps the mode that somebody gave it.
    pub fn open(root: &Path, images: Bounds) -> Result<Self> {
        let layout = Self { root: root.to_owned(), images };
        for dir in [root.to_owned(), layout.blobs(), layout.ingests(), layout.bodies()] {
            make_dir(&dir)?;
        }
        let file = root.join("oci-layout");
        if fs::read(&file).ok().as_deref() != Some(OCI_LAYOUT.as_bytes()) {
            replace(&file, OCI_LAYOUT.as_bytes())?;
        }
        Ok(layout)
    }

    pub fn meta(&self) -> PathBuf {
        self.root.join("meta")
    }

    pub fn index(&self) -> PathBuf {
        self.root.join("index.json")
    }

    pub fn blobs(&self) -> PathBuf {
        self.root.join("blobs").join("sha256")
    }

    pub fn blob(&self, digest: &Digest) -> PathBuf {
        self.blobs().join(digest.hex())
    }

    pub fn ingests(&self) -> PathBuf {
        self.root.join("ingest")
    }

    /// Files that bytes are passed through, which nobody misses after a crash.
    pub fn passing(&self) -> PathBuf {
        self.root.join("passing")
    }

    /// For whoever has the directory alone.
    pub fn empty_passing(&self) -> Result<()> {
        make_dir(&self.passing())?;
        for name in list(&self.passing())? {
            let path = self.passing().join(name);
            unless_gone(fs::remove_file(&path)).map_err(|error| at(&path, error))?;
        }
        Ok(())
    }

    /// Specs and extensions of containers that are too large for a record.
    pub fn bodies(&self) -> PathBuf {
        self.root.join("containers")
    }

    /// The size of a blob's file; `None` where there is no regular file.
    pub fn blob_size(&self, digest: &Digest) -> Option<u64> {
        let facts = fs::symlink_metadata(self.blob(digest)).ok()?;
        facts.is_file().then_some(facts.len())
    }

    /// Opens a blob's file, whose record says `size`. DataLoss where it is not that.
    pub fn open_blob(&self, digest: &Digest, size: u64) -> Result<File> {
        let lost = |why: String| lost(digest, &why);
        let file = open_plain(&self.blob(digest)).map_err(|error| match error.kind() {
            ErrorKind::NotFound => lost("its file is missing".into()),
            _ => at(&self.blob(digest), error),
        })?;
        let facts = file.metadata().map_err(|error| at(&self.blob(digest), error))?;
        if !facts.is_file() || facts.len() != size {
            return Err(lost(format!("its file has {} bytes, its record {size}", facts.len())));
        }
        Ok(file)
    }

    /// Turns a synced file into the blob `digest`: renamed, read-only, the directory synced. Answers what
    /// tells this file from one that is touched later.
    pub fn place(&self, data: &Path, digest: &Digest) -> Result<Seal> {
        let path = self.blob(digest);
        fs::rename(data, &path).map_err(|error| at(data, error))?;
        // After the rename: an ingest must stay one that its owner can open for writing.
        let read_only = Permissions::from_mode(0o444);
        fs::set_permissions(&path, read_only).map_err(|error| at(&path, error))?;
        sync_dir(&self.blobs())?;
        fs::symlink_metadata(&path).map(|facts| Seal::of(&facts)).map_err(|error| at(&path, error))
    }

    /// Undoes [`Layout::place`], for a blob that nobody has a record of.
    pub fn take_back(&self, data: &Path, digest: &Digest) -> Result<()> {
        let path = self.blob(digest);
        fs::rename(&path, data).map_err(|error| at(&path, error))?;
        fs::set_permissions(data, Permissions::from_mode(0o600)).map_err(|error| at(data, error))
    }

    /// Removes a blob's file, if it is there, and answers the bytes that came free.
    pub fn remove_blob(&self, digest: &Digest) -> Result<u64> {
        let path = self.blob(digest);
        let Ok(facts) = fs::symlink_metadata(&path) else { return Ok(0) };
        unless_gone(fs::remove_file(&path)).map_err(|error| at(&path, error))?;
        Ok(facts.size())
    }

    /// The digests that have a file, whoever made it.
    pub fn list_blobs(&self) -> Result<Vec<Digest>> {
        let names = list(&self.blobs())?;
        Ok(names.iter().filter_map(|name| format!("sha256:{name}").parse().ok()).collect())
    }
}

/// What whoever reads a damaged blob is told.
pub fn lost(digest: &Digest, why: &str) -> Error {
    Error::data_loss(format!("blob {digest}: {why}; `varve fsck --repair` fetches it again"))
}

/// The names in a directory that are UTF-8; ours all are.
pub fn list(dir: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(dir).map_err(|error| at(dir, error))?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| at(dir, error))?;
        names.extend(entry.file_name().into_string());
    }
    Ok(names)
}

/// Opens for reading, never through a link.
pub fn open_plain(path: &Path) -> std::io::Result<File> {
    let flags = rustix::fs::OFlags::NOFOLLOW.union(rustix::fs::OFlags::CLOEXEC);
    OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path)
}

/// Replaces a small file: written beside, synced, renamed, its directory synced.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let beside = path.with_extension("tmp");
    let write = || {
        let mut file = File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_data()?;
        fs::rename(&beside, path)
    };
    write().map_err(|error| at(path, error))?;
    sync_dir(path.parent().unwrap_or(path))
}

/// Makes the names in a directory durable.
pub fn sync_dir(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|file| file.sync_all()).map_err(|error| at(dir, error))
}

/// A directory with its parents, private to its owner, durable.
pub fn make_dir(dir: &Path) -> Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| at(dir, error))?;
    sync_dir(dir.parent().unwrap_or(dir))
}

/// Removing what is gone already is no error.
pub fn unless_gone(result: std::io::Result<()>) -> std::io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// The machine's error about a path of the store; never NotFound, which is about nouns.
pub fn at(path: &Path, error: std::io::Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound => {
            Error::data_loss(format!("{} is missing", path.display())).with_source(error)
        }
        _ => Error::io(path.display(), error),
    }
}
