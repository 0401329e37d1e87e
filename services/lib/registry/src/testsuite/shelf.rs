//! What was pushed: blobs in memory or in files, manifests, tags.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use varve_core::{Digest, Hasher, MediaType};

/// Where the bytes of a blob are.
#[derive(Clone)]
pub(super) enum Source {
    Bytes(Bytes),
    File(PathBuf, u64),
}

impl Source {
    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(_, size) => *size,
        }
    }

    /// At most `len` bytes at `offset`, below the size.
    pub(super) fn read_at(&self, offset: u64, len: usize) -> std::io::Result<Bytes> {
        match self {
            Self::Bytes(bytes) => {
                let start = usize::try_from(offset).map_or(bytes.len(), |at| at.min(bytes.len()));
                Ok(bytes.slice(start..start.saturating_add(len).min(bytes.len())))
            }
            Self::File(path, _) => {
                let mut buffer = vec![0; len];
                let read = File::open(path)?.read_at(&mut buffer, offset)?;
                buffer.truncate(read);
                Ok(buffer.into())
            }
        }
    }
}

#[derive(Default)]
struct Repository {
    blobs: HashMap<Digest, Source>,
    manifests: HashMap<Digest, (MediaType, Bytes)>,
    tags: BTreeMap<String, Digest>,
}

#[derive(Default)]
pub(super) struct Shelf(HashMap<String, Repository>);

impl Shelf {
    pub(super) fn add(&mut self, repository: &str, digest: Digest, source: Source) {
        self.repository(repository).blobs.insert(digest, source);
    }

    pub(super) fn add_manifest(
        &mut self,
        repository: &str,
        tag: Option<&str>,
        media_type: &MediaType,
        bytes: Bytes,
    ) -> Digest {
        let digest = Digest::of(&bytes);
        let repository = self.repository(repository);
        repository.manifests.insert(digest, (media_type.clone(), bytes));
        if let Some(tag) = tag {
            repository.tags.insert(tag.to_owned(), digest);
        }
        digest
    }

    /// Points every tag to `digest`.
    pub(super) fn move_tags(&mut self, digest: Digest) {
        let tags = self.0.values_mut().flat_map(|repository| repository.tags.values_mut());
        tags.for_each(|tag| *tag = digest);
    }

    fn repository(&mut self, name: &str) -> &mut Repository {
        self.0.entry(name.to_owned()).or_default()
    }

    pub(super) fn blob(&self, repository: &str, digest: &str) -> Option<Source> {
        self.0.get(repository)?.blobs.get(&digest.parse().ok()?).cloned()
    }

    /// By tag or digest.
    pub(super) fn manifest(
        &self,
        repository: &str,
        reference: &str,
    ) -> Option<(Digest, MediaType, Bytes)> {
        let repository = self.0.get(repository)?;
        let digest = match reference.parse() {
            Ok(digest) => digest,
            Err(_) => *repository.tags.get(reference)?,
        };
        let (media_type, bytes) = repository.manifests.get(&digest)?;
        Some((digest, media_type.clone(), bytes.clone()))
    }

    /// The names of all repositories, sorted.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.0.keys().cloned().collect();
        names.sort();
        names
    }

    pub(super) fn tags(&self, repository: &str) -> Option<Vec<String>> {
        Some(self.0.get(repository)?.tags.keys().cloned().collect())
    }
}

pub(super) fn hash(path: &Path) -> std::io::Result<(Digest, u64)> {
    let (mut file, mut hasher) = (File::open(path)?, Hasher::new());
    let mut buffer = vec![0; 256 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((hasher.digest(), hasher.len())),
            read => hasher.update(&buffer[..read]),
        }
    }
}
