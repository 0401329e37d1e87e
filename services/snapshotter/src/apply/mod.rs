//! The apply engine: a layer's compressed bytes in, a laid-down layer and its diff id out.
//!
//! Blocking code, to be run on its own threads. [`apply`] inflates on one thread, hashes on another,
//! and parses and extracts on the caller's, joined by a few recycled buffers, so that one large layer
//! uses all of two cores and no more than about 2 MiB besides the decoder's window. It promises that
//! nothing outside the root is read or changed whatever the bytes say (every parent is opened from
//! the root's descriptor with openat2, no last component is followed), that the diff id is of the
//! *whole* uncompressed stream, and that its threads are joined whatever happens. It leaves to its
//! caller: staging, publishing, comparing the diff id, and throwing away what a failure left.
//!
//! Its strict reader of tar archives ([`Archive`]) is there for others that read what strangers wrote.

mod check;
mod decode;
mod entry;
mod error;
mod hash;
mod inflate;
mod limits;
mod notice;
mod path;
mod pipe;
mod run;
mod sink;
mod tar;
#[cfg(test)]
mod tests;
mod tree;

use std::fmt;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use varve_core::DiffId;

pub use decode::inflated;
pub use entry::{Device, Entry, Extent, Kind, Mtime, Xattr};
pub use error::ApplyError;
pub use inflate::sniff;
pub use limits::Limits;
pub use notice::{Notice, Notices, Subject};
pub use path::TreePath;
pub use run::{apply, apply_to};
pub use sink::Sink;
pub use tar::{Archive, Body, Member};
pub use tree::{Tree, TreeSink};
pub use varve_core::oci::Compression;

/// What a whiteout means where this layer is laid down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Into a directory of its own that an overlay will stack, without its parent: a whiteout
    /// becomes a character device 0:0, an opaque directory gets an xattr.
    Overlay(OverlayXattrs),
    /// Into a full tree that holds the layers below: whiteouts remove what those layers made,
    /// never what this layer made, in whatever order the archive has them.
    InPlace,
    /// Into an empty tree with nothing below: whiteouts mean nothing.
    Base,
}

/// Whose overlay will read the layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverlayXattrs {
    /// `trusted.overlay.*`: an overlay mounted by root.
    Trusted,
    /// `user.overlay.*`: one mounted in a user namespace, with `-o userxattr`.
    User,
}

/// What this process may do to the files that it makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privilege {
    /// Root of the machine: owners are set, devices are made.
    Root,
    /// Anyone: owners are recorded in `user.rootlesscontainers` (as umoci does), devices and what
    /// else the kernel refuses are left out with a notice.
    None,
}

impl Privilege {
    /// That of this process, by its effective user id.
    pub fn current() -> Self {
        if rustix::process::geteuid().is_root() { Self::Root } else { Self::None }
    }
}

/// Called with the compressed bytes consumed so far, about every 128 KiB, on the inflating thread.
pub type Progress = Arc<dyn Fn(u64) + Send + Sync>;

/// How to apply one layer.
#[derive(Clone)]
pub struct Options {
    pub mode: Mode,
    pub privilege: Privilege,
    pub limits: Limits,
    pub progress: Option<Progress>,
    pub cancel: Cancel,
}

impl Options {
    /// The defaults for `mode`: the privilege of this process, default limits, no progress.
    pub fn new(mode: Mode) -> Self {
        Self {
            mode,
            privilege: Privilege::current(),
            limits: Limits::default(),
            progress: None,
            cancel: Cancel::default(),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("mode", &self.mode)
            .field("privilege", &self.privilege)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// A flag that stops an apply; its clones are the same flag. It is looked at between entries and
/// between buffers: a `source` that blocks in `read` must be woken by whoever cancels.
#[derive(Clone, Default, Debug)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn check(&self) -> Result<(), ApplyError> {
        if self.is_cancelled() { Err(ApplyError::Cancelled) } else { Ok(()) }
    }
}

/// What went past: the same for every sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stream {
    /// Of every uncompressed byte, what follows the archive's end included.
    pub diff_id: DiffId,
    /// Bytes read from the source.
    pub compressed: u64,
    /// Uncompressed bytes.
    pub uncompressed: u64,
    /// Entries of the archive.
    pub entries: u64,
}

/// A layer laid down as a tree by [`apply`].
#[derive(Debug, Clone)]
pub struct Applied {
    pub stream: Stream,
    pub tree: Tree,
}

impl Applied {
    /// To be compared with the image config's.
    pub fn diff_id(&self) -> DiffId {
        self.stream.diff_id
    }
}

/// A directory that a layer implies: something is in it, and no entry describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImpliedDir {
    /// From the root, without symlinks; `.` is the root itself.
    pub path: PathBuf,
    /// Nothing but whiteouts is in it: where the parent has no such directory, it must go, and
    /// what holds it keep its mtime.
    pub hollow: bool,
}

/// What the laid-down files cost: whole 4 KiB blocks of data and directories, and inodes. An
/// estimate made without asking the file system; holes and hard links cost nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Bytes on disk.
    pub bytes: u64,
    pub inodes: u64,
}

/// The root that a [`TreeSink`] extracts into: a directory's descriptor.
pub type Root = OwnedFd;
