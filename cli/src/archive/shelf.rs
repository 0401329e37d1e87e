//! A shelf: named files of an archive, wherever their bytes are.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use varve_core::{Digest, Error, Result};
use varve_snapshotter::apply::Limits;

use super::directory::{self, Directory};
use super::entry::{Entry, What};
use super::intake::Intake;
use super::stream::Input;
use super::{jump, spool};

/// Links that are followed from one to the next.
const LINKS: usize = 8;

/// Named files.
pub struct Shelf {
    /// What an error calls it.
    pub noun: String,
    kind: Kind,
}

enum Kind {
    Directory(Directory),
    Named(Names),
}

/// The files of a tar archive.
#[derive(Default)]
pub struct Names {
    files: HashMap<String, File>,
    links: HashMap<String, String>,
}

/// A file, and where its bytes are.
#[derive(Clone, Debug)]
pub struct File {
    /// Bytes.
    pub size: u64,
    pub at: At,
}

#[derive(Clone, Debug)]
pub enum At {
    /// From an offset of a file on.
    Disk(Arc<fs::File>, u64),
    /// In the content store, held by the intake's lease.
    Store(Digest),
    /// A document of the archive itself.
    Memory(Bytes),
}

impl Shelf {
    /// Opens what `input` is. What cannot be read at any place is taken in, all of it.
    pub async fn open(input: &Input, intake: &Intake) -> Result<Self> {
        let kind = Self::kind(input, intake).await;
        let kind = kind.map_err(|error| error.context(input.noun()))?;
        Ok(Self { noun: input.noun(), kind })
    }

    async fn kind(input: &Input, intake: &Intake) -> Result<Kind> {
        if let Input::Path(path) = input
            && directory::is_one(path)
        {
            return Ok(Kind::Directory(open_layout(path)?));
        }
        let packed = input.open()?;
        let Some(file) = packed.at_any_place() else {
            return Ok(Kind::Named(spool::spool(packed, intake).await?));
        };
        let (limits, most) = (intake.limits.clone(), intake.bounds.entries);
        let index = tokio::task::spawn_blocking(move || of_file(file, &limits, most)).await;
        Ok(Kind::Named(index.map_err(|error| Error::internal("a task").with_source(error))??))
    }

    /// The file of that name, behind links where it is one.
    pub fn file(&self, name: &str) -> Result<Option<File>> {
        match &self.kind {
            Kind::Named(names) => names.file(name),
            Kind::Directory(dir) => Ok(dir
                .file(name)?
                .map(|(file, size)| File { size, at: At::Disk(Arc::new(file), 0) })),
        }
    }
}

fn open_layout(path: &Path) -> Result<Directory> {
    let directory = Directory::open(path)?;
    match directory.file("index.json")?.or(directory.file("manifest.json")?) {
        Some(_) => Ok(directory),
        None => Err(Error::invalid("is a directory without index.json: no image layout")),
    }
}

fn of_file(file: fs::File, limits: &Limits, most: usize) -> Result<Names> {
    let again = file.try_clone().map_err(|error| Error::io("reading it", error))?;
    let file = Arc::new(file);
    let mut names = Names::default();
    for entry in jump::entries(again, limits, most)? {
        let at = match entry.what {
            What::File { offset, .. } => Some(At::Disk(file.clone(), offset)),
            What::Link(_) => None,
        };
        names.add(entry, at)?;
    }
    Ok(names)
}

impl Names {
    /// Adds an entry; `at` is where a file's bytes are. InvalidArgument where the name is there already: two
    /// readers could see two archives.
    pub fn add(&mut self, entry: Entry, at: Option<At>) -> Result<()> {
        let Entry { name, what } = entry;
        self.check_new(&name)?;
        match (what, at) {
            (What::File { size, .. }, Some(at)) => {
                self.files.insert(name, File { size, at });
            }
            (What::Link(target), _) => {
                self.links.insert(name, target);
            }
            (What::File { .. }, None) => {}
        }
        Ok(())
    }

    pub fn check_new(&self, name: &str) -> Result<()> {
        if self.files.contains_key(name) || self.links.contains_key(name) {
            return Err(Error::invalid(format!("entry {name:?} stands twice in it")));
        }
        Ok(())
    }

    fn file(&self, name: &str) -> Result<Option<File>> {
        let mut name = name;
        for _ in 0..=LINKS {
            match (self.files.get(name), self.links.get(name)) {
                (Some(file), _) => return Ok(Some(file.clone())),
                (None, None) => return Ok(None),
                (None, Some(target)) => name = target,
            }
        }
        Err(Error::invalid(format!("entry {name:?} is a link that leads to no file")))
    }
}

impl File {
    /// Its digest, where it is in the store.
    pub fn stored(&self) -> Option<Digest> {
        match self.at {
            At::Store(digest) => Some(digest),
            At::Disk(..) | At::Memory(_) => None,
        }
    }

    /// At most `len` bytes from `offset` on, read where they are; for what is in the store, ask the store.
    /// Blocks.
    pub fn read_disk(file: &fs::File, offset: u64, len: usize) -> Result<Bytes> {
        let mut bytes = vec![0; len];
        let mut filled = 0;
        while filled < len {
            match file.read_at(&mut bytes[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io("reading it", error)),
            }
        }
        bytes.truncate(filled);
        Ok(bytes.into())
    }
}
