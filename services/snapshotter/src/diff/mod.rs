//! Layers made of trees: what leads from a lower tree to an upper one, as the tar that an image carries.
//!
//! [`walk()`] compares two trees and tells each [`Change`], in order, to whoever wants to know: an
//! [`Archive`] makes a layer of them. Both trees are looked at as the kernel shows them, through mounts
//! that only this process sees; where one stack of an overlay stands on the other, the directories
//! between them say which names are worth a look. Nothing is written to either tree. Names are a
//! container's and mean nothing here: whatever is opened is opened from the root's descriptor, and no
//! link is followed.
//!
//! A layer says all or nothing: what it cannot say, or what changes while it is read, is an error.

mod archive;
mod compare;
mod compress;
mod error;
mod header;
mod hints;
mod layer;
mod links;
mod list;
mod pour;
mod sides;
#[cfg(test)]
mod tests;
mod tight;
mod view;
mod walk;
mod xattrs;

use archive::Archive;
use error::DiffError;
use sides::Stacks;
use view::View;
use walk::{Sides, walk};

use varve_core::changes::Kind;

use crate::apply::{Cancel, Limits, TreePath};

/// One difference between two trees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub kind: Kind,
    pub path: TreePath,
    /// Told out of its turn, for another name of its file.
    pub aside: bool,
}

/// What a comparison keeps to.
#[derive(Clone)]
pub(crate) struct Rules {
    pub limits: Limits,
    pub cancel: Cancel,
}

impl Rules {
    fn check(&self) -> Result<(), DiffError> {
        if self.cancel.is_cancelled() { Err(DiffError::Cancelled) } else { Ok(()) }
    }
}
