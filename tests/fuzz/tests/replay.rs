//! Every input that was ever of interest, through its target, with every run of the tests.

#![allow(clippy::unwrap_used, reason = "of tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use varve_fuzz::{TARGETS, Target, archives, grpc};

/// What one input may take in a debug build on a machine that has other things to do.
const LONGEST: Duration = Duration::from_secs(30);

fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target)
}

/// The inputs of a target, by their names.
fn inputs(target: &str) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(corpus(target));
    let entries = entries.unwrap_or_else(|error| panic!("the corpus of {target}: {error}"));
    let mut inputs: Vec<_> = entries
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
        })
        .collect();
    inputs.sort();
    inputs
}

fn replay(target: &str) {
    let (_, run): (_, Target) = TARGETS.into_iter().find(|(name, _)| *name == target).unwrap();
    let inputs = inputs(target);
    assert!(inputs.len() >= 5, "the corpus of {target} has {} inputs", inputs.len());
    run(&[]);
    for (name, data) in inputs {
        let began = Instant::now();
        // A panic is told with the input's name before it.
        eprintln!("{target}/{name}");
        run(&data);
        assert!(began.elapsed() < LONGEST, "{target}/{name} took {:?}", began.elapsed());
    }
}

macro_rules! replayed {
    ($($target:ident)*) => {
        /// The targets that have a test below.
        const REPLAYED: &[&str] = &[$(stringify!($target)),*];
        $(
            #[test]
            fn $target() {
                replay(stringify!($target));
            }
        )*
    };
}

replayed! {
    archives configs documents extract filters grpc headers inflate platforms records references tar templates
}

#[test]
fn every_target_is_replayed_and_has_its_door_to_the_fuzzer() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, REPLAYED);
    let manifest = fs::read_to_string(root.join("libfuzzer/Cargo.toml")).unwrap();
    for name in &names {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
        let door = root.join("libfuzzer/fuzz_targets").join(name).with_extension("rs");
        assert!(
            fs::read_to_string(door).unwrap().contains(&format!("::{name}::{name}(")),
            "{name}"
        );
    }
    let corpora = fs::read_dir(root.join("corpus")).unwrap();
    let corpora = corpora.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(
        corpora.collect::<BTreeSet<_>>(),
        names.iter().map(|name| name.to_string()).collect()
    );
}

/// Every request of the wire is in the corpus, and what answers it is there.
#[test]
fn every_request_is_called_and_answered() {
    let calls: Vec<grpc::Call> =
        inputs("grpc").iter().flat_map(|(_, data)| grpc::calls(data)).collect();
    let room = grpc::Room::open();
    for (number, method) in grpc::methods().iter().enumerate() {
        let mut calls = calls.iter().filter(|call| usize::from(call.method) == number);
        assert!(calls.next().is_some(), "no input calls {}", method.path);
        let messages = vec![Vec::new()];
        let empty = grpc::Call { method: number as u8, leased: false, messages };
        let code = room.call(&empty).unwrap();
        assert_ne!(code, tonic::Code::Unimplemented, "{}", method.path);
    }
    room.close();
}

/// Calls that are refused at their first field would go nowhere: those that people put together do what
/// they say. Where the wire has changed, `examples/grpc-seeds.rs` makes them anew.
#[test]
fn calls_that_follow_one_another_meet() {
    let flows = inputs("grpc").into_iter().filter(|(name, _)| name.starts_with("flow-"));
    let flows: Vec<_> = flows.collect();
    assert!(flows.len() >= 10, "{}", flows.len());
    for (name, data) in flows {
        let room = grpc::Room::open();
        for call in grpc::calls(&data) {
            let path = &grpc::methods()[usize::from(call.method)].path;
            assert_eq!(room.call(&call), Some(tonic::Code::Ok), "{path} of {name}");
        }
        room.close();
    }
}

/// Archives that were refused at their first entry would go nowhere: those that people put together are read.
#[test]
fn saved_images_are_found_both_ways() {
    let inputs = inputs("archives");
    for (wanted, formats) in [
        ("docker", [true, false, true]),
        ("docker-links", [true, false, true]),
        ("docker-out", [false, false, false]),
        ("docker-twice", [false, false, false]),
        ("layout", [true, true, false]),
        ("layout-and-docker", [true, true, true]),
        ("layout-cut", [false, false, false]),
        ("layout-names", [true, true, false]),
    ] {
        let (_, data) = inputs.iter().find(|(name, _)| name == wanted).unwrap();
        assert_eq!(archives::formats(data), formats, "{wanted}");
    }
}
