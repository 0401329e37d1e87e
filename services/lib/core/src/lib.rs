//! What all of Varve agrees on: the vocabulary and the traits.
//!
//! This crate knows nothing of gRPC, HTTP, sled or a runtime. A service is an implementation of a
//! trait of this crate; a process is a listener around it; whoever calls cannot tell the difference.
//! Behind the feature `testsuite` stand the contract that every implementation must pass
//! (`testsuite::contract`) and implementations in memory (`testsuite::memory`).

pub mod boot;
pub mod changes;
pub mod collect;
pub mod config;
pub mod containers;
pub mod content;
pub mod diff;
pub mod digest;
pub mod error;
pub mod filter;
pub mod fsck;
pub mod images;
pub mod labels;
pub mod leases;
pub mod mask;
pub mod mount;
pub mod namespaces;
pub mod oci;
pub mod platform;
pub mod reference;
pub mod remotes;
pub mod scope;
pub mod snapshots;
pub mod snapshotters;
#[cfg(feature = "testsuite")]
pub mod testsuite;
pub mod time;
pub mod unpack;

pub use boot::boot_id;
pub use digest::{ChainId, DiffId, Digest, Hasher};
pub use error::{Error, Kind, Result, ResultExt};
pub use filter::Filter;
pub use labels::Labels;
pub use mask::Mask;
pub use mount::Mount;
pub use oci::{Descriptor, MediaType};
pub use platform::Platform;
pub use reference::Reference;
pub use scope::{Namespace, Scope};
pub use time::Timestamp;
