//! A layer under construction: each change becomes the members that say it.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::os::fd::OwnedFd;

use rustix::fs::FileType;
use tar::EntryType;

use super::compare::fill;
use super::error::failed;
use super::header::{BLOCK, Member};
use super::view::{Inode, Node};
use super::{Change, DiffError, Kind, Limits, Rules, TreePath, View, xattrs};

/// What a name of a whiteout begins with (image-spec, layer.md, *Whiteouts*).
const WHITEOUT: &[u8] = b".wh.";
/// Bytes of content that are read at a time.
const CHUNK: usize = 128 << 10;

/// A tar of changes. Directories that a change is in are told before it, for those who unpack a layer
/// without the one below. What a directory hides of the lower tree is whited out name by name, as the
/// specification advises.
pub(super) struct Archive<W> {
    out: W,
    upper: View,
    rules: Rules,
    /// Files modified later are told to be of this time.
    latest: Option<(i64, u32)>,
    /// Directories that were told, by a keyed hash of their paths.
    dirs: HashSet<u64>,
    key: RandomState,
    /// The first name that was told of each file with several.
    links: HashMap<Inode, TreePath>,
    members: u64,
}

impl<W: Write> Archive<W> {
    pub fn new(out: W, upper: View, rules: Rules, latest: Option<(i64, u32)>) -> Self {
        let (dirs, key, links) = (HashSet::new(), RandomState::new(), HashMap::new());
        Self { out, upper, rules, latest, dirs, key, links, members: 0 }
    }

    pub fn add(&mut self, change: &Change) -> Result<(), DiffError> {
        check_name(&change.path)?;
        self.dirs_above(&change.path)?;
        match change.kind {
            Kind::Added | Kind::Changed => self.entry(&change.path),
            Kind::Deleted => self.whiteout(&change.path),
        }
    }

    /// Ends the archive.
    pub fn finish(mut self) -> Result<W, DiffError> {
        self.write(&[0; 2 * BLOCK])?;
        Ok(self.out)
    }

    fn dirs_above(&mut self, path: &TreePath) -> Result<(), DiffError> {
        let above: Vec<_> = path.ancestors().skip(1).filter(|dir| !dir.is_root()).collect();
        for dir in above.into_iter().rev() {
            if !self.dirs.contains(&self.key.hash_one(&dir)) {
                self.entry(&dir)?;
            }
        }
        Ok(())
    }

    /// `dir/.wh.name`, an empty file whose attributes mean nothing.
    fn whiteout(&mut self, path: &TreePath) -> Result<(), DiffError> {
        let name = [WHITEOUT, path.name().as_encoded_bytes()].concat();
        let marker = path.parent().join(&name);
        self.head(&Member::marker(marker.as_bytes().to_vec()), path)
    }

    fn entry(&mut self, path: &TreePath) -> Result<(), DiffError> {
        let node = self.upper.node(path)?.ok_or_else(|| DiffError::Moved(path.clone()))?;
        if node.is_dir() {
            self.dirs.insert(self.key.hash_one(path));
        }
        if node.linked {
            if let Some(first) = self.links.get(&node.inode).cloned() {
                return self.hard_link(path, &node, &first);
            }
            self.links.insert(node.inode, path.clone());
        }
        match node.kind {
            FileType::RegularFile => self.file(path, &node),
            _ => self.member(path, &node).and_then(|member| self.head(&member, path)),
        }
    }

    /// All that a tree says of a file, but for its content.
    fn member(&mut self, path: &TreePath, node: &Node) -> Result<Member, DiffError> {
        let mut xattrs = self.upper.xattrs(path)?;
        let (uid, gid) = xattrs::owner(&mut xattrs, node.uid, node.gid);
        let mtime = self.latest.map_or(node.mtime, |latest| node.mtime.min(latest));
        let mut member = Member {
            kind: kind(path, node)?,
            mode: node.mode,
            device: (rustix::fs::major(node.device), rustix::fs::minor(node.device)),
            ..Member::marker(path.as_bytes().to_vec())
        };
        (member.uid, member.gid, member.mtime, member.xattrs) = (uid, gid, mtime, xattrs);
        match node.kind {
            FileType::Directory if path.is_root() => member.name = b"./".to_vec(),
            FileType::Directory => member.name.push(b'/'),
            FileType::Symlink => member.target = self.upper.target(path)?,
            _ => {}
        }
        Ok(member)
    }

    fn hard_link(
        &mut self,
        path: &TreePath,
        node: &Node,
        first: &TreePath,
    ) -> Result<(), DiffError> {
        let mut member = self.member(path, node)?;
        member.kind = EntryType::Link;
        member.target = first.as_bytes().to_vec();
        // They are the file's, which was told.
        member.xattrs = Vec::new();
        self.head(&member, path)
    }

    /// A file with its content: as much as it had when it was opened.
    fn file(&mut self, path: &TreePath, node: &Node) -> Result<(), DiffError> {
        let (file, node) = self.upper.open(path, node)?;
        let mut member = self.member(path, &node)?;
        member.size = node.size;
        self.head(&member, path)?;
        self.content(&file, node.size, path)
    }

    fn content(&mut self, file: &OwnedFd, size: u64, path: &TreePath) -> Result<(), DiffError> {
        let mut buffer = vec![0; CHUNK.min(usize::try_from(size).unwrap_or(CHUNK))];
        let mut at = 0;
        while at < size {
            self.rules.check()?;
            let want = buffer.len().min(usize::try_from(size - at).unwrap_or(usize::MAX));
            let len = fill(file, &mut buffer[..want], at).map_err(failed("reading", path))?;
            if len == 0 {
                return Err(DiffError::Moved(path.clone()));
            }
            self.write(&buffer[..len])?;
            at += len as u64;
        }
        let padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
        self.write(&[0; BLOCK][..padding as usize])
    }

    fn head(&mut self, member: &Member, path: &TreePath) -> Result<(), DiffError> {
        self.members += 1;
        let Limits { entries, extension, total_bytes, .. } = self.rules.limits;
        if self.members > entries {
            return Err(DiffError::limit("more entries", entries));
        }
        if member.size > total_bytes {
            let what = format!("a file of {} bytes, {path:?}", member.size);
            return Err(DiffError::limit(what, total_bytes));
        }
        let blocks = member.encode(path, extension)?;
        self.write(&blocks)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), DiffError> {
        self.out.write_all(bytes).map_err(DiffError::output)
    }
}

/// A name that begins as a whiteout's does would be taken for one.
fn check_name(path: &TreePath) -> Result<(), DiffError> {
    match path.components().any(|name| name.as_encoded_bytes().starts_with(WHITEOUT)) {
        true => Err(DiffError::unsayable(path, "a name that begins with `.wh.` deletes another")),
        false => Ok(()),
    }
}

fn kind(path: &TreePath, node: &Node) -> Result<EntryType, DiffError> {
    Ok(match node.kind {
        FileType::RegularFile => EntryType::Regular,
        FileType::Directory => EntryType::Directory,
        FileType::Symlink => EntryType::Symlink,
        FileType::Fifo => EntryType::Fifo,
        FileType::CharacterDevice => EntryType::Char,
        FileType::BlockDevice => EntryType::Block,
        _ => return Err(DiffError::unsayable(path, "no layer has a file of its type")),
    })
}
