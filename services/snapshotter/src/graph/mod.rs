//! The graph of snapshots: what is stacked on what, whose it is, and the directory that holds it.
//!
//! Every change is one transaction that checks what the contract asks and keeps edges and counts
//! true. Directories on disk are made before, and removed after, the transaction that names them.

mod change;
mod look;
mod record;

pub(crate) use change::{Change, New, check_active, check_key, unused};
pub(crate) use look::{Look, Seen};
pub(crate) use record::{Dir, decode, dir_key, encode};
pub(crate) use record::{DirId, Snapshot};
#[cfg(feature = "testsuite")]
pub(crate) use record::{parse_dir_key, parse_snapshot_key};
