//! docs/tour.md is what it says: each of its commands is run in order, and prints what stands there.
//!
//! `VARVE_TOUR=write` writes what they print into the document instead, where it is something else.

#![allow(clippy::unwrap_used, reason = "of tests")]

use std::ffi::OsStr;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;
use varve_core::Platform;
use varve_core::testsuite::skipped;
use varve_tests::command::{Varve, text};
use varve_tests::peers::{have, need_root};
use varve_tests::registry::Registry;
use varve_tests::sheet::{Sheet, normalized};
use varve_tests::tour;

const NAME: &str = "the_tour_is_what_it_says";
/// Where things are in the document.
const ADDRESS: &str = "127.0.0.1:5000";
const ROOT: &str = "/var/lib/varve";
const PLACE: &str = "/home/me/tour";

/// A registry with the images, a root, and a directory to work in, on whose path `varve` is.
struct Stage {
    registry: Registry,
    varve: Varve,
    place: TempDir,
    bin: TempDir,
}

impl Stage {
    fn new() -> Self {
        let registry = Registry::at(&address()).unwrap();
        for (repository, tag, content) in tour::images() {
            registry.push(repository, tag, &content).unwrap();
        }
        let dir = |prefix| tempfile::Builder::new().prefix(prefix).tempdir().unwrap();
        let (place, bin) = (dir("varve-tour-"), dir("varve-bin-"));
        let stage = Self { registry, varve: Varve::new().unwrap(), place, bin };
        stage.install();
        stage
    }

    /// A program `varve` that finds this root.
    fn install(&self) {
        let command = self.varve.command(&[]);
        let words = [command.get_program()].into_iter().chain(command.get_args());
        let words: Vec<_> = words.map(|word| format!("'{}'", word.to_str().unwrap())).collect();
        let program = self.bin.path().join("varve");
        fs::write(&program, format!("#!/bin/sh\nexec {} \"$@\"\n", words.join(" "))).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Runs a line as a shell does, and answers what a person sees, in the document's words.
    fn run(&self, line: &str) -> String {
        let line = line.replace(ADDRESS, self.registry.address());
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("exec 2>&1; {line}")).current_dir(self.place.path());
        for (name, value) in self.varve.command(&[]).get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = [self.bin.path().as_os_str(), &path].join(OsStr::new(":"));
        shell.env("PATH", path).env("TZ", "UTC").env("LC_ALL", "C").env("COLUMNS", "120");
        let output = shell.stdin(Stdio::null()).output().unwrap();
        let said = text(&output.stdout);
        // Who fails says so under its own name.
        let name = format!("{}: ", line.split(' ').next().unwrap());
        let told = said.lines().any(|line| line.starts_with(&name));
        assert_eq!(output.status.success(), !told, "$ {line}\n{said}");
        self.told(&said)
    }

    fn told(&self, said: &str) -> String {
        let (root, place) = (self.varve.root(), self.place.path());
        said.replace(self.registry.address(), ADDRESS)
            .replace(root.to_str().unwrap(), ROOT)
            .replace(place.to_str().unwrap(), PLACE)
    }
}

impl Drop for Stage {
    /// A walk that broke off leaves its mount.
    fn drop(&mut self) {
        let tree = self.place.path().join("tree");
        let _ = self.varve.output(&["unmount", tree.to_str().unwrap_or_default()]);
    }
}

/// A free one as long as the document's: columns are as wide as what is in them.
fn address() -> String {
    let ports = (5000..=9999).map(|port| format!("127.0.0.1:{port}"));
    ports.into_iter().find(|address| TcpListener::bind(address).is_ok()).unwrap()
}

fn document() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/tour.md")
}

fn can_run() -> bool {
    let host = Platform::host();
    if (host.os.as_str(), host.architecture.as_str()) != ("linux", "amd64") {
        skipped(format_args!("{NAME}: it is walked on linux/amd64, and this is {host}"));
        return false;
    }
    have(&["docker-registry"], NAME) && need_root(NAME)
}

#[test]
fn the_tour_is_what_it_says() {
    if !can_run() {
        return;
    }
    let write = std::env::var_os("VARVE_TOUR").is_some_and(|mode| mode == "write");
    let stage = Stage::new();
    let mut sheet = Sheet::parse(&fs::read_to_string(document()).unwrap());
    let mut wrong = Vec::new();
    for step in sheet.steps() {
        let said = stage.run(&step.command);
        if normalized(&said) != normalized(&step.output) {
            wrong.push(format!("$ {}\n{said}--- and not\n{}", step.command, step.output));
            step.output = said;
        }
    }
    if write {
        fs::write(document(), sheet.render()).unwrap();
        return;
    }
    assert!(sheet.steps().count() > 0, "a tour of nothing");
    assert!(wrong.is_empty(), "VARVE_TOUR=write writes it anew\n\n{}", wrong.join("\n"));
}
