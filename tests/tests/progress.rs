//! `--progress`: what programs are told on the way, in every topology.

#![allow(clippy::unwrap_used, reason = "of tests")]

use serde_json::Value;
use varve_tests::command::{Varve, text};
use varve_tests::demo;
use varve_tests::fake::Fake;

/// What a command says on stderr, which must be JSON objects, and whether it went well.
fn events(varve: &Varve, words: &[&str]) -> (Vec<Value>, bool) {
    let output = varve.output(&[&["--progress", "json"], words].concat()).unwrap();
    let said = text(&output.stderr);
    let event =
        |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
    (said.lines().map(event).collect(), output.status.success())
}

fn statuses<'a>(events: &'a [Value], id: &str) -> Vec<&'a str> {
    let of = events.iter().filter(|event| event["id"] == id);
    of.map(|event| event["status"].as_str().unwrap()).collect()
}

#[test]
fn programs_are_told_of_each_layer_from_its_beginning_to_its_end() {
    let registry = Fake::start().unwrap();
    registry.push("demo/hello", "1", &demo::image());
    let image = format!("{}/demo/hello:1", registry.address());
    let varve = Varve::new().unwrap();
    let (pulled, well) = events(&varve, &["pull", "--quiet", &image]);
    assert!(well, "{pulled:?}");
    assert_eq!(pulled[0]["status"], "1: Pulling from demo/hello");
    let mut ids: Vec<&str> = pulled.iter().filter_map(|event| event["id"].as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 3, "{pulled:?}");
    for id in ids {
        let told = statuses(&pulled, id);
        assert_eq!(
            (told.first(), told.last()),
            (Some(&"Pulling fs layer"), Some(&"Pull complete"))
        );
    }
    let moved = pulled.iter().filter(|event| event["progressDetail"].is_object());
    for event in moved {
        let (current, total) =
            (&event["progressDetail"]["current"], &event["progressDetail"]["total"]);
        assert!(current.as_u64().unwrap() <= total.as_u64().unwrap(), "{event}");
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("saved.tar").display().to_string();
    let (saved, well) = events(&varve, &["save", "--output", &file, &image]);
    assert!(well && saved.iter().any(|event| event["status"] == "Saved"), "{saved:?}");
    let other = Varve::new().unwrap();
    let (loaded, well) = events(&other, &["load", "--input", &file]);
    assert!(well && loaded.iter().any(|event| event["status"] == "Loaded"), "{loaded:?}");
}

#[test]
fn a_failure_is_told_as_an_object_too() {
    let registry = Fake::start().unwrap();
    let varve = Varve::new().unwrap();
    let (told, well) = events(&varve, &["pull", &format!("{}/no/such:1", registry.address())]);
    assert!(!well);
    let last = told.last().unwrap();
    let error = last["error"].as_str().unwrap();
    assert!(error.contains("no/such:1"), "{error}");
    assert_eq!(last["errorDetail"]["message"], error);
}
