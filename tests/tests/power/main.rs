//! The power goes at any moment of pulls, removals, tags and collections: the store opens by itself, has all that was
//! answered, shows no byte that was not verified, and keeps nothing over.
//!
//! `VARVE_POWER_CUTS` sets how often it goes (default 6).

#![allow(clippy::unwrap_used, reason = "of tests")]

mod history;
mod outcome;

use varve_core::testsuite::skipped;
use varve_tests::fake::Fake;
use varve_tests::peers::{have, need_root};
use varve_tests::power::Disk;
use varve_tests::soak::{self, Random};

/// Cuts of one history.
const CUTS: u64 = 10;
const IMAGES: u64 = 4;
const LAYERS: usize = 2;

#[test]
fn what_was_answered_outlives_a_power_cut() {
    let test = "what_was_answered_outlives_a_power_cut";
    if !need_root(test) || !have(&["mkfs.ext4", "unshare"], test) {
        return;
    }
    let cuts: u64 = std::env::var("VARVE_POWER_CUTS").map_or(6, |cuts| cuts.parse().unwrap());
    let registry = Fake::start().unwrap();
    for n in 0..IMAGES {
        let image = soak::image_of(n + 1, LAYERS, 200 << 10, 30);
        registry.push(&format!("image-{n}"), "1", &image);
    }
    let place = tempfile::tempdir().unwrap();
    if let Err(error) = Disk::at(place.path(), 16 << 20) {
        return skipped(format_args!("{test}: {error:#}"));
    }
    let (mut done, mut rebuilt) = (0, 0);
    for seed in 1.. {
        let history = history::live(seed, &registry, place.path()).unwrap();
        let mut random = Random::new(seed);
        for _ in 0..CUTS.min(cuts - done) {
            let moment = history.moment(&mut random);
            let outcome = outcome::check(&history, moment, &mut random, &registry, place.path());
            let outcome =
                outcome.unwrap_or_else(|error| panic!("history {seed}, {moment:?}: {error:#}"));
            rebuilt += u64::from(outcome);
        }
        done += CUTS.min(cuts - done);
        if done == cuts {
            break;
        }
    }
    eprintln!("{cuts} power cuts, nothing lost; the metadata was rebuilt after {rebuilt}");
}
