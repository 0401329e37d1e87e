//! A layer as a tree of files below a directory's descriptor.
//!
//! Names are never joined to a host path. Parents are opened by `dirs`, which also puts back what
//! making something in a directory changes of it; `place` makes each kind of file, exclusively;
//! `attrs` gives it its owner, mode, xattrs and times; `whiteout` and `purge` remove.

mod attrs;
mod content;
mod directory;
mod dirs;
mod links;
mod marks;
mod open;
mod place;
mod purge;
mod resolve;
mod room;
mod whiteout;

use std::io::{self, BufRead};

use rustix::fs::{self, AtFlags, FileType, Stat};
use rustix::io::Errno;

use super::{
    ApplyError, Entry, ImpliedDir, Kind, Limits, Mode, Mtime, Notices, Options, Privilege, Root,
    Sink, TreePath, Usage,
};
use dirs::Dirs;
use marks::{Implied, Marks};
use open::Parent;
use room::Room;

/// What a [`TreeSink`] laid down.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    /// Directories that the sink made itself, 0755, because something is in them and the layer
    /// does not describe them; sorted, the root first (listed unless the layer describes it).
    /// Only in `Mode::Overlay`: the publisher looks each up in the parent.
    pub implied_dirs: Vec<ImpliedDir>,
    /// Directories of this layer that must be directories in the parent too; where one is not,
    /// the layer must be applied in order, as with `needs_parent`. Only in `Mode::Overlay`. They
    /// are those that whiteouts are in beside other things (an overlay would show such a whiteout
    /// as a device), and those that were implied before an entry described them (what came before
    /// may belong behind a symlink of the parent).
    pub parent_dirs: Vec<TreePath>,
    /// Targets of hard links that are not in this layer. Only in `Mode::Overlay`; the first ends
    /// the work, for the tree will be thrown away.
    pub missing_links: Vec<TreePath>,
    /// The tree is not whole: throw it away and apply the layer in order, on its parent.
    pub needs_parent: bool,
    pub notices: Notices,
    pub usage: Usage,
}

/// Lays a layer down as files.
pub struct TreeSink {
    mode: Mode,
    privilege: Privilege,
    limits: Limits,
    dirs: Dirs,
    /// What files are made with before anybody says otherwise.
    maker: attrs::Maker,
    /// What this layer made (a whiteout, and what only holds whiteouts, is not made).
    made: Marks,
    /// Directories in which, and below which, nothing of the lower layers is left to be seen.
    emptied: Marks,
    implied: Implied,
    /// Bytes of paths that were looked up part by part.
    walked: u64,
    /// Bytes on the disk of blocks that sparse files fill in part, less those that are stored.
    scattered: u64,
    room: Room,
    root_described: bool,
    tree: Tree,
}

impl TreeSink {
    /// A sink into the directory `root`. Fails where the kernel has no openat2 (before 5.6).
    pub fn new(root: Root, options: &Options) -> Result<Self, ApplyError> {
        let maker = attrs::Maker::current();
        Ok(Self {
            mode: options.mode,
            privilege: options.privilege,
            limits: options.limits.clone(),
            dirs: Dirs::open(root, options.privilege, options.mode)?,
            maker,
            made: Marks::default(),
            emptied: Marks::default(),
            implied: Implied::default(),
            walked: 0,
            scattered: 0,
            room: Room::new(options.limits.reserve),
            root_described: false,
            tree: Tree::default(),
        })
    }

    fn place(&mut self, entry: &Entry, body: &mut dyn BufRead) -> Result<(), ApplyError> {
        match &entry.kind {
            Kind::Whiteout => self.whiteout(entry),
            Kind::Opaque => self.opaque(&entry.path),
            Kind::Directory => self.directory(entry),
            Kind::File { size, sparse } => self.file(entry, *size, sparse.as_deref(), body),
            Kind::Symlink(target) => self.symlink(entry, target),
            Kind::HardLink(target) => self.hard_link(entry, target),
            Kind::Char(device) => self.special(entry, FileType::CharacterDevice, Some(*device)),
            Kind::Block(device) => self.special(entry, FileType::BlockDevice, Some(*device)),
            Kind::Fifo => self.special(entry, FileType::Fifo, None),
        }
    }

