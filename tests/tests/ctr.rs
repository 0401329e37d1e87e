//! containerd's ctr works in a store of Varve's, and varve in a store of containerd's: what the one brings, the other has.

#![allow(clippy::unwrap_used, reason = "of tests")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::mount::UnmountFlags;
use tempfile::TempDir;
use varve_tests::cluster::Topology;
use varve_tests::command::{Varve, binary, text};
use varve_tests::demo;
use varve_tests::engines::Containerd;
use varve_tests::fake::Fake;
use varve_tests::peers::{have, need_root};

/// A registry with the image of the quick start, unless something is missing here.
fn registry(tools: &[&str], test: &str) -> Option<(Fake, String)> {
    if !need_root(test) || !have(tools, test) {
        return None;
    }
    let registry = Fake::start().unwrap();
    registry.push("demo", "1", &demo::image());
    let image = format!("{}/demo:1", registry.address());
    Some((registry, image))
}

/// Runs a command and answers what it printed, on both.
fn said(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let all = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success(), "{command:?}: {all}");
    all
}

/// What `ctr images check` says of the one image that is there.
fn is_complete(ctr: &dyn Fn(&[&str]) -> String) -> bool {
    let told = ctr(&["images", "check"]);
    told.lines().count() == 2 && told.contains("complete (4/4)") && told.contains(" true")
}

/// A directory that nothing is mounted on when it goes, come what may.
struct Dir(TempDir);

impl Dir {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &str {
        self.0.path().to_str().unwrap()
    }

    fn shows_the_image(&self) -> bool {
        let has = |path: &str| self.0.path().join(path).exists();
        has("etc/os-release") && has("bin/hello") && has("etc/hello.conf") && !has("etc/motd")
    }

    fn is_empty(&self) -> bool {
        std::fs::read_dir(self.0.path()).unwrap().next().is_none()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(self.0.path(), UnmountFlags::DETACH);
    }
}

fn ctr(socket: &Path, words: &[&str]) -> String {
    said(Command::new("ctr").arg("--address").arg(socket).args(words))
}

#[test]
fn what_varve_pulls_is_whole_for_ctr() {
    let test = "what_varve_pulls_is_whole_for_ctr";
    let Some((_registry, image)) = registry(&["ctr"], test) else { return };
    let varve = Varve::over(Topology::Daemon, binary().unwrap()).unwrap();
    let socket = varve.root().join("varve.sock");
    let ctr = |words: &[&str]| ctr(&socket, words);
    varve.run(&["pull", "--quiet", &image]).unwrap();
    assert!(is_complete(&ctr), "{}", ctr(&["images", "check"]));
    let dir = Dir::new();
    ctr(&["images", "mount", &image, dir.path()]);
    assert!(dir.shows_the_image());
    ctr(&["images", "unmount", "--rm", dir.path()]);
    assert!(dir.is_empty());
    // The platforms that are not here are brought by ctr beside what varve has brought.
    ctr(&["images", "pull", "--plain-http", "--platform", "linux/arm64", &image]);
    let tree = varve.run(&["images", "--tree"]).unwrap();
    assert_eq!(tree.matches("not here").count(), 1, "{tree}");
    ctr(&["images", "rm", "--sync", &image]);
    assert_eq!(varve.run(&["images", "--quiet"]).unwrap(), "");
    assert_eq!(varve.json(&["content", "ls"]).unwrap().as_array().unwrap().len(), 0);
    assert_eq!(varve.json(&["snapshots", "ls"]).unwrap().as_array().unwrap().len(), 0);
}

#[test]
fn what_ctr_pulls_varve_lists_mounts_and_removes() {
    let test = "what_ctr_pulls_varve_lists_mounts_and_removes";
    let Some((_registry, image)) = registry(&["ctr"], test) else { return };
    let varve = Varve::over(Topology::Daemon, binary().unwrap()).unwrap();
    let socket = varve.root().join("varve.sock");
    let ctr = |words: &[&str]| ctr(&socket, words);
    ctr(&["images", "pull", "--plain-http", &image]);
    assert!(varve.run(&["images"]).unwrap().contains("/demo   1 "), "it is not listed");
    varve.run(&["check", "--deep", &image]).unwrap();
    let told = varve.run(&["pull", &image]).unwrap();
    assert!(told.contains("Image is up to date"), "{told}");
    let dir = Dir::new();
    varve.run(&["mount", &image, dir.path()]).unwrap();
    assert!(dir.shows_the_image());
    assert!(varve.fail(&["rmi", &image]).unwrap().contains("is in use by the mount on"));
    varve.run(&["unmount", dir.path()]).unwrap();
    varve.run(&["rmi", &image]).unwrap();
    for list in [["images", "ls", "-q"], ["content", "ls", "-q"]] {
        assert_eq!(ctr(&list), "", "{list:?}");
    }
    assert_eq!(ctr(&["snapshots", "ls"]).lines().count(), 1);
}

