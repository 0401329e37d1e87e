//! What bash completes: it asks the command, which knows the names that are here, in every topology.

#![allow(clippy::unwrap_used, reason = "of tests")]

use std::process::Command;

use varve_tests::command::{Varve, text};
use varve_tests::demo;
use varve_tests::fake::Fake;
use varve_tests::peers::have;

/// As readline calls it, for what is typed so far.
const ASK: &str = "source <(\"$1\" completion bash); COMP_LINE=$2; COMP_POINT=${#COMP_LINE}; _varve; \
                   printf '%s\\n' \"${COMPREPLY[@]}\"";

/// What bash offers behind `typed`.
fn offered(varve: &Varve, typed: &str) -> Vec<String> {
    let command = varve.command(&[]);
    let words = [command.get_program()].into_iter().chain(command.get_args());
    let words: Vec<&str> = words.map(|word| word.to_str().unwrap()).collect();
    let line = format!("{} {typed}", words.join(" "));
    let output = Command::new("bash").args(["-c", ASK, "bash", words[0], &line]).output().unwrap();
    assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
    text(&output.stdout).lines().map(str::to_owned).collect()
}

fn pulled() -> (Fake, Varve) {
    let registry = Fake::start().unwrap();
    registry.push("demo/hello", "1", &demo::image());
    let varve = Varve::new().unwrap();
    varve.run(&["pull", "-q", &format!("{}/demo/hello:1", registry.address())]).unwrap();
    (registry, varve)
}

#[test]
fn names_of_images_are_offered_behind_their_last_colon() {
    if !have(&["bash"], "names_of_images_are_offered_behind_their_last_colon") {
        return;
    }
    let (registry, varve) = pulled();
    let image = format!("{}/demo/hello:1", registry.address());
    varve.run(&["tag", &image, "mine:2"]).unwrap();
    for command in ["rmi", "image rm", "inspect", "mount", "push", "check", "why", "tag"] {
        assert_eq!(offered(&varve, &format!("{command} mi")), ["mine:2"], "{command}");
    }
    let (host, rest) = image.split_once(':').unwrap();
    assert_eq!(offered(&varve, &format!("rmi {host}:")), [rest]);
    assert_eq!(offered(&varve, "rmi mine:"), ["2"]);
    assert_eq!(offered(&varve, "rmi --force mine:2 mi"), ["mine:2"], "each of several");
}

#[test]
fn digests_keys_commands_and_values_are_offered() {
    if !have(&["bash"], "digests_keys_commands_and_values_are_offered") {
        return;
    }
    let (_registry, varve) = pulled();
    let count = |list: &[&str]| varve.json(list).unwrap().as_array().unwrap().len();
    assert_eq!(offered(&varve, "content get sha256:").len(), count(&["content", "ls"]));
    assert_eq!(offered(&varve, "snapshots info sha256:").len(), count(&["snapshots", "ls"]));
    assert_eq!(offered(&varve, "syst"), ["system"]);
    assert_eq!(offered(&varve, "images --no-t"), ["--no-trunc"]);
    assert_eq!(offered(&varve, "images --output="), ["text", "json"]);
}

#[test]
fn nothing_is_made_where_there_is_no_store_yet() {
    if !have(&["bash"], "nothing_is_made_where_there_is_no_store_yet") {
        return;
    }
    let varve = Varve::new().unwrap();
    let none = varve.root().join("none");
    let typed = format!("--root {} rmi mi", none.display());
    assert_eq!(offered(&varve, &typed), [""]);
    assert!(!none.exists());
}
