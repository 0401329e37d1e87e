//! What was seen of images, kept from one list to the next: ten thousand manifests and configs are not read again.
//!
//! What is kept cannot change: it follows from a digest, and from this machine's platform for an index. Only what is
//! this machine's best choice of an index is kept, as no later pull can bring a better one. Whether an image is
//! unpacked may change, and is asked each time. The file is in the user's cache, one for each store and namespace; it
//! is written for many images only, and a broken one is as good as none.

use std::collections::HashMap;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use varve_core::{Digest, Platform};

use super::Seen;

/// Of the file's format.
const VERSION: u32 = 1;
/// Images that are read at once in no time: a file would cost more.
const FEW: usize = 100;

/// What is known of targets.
#[derive(Debug)]
pub struct Cache {
    path: Option<PathBuf>,
    known: HashMap<Digest, Arc<Seen>>,
}

#[derive(Serialize, Deserialize)]
struct File<T> {
    version: u32,
    platform: String,
    images: HashMap<Digest, T>,
}

impl Cache {
    /// What earlier lists of this `store` saw. Empty where there are few `images`.
    pub fn open(store: &str, images: usize) -> Self {
        let path = if images < FEW { None } else { path(store) };
        let known = path.as_deref().and_then(read).unwrap_or_default().into_iter();
        let known = known.map(|(digest, seen)| (digest, Arc::new(seen))).collect();
        Self { path, known }
    }

    /// The same where there turn out to be so many `images`: for few none is written.
    pub fn for_images(self, images: usize) -> Self {
        if images < FEW { Self { path: None, ..self } } else { self }
    }

    pub fn get(&self, target: &Digest) -> Option<&Arc<Seen>> {
        self.known.get(target)
    }

    /// Writes `images` in the place of what was known, where they are others.
    pub fn keep(self, images: HashMap<Digest, &Seen>) {
        let same = images.len() == self.known.len()
            && images.keys().all(|digest| self.known.contains_key(digest));
        let Some(path) = self.path.filter(|_| !same) else { return };
        if let Err(error) = write(&path, images) {
            tracing::debug!("{} is not written: {error}", path.display());
        }
    }
}

/// `$XDG_CACHE_HOME/varve/images/<hash>.json`, or below `~/.cache`.
fn path(store: &str) -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))?;
    let name = Digest::of(store.as_bytes());
    Some(home.join("varve/images").join(format!("{}.json", name.hex())))
}

fn read(path: &Path) -> Option<HashMap<Digest, Seen>> {
    let file: File<Seen> = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    let ours = file.version == VERSION && file.platform == Platform::host().to_string();
    ours.then_some(file.images)
}

/// By rename: another list may read it now.
fn write(path: &Path, images: HashMap<Digest, &Seen>) -> std::io::Result<()> {
    let file = File { version: VERSION, platform: Platform::host().to_string(), images };
    let dir = path.parent().unwrap_or(Path::new("/"));
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let temporary = path.with_extension(std::process::id().to_string());
    let mut to = std::fs::File::create(&temporary)?;
    to.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    let written = to.write_all(&serde_json::to_vec(&file)?);
    written.and_then(|()| std::fs::rename(&temporary, path)).inspect_err(|_| {
        let _ = std::fs::remove_file(&temporary);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_what_is_broken_is_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b.json");
        let digest = Digest::of(b"x");
        let seen = Seen {
            id: digest,
            platform: "linux/amd64".into(),
            created: Some(varve_core::time::now()),
            labels: [("a".to_owned(), "b".to_owned())].into(),
            packed_size: 7,
            layers: vec![varve_core::ChainId(digest)],
            tree: None,
        };
        write(&path, HashMap::from([(digest, &seen)])).unwrap();
        assert_eq!(read(&path).unwrap().get(&digest), Some(&seen));
        std::fs::write(&path, "{").unwrap();
        assert!(read(&path).is_none() && read(dir.path()).is_none());
    }

    #[test]
    fn few_images_have_no_file() {
        assert!(Cache::open("store", FEW - 1).path.is_none());
    }
}
