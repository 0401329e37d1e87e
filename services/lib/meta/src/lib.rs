//! The metadata database: sled with one writer, group commit, and a way back.
//!
//! Owns the directory that it is given. Promises: an answered write is on the disk; a value that is
//! read is the value that was written, or the read is an error that names its key; opening never
//! asks a person to wipe anything. Leaves to its callers what the keys and values mean, and the
//! rebuilding of facts that can be derived from elsewhere after [`Recovery::must_rebuild`].
//! README.md tells the layout on disk and what a crash can leave.

mod closed;
mod db;
mod engine;
mod export;
mod fault;
mod foresee;
mod keeper;
mod lock;
mod mark;
mod open;
mod quarantine;
mod record;
mod restore;
mod spin;
mod state;
#[cfg(feature = "testsuite")]
pub mod testsuite;
mod tx;
mod undo;
mod writer;

pub use db::{Db, Options};
pub use foresee::foresee;
pub use open::Recovery;
pub use record::{MAX_KEY, MAX_VALUE};
pub use tx::Tx;