#[test]
fn what_ctr_removes_without_waiting_is_collected_a_moment_later() {
    let test = "what_ctr_removes_without_waiting_is_collected_a_moment_later";
    let Some((_registry, image)) = registry(&["ctr"], test) else { return };
    let varve = Varve::over(Topology::Daemon, binary().unwrap()).unwrap();
    varve.run(&["pull", "--quiet", &image]).unwrap();
    ctr(&varve.root().join("varve.sock"), &["images", "rm", &image]);
    let left = || {
        let of = |list: &[&str]| varve.json(list).unwrap().as_array().unwrap().len();
        of(&["content", "ls"]) + of(&["snapshots", "ls"])
    };
    let begun = Instant::now();
    while left() > 0 {
        assert!(begun.elapsed() < Duration::from_secs(60), "{} are left", left());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// `varve`, in a containerd.
struct Guest {
    containerd: Containerd,
    home: TempDir,
}

impl Guest {
    fn new() -> Self {
        let containerd = Containerd::start().unwrap();
        Self { containerd, home: tempfile::tempdir().unwrap() }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut varve = Command::new(binary().unwrap());
        let address = format!("unix://{}", self.containerd.socket().display());
        varve.args(["--address", &address]).args(words).stdin(Stdio::null());
        varve.env("DOCKER_CONFIG", self.home.path()).env("XDG_CACHE_HOME", self.home.path());
        varve
    }

    fn varve(&self, words: &[&str]) -> String {
        said(&mut self.command(words))
    }

    fn fails(&self, words: &[&str]) -> String {
        let output = self.command(words).output().unwrap();
        assert!(!output.status.success(), "varve {words:?}: {}", text(&output.stdout));
        text(&output.stderr)
    }

    fn ctr(&self, words: &[&str]) -> String {
        ctr(&self.containerd.socket(), words)
    }

    /// That nothing is left.
    fn is_empty(&self) -> bool {
        let lists = [["images", "ls", "-q"], ["content", "ls", "-q"], ["leases", "ls", "-q"]];
        lists.iter().all(|list| self.ctr(list).is_empty())
            && self.ctr(&["snapshots", "ls"]).lines().count() == 1
    }
}

#[test]
fn varve_pulls_into_a_containerd() {
    let test = "varve_pulls_into_a_containerd";
    let Some((_registry, image)) = registry(&["containerd", "ctr"], test) else { return };
    let guest = Guest::new();
    let told = guest.varve(&["pull", &image]);
    assert!(told.contains("Downloaded newer image"), "{told}");
    assert!(is_complete(&|words| guest.ctr(words)), "{}", guest.ctr(&["images", "check"]));
    let dir = Dir::new();
    guest.ctr(&["images", "mount", &image, dir.path()]);
    assert!(dir.shows_the_image());
    guest.ctr(&["images", "unmount", "--rm", dir.path()]);
    assert!(guest.varve(&["pull", &image]).contains("Image is up to date"));
    guest.varve(&["pull", "--quiet", "--platform", "all", "--snapshotter", "native", &image]);
    guest.ctr(&["images", "check", "--snapshotter", "native"]);
    guest.varve(&["rmi", &image]);
    assert!(guest.is_empty(), "{}", guest.ctr(&["content", "ls"]));
}

#[test]
fn varve_works_with_what_a_containerd_has() {
    let test = "varve_works_with_what_a_containerd_has";
    let Some((_registry, image)) = registry(&["containerd", "ctr"], test) else { return };
    let guest = Guest::new();
    guest.ctr(&["images", "pull", "--plain-http", "--all-platforms", &image]);
    assert!(guest.varve(&["images"]).contains("/demo   1 "), "it is not listed");
    assert!(!guest.varve(&["images", "--tree"]).contains("not here"));
    let target = guest.varve(&["inspect", "--format", "{{index .RepoDigests 0}}", &image]);
    let digest = target.trim().rsplit_once('@').unwrap().1;
    assert!(guest.ctr(&["images", "ls"]).contains(digest));
    assert!(guest.varve(&["history", &image]).contains("layer 3"));
    // Blobs and snapshots.
    let blobs = |told: String| told.matches("sha256:").count();
    assert!(blobs(guest.varve(&["content", "ls"])) >= blobs(guest.ctr(&["content", "ls", "-q"])));
    assert_eq!(guest.varve(&["content", "get", digest]), guest.ctr(&["content", "get", digest]));
    assert!(guest.varve(&["content", "info", digest]).contains("References:  1\n"));
    guest.varve(&["snapshots", "tree"]);
    let listed = guest.varve(&["snapshots", "ls"]).lines().count();
    assert_eq!(listed, guest.ctr(&["snapshots", "ls"]).lines().count());
    guest.ctr(&["leases", "create", "--id", "a-lease"]);
    assert!(guest.varve(&["leases", "ls"]).contains("a-lease"));
    guest.ctr(&["leases", "rm", "a-lease"]);
    // Names, mounts, and the end.
    guest.varve(&["tag", &image, "other:1"]);
    assert!(guest.ctr(&["images", "ls", "-q"]).contains("docker.io/library/other:1"));
    let dir = Dir::new();
    guest.varve(&["mount", &image, dir.path()]);
    assert!(dir.shows_the_image());
    guest.varve(&["rmi", "other:1"]);
    assert!(guest.fails(&["rmi", &image]).contains("is in use by the mount on"));
    guest.varve(&["unmount", dir.path()]);
    guest.varve(&["rmi", &image]);
    assert!(guest.is_empty(), "{}", guest.ctr(&["content", "ls"]));
}

#[test]
fn what_a_containerd_does_not_do_is_said() {
    let test = "what_a_containerd_does_not_do_is_said";
    if registry(&["containerd", "ctr"], test).is_none() {
        return;
    }
    let guest = Guest::new();
    for words in [&["df"][..], &["gc"], &["check"], &["gc", "--dry-run"]] {
        let told = guest.fails(words);
        assert!(
            told.contains("a containerd does not") && told.contains("a varve daemon does"),
            "{told}"
        );
    }
}
