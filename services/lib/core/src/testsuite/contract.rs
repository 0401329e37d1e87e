//! The contract of each trait: small promises, each a function, run on every implementation.

#![allow(
    clippy::unwrap_used,
    reason = "a contract is a test, where unwrap is how a promise breaks"
)]

pub mod attended;
pub mod attendee;
pub mod changes;
pub mod collect;
pub mod containers;
pub mod content;
mod files;
pub mod follow;
pub mod images;
pub mod ingests;
mod kit;
pub mod leases;
pub mod namespaces;
pub mod references;
mod run;
pub mod sharing;
pub mod snapshot_records;
pub mod snapshots;
mod subject;
pub mod tree;
pub mod trees;

pub use changes::ChangesSubject;
pub use run::{Fixture, run};
pub use subject::{Services, SnapshotsSubject};

/// Expands to a module of tests, one for each of the functions named. Used by the contracts.
#[macro_export]
#[doc(hidden)]
macro_rules! contract_tests {
    ($module:ident, $contract:ident, $fresh:expr, [$($test:ident),* $(,)?]) => {
        mod $module {
            #[allow(unused_imports)]
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    use $crate::testsuite::contract;
                    contract::run($fresh, contract::$contract::$test).await;
                }
            )*
        }
    };
}

/// Every contract of a content store. Its argument makes a [`Services`].
#[macro_export]
macro_rules! content_store_contract {
    ($fresh:expr) => {
        $crate::content_contract!($fresh);
        $crate::ingests_contract!($fresh);
        $crate::sharing_contract!($fresh);
        $crate::follow_contract!($fresh);
        $crate::images_contract!($fresh);
        $crate::leases_contract!($fresh);
        $crate::namespaces_contract!($fresh);
        $crate::containers_contract!($fresh);
        $crate::collect_contract!($fresh);
        $crate::attended_contract!($fresh);
        $crate::references_contract!($fresh);
    };
}

/// Every contract of a snapshotter. Its argument makes a [`SnapshotsSubject`] with a `reach`; for a
/// graph without trees take `snapshots_contract` and `attendee_contract`.
#[macro_export]
macro_rules! snapshotter_contract {
    ($fresh:expr) => {
        $crate::snapshots_contract!($fresh);
        $crate::attendee_contract!($fresh);
        $crate::trees_contract!($fresh);
    };
}
