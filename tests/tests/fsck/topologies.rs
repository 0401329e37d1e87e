//! The same by gRPC: with one daemon, and with four processes.

use std::fs;

use varve_tests::cluster::Topology;
use varve_tests::soak::Random;

use super::damage;
use super::store::{Named, Store, is_named};

/// Damage that comes while the services run, which have the records open.
fn damaged_alive(topology: Topology) {
    for seed in [0, 1] {
        let store = Store::over(topology, seed);
        let mut random = Random::new(seed);
        let places = store.places().join("snapshots");
        for (run, damage) in
            [damage::flipped, damage::cut_off, damage::without_bytes].into_iter().enumerate()
        {
            let expected = damage(&store, &mut random);
            settle(&store, &expected, run == 0);
        }
        let mut trees: Vec<_> =
            fs::read_dir(&places).unwrap().map(|it| it.unwrap().path()).collect();
        trees.sort();
        fs::remove_dir_all(&trees[0]).unwrap();
        settle(&store, &[("no-tree", "*".into())], true);
        fs::write(trees[0].join("fs/somebody-was-here"), "x").unwrap();
        settle(&store, &[("differs", "*".into())], true);
        let orphan = places.join("4711");
        fs::create_dir_all(orphan.join("fs")).unwrap();
        settle(&store, &[("orphan", orphan.display().to_string())], false);
        store.is_as_it_was();
    }
}

fn settle(store: &Store, expected: &[Named], look_first: bool) {
    if look_first {
        let (findings, sound) = store.fsck(&[]);
        is_named(&findings, expected);
        assert!(!sound, "{findings:#?}");
    }
    let (findings, sound) = store.fsck(&["--repair"]);
    is_named(&findings, expected);
    assert!(sound, "{findings:#?}");
    store.is_sound();
}

#[test]
fn what_is_damaged_under_a_daemon_is_named_and_repaired() {
    damaged_alive(Topology::Daemon);
}

#[test]
fn what_is_damaged_under_four_processes_is_named_and_repaired() {
    damaged_alive(Topology::Split);
}