    fn is_overlay(&self) -> bool {
        matches!(self.mode, Mode::Overlay(_))
    }

    /// Counts an inode that was made; implied directories count as entries do.
    fn count(&mut self, bytes: u64) -> Result<(), ApplyError> {
        self.tree.usage.inodes += 1;
        self.tree.usage.bytes += bytes.next_multiple_of(4096);
        if self.tree.usage.inodes > self.limits.entries {
            return Err(ApplyError::limit("entries", "more files", self.limits.entries));
        }
        Ok(())
    }

    /// `path` exists because of this layer.
    fn mark(&mut self, parent: &Parent, path: &TreePath) {
        if self.mode != Mode::Base {
            self.made.add_with_ancestors(path);
        }
        self.implied.fill(&parent.path);
    }

    /// Whether nothing of the lower layers is left to be seen in `dir`.
    fn is_emptied(&self, dir: &TreePath) -> bool {
        !self.emptied.is_empty() && self.emptied.has_any_above(dir)
    }
}

impl Sink for TreeSink {
    type Output = Tree;

    fn entry(&mut self, entry: &Entry, body: &mut dyn BufRead) -> Result<(), ApplyError> {
        if self.tree.needs_parent {
            return Ok(());
        }
        match self.place(entry, body) {
            // What cannot be here may well be on the parent: a directory that is only implied may
            // be a symlink there. Applied in order the layer is refused, or not.
            Err(ApplyError::Refused { .. }) if self.is_overlay() => self.tree.needs_parent = true,
            placed => placed?,
        }
        if self.implied.bytes() > self.limits.remembered {
            self.implied = Implied::default();
            self.tree.needs_parent = true;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Tree, ApplyError> {
        if !self.root_described && self.mode != Mode::InPlace && !self.tree.needs_parent {
            self.redress(&TreePath::root(), &undescribed_root())?;
        }
        self.dirs.close_all()?;
        if self.is_overlay() {
            self.tree.implied_dirs = self.implied.list(self.root_described);
            self.tree.parent_dirs = self.implied.must_be_below();
        }
        Ok(self.tree)
    }
}

/// What the root is where no layer says: 0755, root's, of 1970, as umoci makes it.
fn undescribed_root() -> Entry {
    Entry {
        path: TreePath::root(),
        kind: Kind::Directory,
        mode: 0o755,
        uid: 0,
        gid: 0,
        mtime: Mtime::default(),
        xattrs: Vec::new(),
        offset: 0,
    }
}

/// A failed call, with what it was about.
fn failed(what: &'static str, path: &TreePath) -> impl FnOnce(Errno) -> ApplyError {
    move |errno| {
        let source = io::Error::from(errno);
        ApplyError::Disk { what, path: path.clone(), source }
    }
}

/// What is at `name`, the link itself if it is one; `None` where nothing is.
fn look(parent: &Parent, name: &std::ffi::OsStr) -> Result<Option<Stat>, ApplyError> {
    match fs::statat(&parent.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(failed("looking at", &parent.path.join(name.as_encoded_bytes()))(errno)),
    }
}

fn kind_of(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// Whether it is an overlay's whiteout.
fn is_whiteout(stat: &Stat) -> bool {
    kind_of(stat) == FileType::CharacterDevice && stat.st_rdev == 0
}

/// Whether a directory, and no link to one, is at `name`.
fn is_dir(parent: &Parent, name: &std::ffi::OsStr) -> bool {
    let stat = fs::statat(&parent.fd, name, AtFlags::SYMLINK_NOFOLLOW);
    stat.is_ok_and(|stat| kind_of(&stat) == FileType::Directory)
}
