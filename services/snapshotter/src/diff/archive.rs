//! A layer under construction: each change becomes the members that say it.

use std::collections::{HashMap, HashSet};
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
///
/// Holds the paths of files with several names and of the directories that these are in, and no others:
/// so a directory that was left is told a second time where a name in it is told out of its turn.
pub(super) struct Archive<W> {
    out: W,
    upper: View,
    rules: Rules,
    /// Files modified later are told to be of this time.
    latest: Option<(i64, u32)>,
    /// The directory that was told last; those above it were told before.
    at: TreePath,
    /// Directories that were told out of their turn, for names of files with several.
    aside: HashSet<TreePath>,
    /// The first name that was told of each file with several.
    links: HashMap<Inode, TreePath>,
    members: u64,
}

impl<W: Write> Archive<W> {
    pub fn new(out: W, upper: View, rules: Rules, latest: Option<(i64, u32)>) -> Self {
        let (at, aside, links) = (TreePath::root(), HashSet::new(), HashMap::new());
        Self { out, upper, rules, latest, at, aside, links, members: 0 }
    }

    pub fn add(&mut self, change: &Change) -> Result<(), DiffError> {
        check_name(&change.path)?;
        self.dirs_above(change)?;
        match change.kind {
            Kind::Added | Kind::Changed => self.entry(&change.path, change.aside),
            Kind::Deleted => self.whiteout(&change.path),
        }
    }

    /// Ends the archive.
    pub fn finish(mut self) -> Result<W, DiffError> {
        self.write(&[0; 2 * BLOCK])?;
        Ok(self.out)
    }

    fn dirs_above(&mut self, change: &Change) -> Result<(), DiffError> {
        let above = change.path.ancestors().skip(1);
        let above: Vec<_> = above.take_while(|dir| !self.is_told(dir)).collect();
        above.iter().rev().try_for_each(|dir| self.entry(dir, change.aside))
    }

    /// Whether a directory needs no entry any more, nor do those above it. The root needs none. One
    /// that was told aside was left before, so that nothing follows in it but aside.
    fn is_told(&self, dir: &TreePath) -> bool {
        self.at.is_within(dir) || self.aside.contains(dir)
    }

    /// `dir/.wh.name`, an empty file whose attributes mean nothing.
    fn whiteout(&mut self, path: &TreePath) -> Result<(), DiffError> {
        let name = [WHITEOUT, path.name().as_encoded_bytes()].concat();
        let marker = path.parent().join(&name);
        self.head(&Member::marker(marker.as_bytes().to_vec()), path)
    }

    fn entry(&mut self, path: &TreePath, aside: bool) -> Result<(), DiffError> {
        let node = self.upper.node(path)?.ok_or_else(|| DiffError::Moved(path.clone()))?;
        match (node.is_dir(), aside) {
            (true, true) => drop(self.aside.insert(path.clone())),
            (true, false) => self.at = path.clone(),
            (false, _) => {}
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
        // The file has them from its first entry. But whoever sets an owner with each entry, as
        // containerd and Docker do, has the kernel take the capabilities away with each.
        member.xattrs.retain(|xattr| xattr.name == xattrs::CAPABILITIES);
        self.head(&member, path)
    }

    /// A file with its content, which must stay what it was when it was opened.
    fn file(&mut self, path: &TreePath, node: &Node) -> Result<(), DiffError> {
        let (file, node) = self.upper.open(path, node)?;
        let mut member = self.member(path, &node)?;
        member.size = node.size;
        self.head(&member, path)?;
        self.content(&file, node.size, path)?;
        let now = self.upper.now(&file, path)?;
        match (now.size, now.mtime) == (node.size, node.mtime) {
            true => Ok(()),
            false => Err(DiffError::Moved(path.clone())),
        }
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
