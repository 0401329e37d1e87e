//! README's first command, but for the building: as root and without.

#![allow(clippy::unwrap_used, reason = "of tests")]

use std::os::unix::process::CommandExt;
use std::process::Command;

use varve_tests::command::{binary, text};
use varve_tests::peers::need_root;

/// Who `nobody` is on every Debian.
const NOBODY: u32 = 65534;

fn quickstart(user: Option<u32>) {
    let varve = binary().unwrap();
    // A copy that every user can reach.
    let place = tempfile::Builder::new().prefix("varve-quickstart-").tempdir().unwrap();
    let quickstart = place.path().join("quickstart");
    std::fs::copy(env!("CARGO_BIN_EXE_quickstart"), &quickstart).unwrap();
    std::fs::copy(varve, place.path().join("varve")).unwrap();
    let mut command = Command::new(&quickstart);
    command.current_dir("/").env("TMPDIR", place.path()).env_remove("XDG_DATA_HOME");
    if let Some(user) = user {
        rustix::fs::chmod(place.path(), 0o777.into()).unwrap();
        command.uid(user).gid(user).env("HOME", place.path());
    }
    let output = command.output().unwrap();
    let (said, erred) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{said}\n{erred}");
    for part in ["Pull complete", "Status: Downloaded newer image", "hello.conf", "up to date"] {
        assert!(said.contains(part), "{part}: {said}\n{erred}");
    }
}

#[test]
fn the_quick_start_works_for_whoever_runs_it() {
    quickstart(None);
}

#[test]
fn the_quick_start_works_without_root() {
    if need_root("the_quick_start_works_without_root") {
        quickstart(Some(NOBODY));
    }
}
