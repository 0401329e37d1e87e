//! A store that others work in, and one whose damage cannot be repaired.

use std::fs;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use varve_registry::testsuite::{Fault, Gate, On, Rule};
use varve_tests::cluster::Topology;
use varve_tests::command::text;
use varve_tests::soak;
use varve_tests::soak::Random;

use super::damage;
use super::records;
use super::store::{Store, is_named};

/// Pulls, killed pulls and collections go on beside it; damage is found among them.
#[test]
fn what_is_in_the_making_is_no_damage() {
    let store = Store::over(Topology::Daemon, 1);
    let images: Vec<String> = (0..3).map(|n| format!("busy/{n}")).collect();
    for (n, image) in images.iter().enumerate() {
        store.registry.push(image, "1", &soak::image(n as u64, 3));
    }
    store.registry.faults([Rule::new(On::Blobs, Fault::Slow(64 << 10, Duration::from_millis(3)))]);
    let name = |image: &str| format!("{}/{image}:1", store.registry.address());
    let end = Instant::now() + Duration::from_secs(6);
    std::thread::scope(|scope| {
        for image in &images {
            scope.spawn(|| {
                let mut random = Random::new(image.len() as u64);
                while Instant::now() < end {
                    let mut pull = store.varve.command(&["pull", "-q", &name(image)]);
                    let mut pull =
                        pull.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
                    sleep(random.moment(Duration::from_secs(2)));
                    let _ = kill_process(Pid::from_child(&pull), Signal::KILL);
                    pull.wait().unwrap();
                    let _ = store.varve.output(&["rmi", "--force", &name(image)]);
                    let _ = store.varve.output(&["gc"]);
                }
            });
        }
        let mut looks = 0;
        while Instant::now() < end {
            let words: &[&str] = if looks % 2 == 0 { &[] } else { &["--repair"] };
            let (findings, sound) = store.fsck(words);
            assert!(sound && findings.is_empty(), "look {looks}: {findings:#?}");
            looks += 1;
        }
        assert!(looks > 2, "{looks} looks");
    });
}

#[test]
fn a_blob_that_was_written_to_is_read_by_nobody_and_one_that_was_only_touched_is() {
    let store = Store::new(3);
    let digest = store.digests()[0].clone();
    let path = store.blob(&digest);
    let bytes = fs::read(&path).unwrap();
    fs::File::open(&path).unwrap().set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    let read = store.varve.output(&["content", "get", &digest]).unwrap();
    assert!(read.status.success() && read.stdout == bytes, "{}", text(&read.stderr));
    store.is_sound();
    let mut random = Random::new(7);
    while {
        let damaged = damage::flipped(&store, &mut random);
        damaged[0].1 != digest || store.fsck(&["--quick"]).0.is_empty()
    } {
        store.fsck(&["--repair"]);
    }
    let error = store.varve.fail(&["content", "get", &digest]).unwrap();
    assert!(error.contains("its bytes are not those of its digest"), "{error}");
    assert!(error.contains("`varve fsck --repair` fetches it again"), "{error}");
    store.fsck(&["--repair"]);
    store.is_as_it_was();
}

#[test]
fn what_rots_is_found_by_a_scrub_and_refused_from_then_on() {
    let store = Store::new(5);
    let digest = store.digests()[1].clone();
    let path = store.blob(&digest);
    let time = fs::metadata(&path).unwrap().modified().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::remove_file(&path).unwrap();
    fs::write(&path, bytes).unwrap();
    fs::File::open(&path).unwrap().set_modified(time).unwrap();
    assert!(store.fsck(&["--quick"]).1, "no size and no time differs");
    let scrub = store.varve.output(&["scrub", "--rate", "0"]).unwrap();
    let said = text(&scrub.stdout);
    assert_eq!(scrub.status.code(), Some(1), "{said}");
    assert!(said.starts_with(&format!("flipped {digest}: ")), "{said}");
    assert_eq!(store.fsck(&["--quick"]).0[0]["kind"], "flipped", "a scrub leaves a mark");
    assert!(store.varve.fail(&["content", "get", &digest]).unwrap().contains("bytes"));
    let (findings, sound) = store.fsck(&["--quick", "--repair"]);
    is_named(&findings, &[("flipped", digest)]);
    assert!(sound);
    let scrub = store.varve.run(&["scrub", "--rate", "0"]).unwrap();
    assert!(scrub.ends_with(" hashed): sound\n"), "{scrub}");
    store.is_as_it_was();
}

