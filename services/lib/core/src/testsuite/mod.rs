//! What tests of every implementation share: the contract of each trait, and implementations in
//! memory to run a service's neighbours on.
//!
//! A contract is a macro that expands to one `#[tokio::test]` per promise, in a module named like
//! the macro, each on a subject of its own. It is given the path of an async function that makes a
//! subject and whatever must live as long as it (a temporary directory, or `()`), or `None` where
//! this machine cannot (having said `SKIPPED: why`). The caller needs tokio among its
//! dev-dependencies, with `macros` and `rt-multi-thread`.
//!
//! ```
//! use std::sync::Arc;
//! use varve_core::testsuite::contract::{Services, SnapshotsSubject};
//! use varve_core::testsuite::memory;
//!
//! async fn fresh() -> (Services, ()) {
//!     (Services::all(Arc::new(memory::Store::new())), ())
//! }
//! varve_core::content_store_contract!(fresh); // or one by one: content_contract!(fresh), …
//!
//! async fn fresh_snapshots() -> (SnapshotsSubject, ()) {
//!     let leases = Arc::new(memory::Store::new());
//!     let snapshots = Arc::new(memory::Snapshots::new("memory", leases.clone()));
//!     (SnapshotsSubject::graph_only("memory", snapshots, leases), ())
//! }
//! varve_core::snapshots_contract!(fresh_snapshots);
//! varve_core::attendee_contract!(fresh_snapshots);
//! ```
//!
//! A driver with trees says how they are reached (`subject.mounted()`, `subject.in_place()`, or a
//! `reach` of its own) and takes `snapshotter_contract`, which is these two and `trees_contract`.
//!
//! A subject must be empty, and its promises are tested in namespaces that no other test of the
//! process uses. See [`contract::Services`] and [`contract::SnapshotsSubject`] for what they are.

pub mod contract;
mod door;
pub mod memory;

pub use door::Door;

/// Says on standard error that a test did not run and why, past the test runner's capture: a test
/// that passes in silence because it did nothing is worse than none.
pub fn skipped(why: impl std::fmt::Display) {
    use std::io::Write;
    // Where nobody listens there is nothing to do about it.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}
