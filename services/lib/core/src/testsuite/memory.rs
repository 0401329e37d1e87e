//! Implementations in memory: neighbours for a service's tests, never for production.
//!
//! [`Store`] is the whole content store, all six traits over one state behind one lock; [`Snapshots`]
//! is one driver's graph, without trees. What is
//! promised is what the contracts ask, and nothing about speed or memory: bytes are kept whole.

mod collector;
mod containers;
mod content;
mod follower;
mod graph;
mod images;
mod leases;
mod namespaces;
mod snapshots;
mod state;
mod store;
mod writer;

pub use snapshots::Snapshots;
pub use store::Store;
