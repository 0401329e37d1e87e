//! A machine that lacks something: the reason in words, nothing half-made left, and all is well once the cause is gone.

#![allow(clippy::unwrap_used, reason = "of tests")]

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;
use varve_core::testsuite::skipped;
use varve_tests::cluster::Topology;
use varve_tests::command::{Varve, binary, text};
use varve_tests::fake::Fake;
use varve_tests::peers::{have, need_root};
use varve_tests::power::Mounted;
use varve_tests::soak;

const LAYERS: usize = 2;

/// A small disk, and a registry with an image that fits on it.
struct Scene {
    registry: Fake,
    _mounted: Mounted,
    dir: TempDir,
}

impl Scene {
    fn new(test: &str, options: &[&str]) -> Option<Self> {
        if !need_root(test) || !have(&["mkfs.ext4", "mount"], test) {
            return None;
        }
        let registry = Fake::start().unwrap();
        registry.push("scarce", "1", &soak::image_of(1, LAYERS, 1 << 20, 20));
        let dir = tempfile::tempdir().unwrap();
        let (image, disk) = (dir.path().join("image"), dir.path().join("disk"));
        File::create(&image).unwrap().set_len(32 << 20).unwrap();
        run(Command::new("mkfs.ext4").args(["-q", "-F"]).args(options).arg(&image));
        fs::create_dir(&disk).unwrap();
        match Mounted::new(&image, &disk) {
            Ok(mounted) => Some(Self { registry, _mounted: mounted, dir }),
            Err(error) => {
                skipped(format_args!("{test}: {error:#}"));
                None
            }
        }
    }

    fn disk(&self) -> std::path::PathBuf {
        self.dir.path().join("disk")
    }

    fn varve(&self) -> Varve {
        Varve::on(&self.disk().join("root"), binary().unwrap()).unwrap()
    }

    fn image(&self) -> String {
        format!("{}/scarce:1", self.registry.address())
    }

    /// With the cause gone the same command brings the image, and nothing else is left.
    fn is_well(&self, varve: &Varve) {
        varve.run(&["pull", "--quiet", &self.image()]).unwrap();
        soak::settled(varve, 1, LAYERS).unwrap();
        assert!(varve.run(&["fsck"]).unwrap().contains("sound"));
    }

    fn remount(&self, how: &str) {
        run(Command::new("mount").args(["-o", &format!("remount,{how}")]).arg(self.disk()));
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", text(&output.stderr));
}

/// Refused with a reason and what to do, in one line.
fn told(error: &str, words: &[&str]) {
    assert!(words.iter().all(|word| error.contains(word)), "{words:?} in {error}");
    assert_eq!(error.lines().filter(|line| !line.is_empty()).count(), 1, "{error}");
}

/// Writes files into `dir` until no more fits.
fn fill(dir: &Path, bytes: usize) {
    fs::create_dir(dir).unwrap();
    let piece = vec![7; bytes];
    (0..100_000).take_while(|n| fs::write(dir.join(n.to_string()), &piece).is_ok()).count();
}

#[test]
fn a_full_disk_is_told_before_anything_is_downloaded() {
    let Some(scene) = Scene::new("a_full_disk_is_told_before_anything_is_downloaded", &[]) else {
        return;
    };
    let (varve, ballast) = (scene.varve(), scene.disk().join("ballast"));
    fill(&ballast, 1 << 20);
    // What is left over is less than the image needs, and enough for the records.
    (0..4).for_each(|n| fs::remove_file(ballast.join(n.to_string())).unwrap());
    let error = varve.fail(&["pull", "--quiet", &scene.image()]).unwrap();
    told(&error, &["space"]);
    fs::remove_dir_all(ballast).unwrap();
    scene.is_well(&varve);
}

#[test]
fn a_disk_without_inodes_is_told() {
    let Some(scene) = Scene::new("a_disk_without_inodes_is_told", &["-N", "256"]) else { return };
    let (varve, ballast) = (scene.varve(), scene.disk().join("ballast"));
    fill(&ballast, 0);
    (0..40).for_each(|n| fs::remove_file(ballast.join(n.to_string())).unwrap());
    let error = varve.fail(&["pull", "--quiet", &scene.image()]).unwrap();
    told(&error, &["No space left on device", "make room"]);
    fs::remove_dir_all(ballast).unwrap();
    scene.is_well(&varve);
}

#[test]
fn a_read_only_disk_is_told() {
    let Some(scene) = Scene::new("a_read_only_disk_is_told", &[]) else { return };
    let varve = scene.varve();
    varve.run(&["pull", "--quiet", &scene.image()]).unwrap();
    scene.remount("ro");
    let error = varve.fail(&["pull", "--quiet", &scene.image()]).unwrap();
    scene.remount("rw");
    told(&error, &["Read-only file system", "mounted read-write"]);
    scene.is_well(&varve);
}

/// Some of it takes longer than a registry may: a sync a tenth of a second, one write in twenty to a file of the store a
/// second and a half. (`write` is not slowed: it wakes other threads, too, and no disk makes that slow.)
const SLOW: [&str; 2] = [
    "inject=fsync,fdatasync,syncfs:delay_enter=100000",
    "inject=pwrite64:delay_enter=1500000:when=1+20",
];

#[test]
fn a_slow_disk_is_waited_for_and_no_registry_is_blamed() {
    if !have(&["strace"], "a_slow_disk_is_waited_for_and_no_registry_is_blamed") {
        return;
    }
    let registry = Fake::start().unwrap();
    registry.push("scarce", "1", &soak::image_of(1, LAYERS, 1 << 20, 20));
    let image = format!("{}/scarce:1", registry.address());
    let varve = Varve::over(Topology::Embedded, binary().unwrap()).unwrap();
    let config = tempfile::NamedTempFile::new().unwrap();
    fs::write(config.path(), "[registry]\nstall = 1.0\nattempts = 1\n").unwrap();
    let pull = varve.command(&["pull", "--quiet", &image]);
    let mut slowed = Command::new("strace");
    slowed.args(["-f", "-qq", "-o", "/dev/null"]).args(SLOW.iter().flat_map(|it| ["-e", it]));
    slowed.arg(pull.get_program()).args(pull.get_args()).env("VARVE_CONFIG", config.path());
    run(&mut slowed);
    soak::settled(&varve, 1, LAYERS).unwrap();
    assert!(varve.run(&["fsck"]).unwrap().contains("sound"));
}

#[test]
fn too_few_descriptors_are_told() {
    let registry = Fake::start().unwrap();
    registry.push("scarce", "1", &soak::image_of(1, LAYERS, 1 << 20, 20));
    let image = format!("{}/scarce:1", registry.address());
    let varve = Varve::over(Topology::Embedded, binary().unwrap()).unwrap();
    let pull = varve.command(&["pull", "--quiet", &image]);
    let mut refused = 0;
    for few in [16, 20, 24] {
        let mut limited = Command::new("sh");
        limited.args(["-c", &format!("ulimit -n {few}; exec \"$0\" \"$@\"")]);
        limited.arg(pull.get_program()).args(pull.get_args());
        let output = limited.output().unwrap();
        if !output.status.success() {
            let error = text(&output.stderr);
            refused += 1;
            // What could not be written at the end is told before.
            told(error.lines().last().unwrap(), &["Too many open files"]);
        }
    }
    assert!(refused > 0, "no number of descriptors was too small");
    varve.run(&["pull", "--quiet", &image]).unwrap();
    soak::settled(&varve, 1, LAYERS).unwrap();
}
