//! What was left out of a layer, in at most one line a subject.

use std::fmt;

use super::TreePath;

/// What a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A device that only root can make.
    Device,
    /// A character device 0:0, which an overlay would take for a whiteout.
    WhiteoutDevice,
    /// An extended attribute that this process may not set, or the file system does not keep.
    Xattr,
    /// `trusted.overlay.*`, `user.overlay.*`, `user.rootlesscontainers`: ours, never an archive's.
    ForgedXattr,
    /// An owner that could not even be recorded (a link or a fifo cannot carry `user.*`).
    Owner,
    /// Metadata of AUFS (`.wh..wh.plnk` and the like).
    Aufs,
}

/// One subject: how often, and where first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub subject: Subject,
    pub count: u64,
    pub first: TreePath,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.subject {
            Subject::Device => "devices were not made (only root can make them)",
            Subject::WhiteoutDevice => "devices 0:0 were not made (they would hide files)",
            Subject::Xattr => "extended attributes could not be set here",
            Subject::ForgedXattr => "extended attributes reserved to overlays were dropped",
            Subject::Owner => "owners of links and special files could not be recorded",
            Subject::Aufs => "files of AUFS's own were skipped",
        };
        write!(f, "{} {what}, the first at {:?}", self.count, self.first)
    }
}

/// The notices of one layer, a line a subject.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Notices(Vec<Notice>);

impl Notices {
    pub(super) fn add(&mut self, subject: Subject, path: &TreePath) {
        match self.0.iter_mut().find(|notice| notice.subject == subject) {
            Some(notice) => notice.count += 1,
            None => self.0.push(Notice { subject, count: 1, first: path.clone() }),
        }
    }

    /// Adds what another stage noticed.
    pub(super) fn merge(&mut self, others: Notices) {
        for other in others.0 {
            match self.0.iter_mut().find(|notice| notice.subject == other.subject) {
                Some(notice) => notice.count += other.count,
                None => self.0.push(other),
            }
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Notice> {
        self.0.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
