//! Random histories of blobs and snapshots that refer to one another, of images, containers and leases that refer to
//! both, and of snapshotters that come, fall silent, and are away, against a model: what it marks is never removed,
//! and after a collection only that is left.

#![allow(clippy::unwrap_used, reason = "of tests")]

mod guest;
#[path = "../kit/mod.rs"]
mod kit;
mod model;
mod pair;
mod words;

use proptest::prelude::*;

use model::step;
use pair::Pair;

/// How many histories; more by `PROPTEST_CASES`.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(40)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_history_of_stacks_leaves_what_can_be_reached_and_after_a_collection_nothing_else(
        steps in proptest::collection::vec(step(), 1..120)
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let mut pair = Pair::new().await;
            for (space, step) in steps {
                pair.take(space, step).await;
                pair.check().await;
            }
            // All are here at the end, and so all that is not marked goes.
            pair.gather().await;
            pair.collect().await;
            pair.check().await;
        });
    }
}
