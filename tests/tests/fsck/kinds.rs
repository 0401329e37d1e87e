//! So many stores of each kind of damage.

use varve_tests::soak::Random;

use super::damage;
use super::store::{Named, Store, is_named};

/// Stores of one image each that are damaged one after the other: each is as it was again before the next.
const OF_ONE_IMAGE: u64 = 5;

fn every(kind: u64, damage: impl Fn(&Store, &mut Random) -> Vec<Named>) {
    let runs = std::env::var("VARVE_FSCK_RUNS").map_or(2, |runs| runs.parse().unwrap());
    let mut store = None;
    for run in 0..runs {
        let seed = kind * 1000 + run;
        // The first ones of each kind are of both snapshotters.
        if run % OF_ONE_IMAGE < 2 {
            store = Some(Store::new(seed));
        }
        let store = store.as_ref().unwrap();
        let mut random = Random::new(seed ^ 0xdead_beef);
        let expected = damage(store, &mut random);
        eprintln!("run {run} (seed {seed}, {}): {expected:?}", store.snapshotter);
        if run % 4 < 2 {
            let (findings, sound) = store.fsck(&[]);
            is_named(&findings, &expected);
            let repairs_itself =
                findings.iter().all(|one| one["done"].is_string() && one["kind"] != "missing");
            assert_eq!(sound, repairs_itself, "{findings:#?}");
        }
        let (findings, sound) = store.fsck(&["--repair"]);
        assert!(sound, "{findings:#?}");
        if run % 4 >= 2 {
            is_named(&findings, &expected);
        }
        store.is_as_it_was();
    }
}

#[test]
fn every_flipped_blob_is_named_and_fetched_again() {
    every(1, damage::flipped);
}

#[test]
fn every_blob_that_was_cut_is_named_and_fetched_again() {
    every(2, damage::cut_off);
}

#[test]
fn every_record_without_bytes_is_named_and_the_bytes_are_fetched_again() {
    every(3, damage::without_bytes);
}

#[test]
fn all_bytes_without_a_record_are_named_and_recorded_or_removed() {
    every(4, damage::without_record);
}

#[test]
fn every_missing_blob_is_named_and_fetched_again() {
    every(5, damage::missing);
}

#[test]
fn every_wrong_reference_is_named_and_counted_anew() {
    every(6, damage::miscounted);
}

#[test]
fn lost_records_are_named_and_made_anew() {
    every(7, damage::without_records);
}

#[test]
fn every_record_without_a_tree_is_named_and_unpacked_again() {
    every(8, damage::without_tree);
}

#[test]
fn every_tree_without_a_record_is_named_and_removed() {
    every(9, damage::orphaned);
}

#[test]
fn every_unsynced_snapshot_is_named_and_unpacked_again() {
    every(10, damage::unsynced);
}

#[test]
fn every_tree_that_differs_from_its_layer_is_named_and_unpacked_again() {
    every(11, damage::differing);
}