#[test]
fn what_cannot_be_fetched_is_left_with_its_reason_and_comes_later() {
    let store = Store::new(7);
    let damaged = damage::without_bytes(&store, &mut Random::new(1));
    store.registry.faults([
        Rule::new(On::Blobs, Fault::Status(403, None)),
        Rule::new(On::Manifests, Fault::Status(403, None)),
    ]);
    let (findings, sound) = store.fsck(&["--repair"]);
    is_named(&findings, &damaged);
    assert!(!sound && findings[0]["left"].as_str().unwrap().contains("denied"), "{findings:#?}");
    let said = text(&store.varve.output(&["fsck", "--repair"]).unwrap().stdout);
    assert!(said.ends_with("1 damaged, 1 left\n"), "{said}");
    store.registry.faults([]);
    assert!(store.fsck(&["--repair"]).1);
    store.is_as_it_was();
}

#[test]
fn a_registry_that_wants_a_login_gets_the_clients() {
    let store = Store::new(9);
    let damaged = damage::cut_off(&store, &mut Random::new(2));
    store.registry.guard(Gate::tokens("me", "secret"));
    assert!(!store.fsck(&["--repair"]).1, "without a login");
    let config = store.varve.root().join("no-docker-config");
    fs::create_dir_all(&config).unwrap();
    // me:secret
    let auths = serde_json::json!({"auths": {store.registry.address(): {"auth": "bWU6c2VjcmV0"}}});
    fs::write(config.join("config.json"), auths.to_string()).unwrap();
    let (findings, sound) = store.fsck(&["--repair"]);
    is_named(&findings, &damaged);
    assert!(sound, "{findings:#?}");
    store.is_as_it_was();
}

#[test]
fn several_damages_at_once_are_all_named_and_repaired() {
    for seed in [20, 21] {
        let store = Store::new(seed);
        let mut random = Random::new(seed);
        let digests = store.digests();
        let mut expected = Vec::new();
        for digest in digests.iter().take(3) {
            fs::remove_file(store.blob(digest)).unwrap();
            expected.push(("no-bytes", digest.clone()));
        }
        records::forget_blob(&store, &digests[3], false);
        expected.push(("no-record", digests[3].clone()));
        expected.extend(damage::orphaned(&store, &mut random));
        let (findings, sound) = store.fsck(&["--repair"]);
        is_named(&findings, &expected);
        assert!(sound, "{findings:#?}");
        store.is_as_it_was();
    }
}

#[test]
fn a_tree_that_is_shown_is_not_taken_away_from_below() {
    let store = Store::new(11);
    let target = tempfile::tempdir().unwrap();
    let directory = target.path().to_str().unwrap();
    let snapshots = records::snapshots(&store);
    let mounted = ["mount", "--snapshotter", store.snapshotter, &store.image, directory];
    let shown = store.varve.run(&mounted).unwrap();
    // The native driver shows the top's own tree.
    let top = snapshots.iter().max_by_key(|(_, dir)| *dir).unwrap();
    let tree = store.places().join("snapshots").join(top.1.to_string()).join("fs");
    fs::write(tree.join("somebody-was-here"), "x").unwrap();
    let (findings, sound) = store.fsck(&["--repair"]);
    is_named(&findings, &[("differs", top.0.clone())]);
    let left = findings[0]["left"].as_str().unwrap();
    assert!(!sound && left.contains("shows its tree"), "{findings:#?}");
    store.varve.run(&["unmount", shown.trim()]).unwrap();
    assert!(store.fsck(&["--repair"]).1);
    store.is_as_it_was();
}
