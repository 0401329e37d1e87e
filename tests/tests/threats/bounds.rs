//! A value in a configuration moves its bound, in a command that has the services in itself and in a daemon.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use varve_tests::cluster::Topology;
use varve_tests::command::{Varve, binary};
use varve_tests::fake::Fake;

use crate::forge::{MANIFEST, Parts, with};
use crate::{made, refused};

/// Tables of a configuration, and what an image of two layers of two entries is refused for by them.
const TIGHT: [(&str, &str); 8] = [
    ("[images]\nlayers = 1", "2 layers, more than 1"),
    ("[images]\ndocument = 1024", "bytes, more than 1024"),
    ("[snapshotter.limits]\nentries = 1", "limit of 1 (snapshotter.limits.entries)"),
    ("[snapshotter.limits]\nname = 3", "longer than 3"),
    ("[snapshotter.limits]\npath = 5", "longer than 5 bytes"),
    ("[snapshotter.limits]\ntotal_bytes = 1024", "limit of 1024 (snapshotter.limits.total_bytes)"),
    ("[images]\nlayers = 0", "layers is 0, and must be from 1 to 10000"),
    ("[snapshotter]\nextractions = 0", "extractions is 0, and must be from 1 to 256"),
];

/// A registry with the image, whose documents are somewhat long.
fn registry() -> (Fake, String) {
    let registry = Fake::start().unwrap();
    let parts = Parts::of(Parts::new().tar, 2);
    let mut manifest = parts.manifest();
    manifest["annotations"] = serde_json::json!({"padding": "x".repeat(1500)});
    let layers = vec![parts.layer(); 2].into();
    registry.push("two", "1", &parts.under(MANIFEST, with(manifest, "/layers", layers)));
    let image = format!("{}/two:1", registry.address());
    (registry, image)
}

#[test]
fn each_bound_is_refused_by_its_noun_and_number_and_a_value_in_the_file_moves_it() {
    let ((_registry, image), dir) = (registry(), tempfile::tempdir().unwrap());
    let varve = Varve::over(Topology::Embedded, binary().unwrap()).unwrap();
    let file = dir.path().join("varve.toml");
    let config = file.to_str().unwrap();
    for (text, why) in TIGHT {
        fs::write(&file, text).unwrap();
        refused(&mut varve.command(&["--config", config, "pull", "--quiet", &image]), why);
        assert_eq!(made(&varve), [0; 3], "{text}");
    }
    fs::write(&file, "[images]\nlayers = 2\n[snapshotter.limits]\nentries = 2\nname = 4\npath = 8")
        .unwrap();
    varve.run(&["--config", config, "pull", &image]).unwrap();
}

/// Ended with the test.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_daemon_is_bounded_by_its_file_whoever_asks_it() {
    let ((_registry, image), dir) = (registry(), tempfile::tempdir().unwrap());
    let varve = Varve::over(Topology::Embedded, binary().unwrap()).unwrap();
    let file = dir.path().join("varve.toml");
    let limited =
        TIGHT.iter().filter(|(text, _)| text.contains("limits") || text.contains("document"));
    for (text, why) in limited {
        fs::write(&file, text).unwrap();
        let mut daemon: Command = varve.command(&["--config", file.to_str().unwrap(), "daemon"]);
        let _daemon = Daemon(daemon.stdin(Stdio::null()).spawn().unwrap());
        let end = Instant::now() + Duration::from_secs(30);
        while !varve.output(&["health"]).unwrap().status.success() {
            assert!(Instant::now() < end, "the daemon does not answer: {text}");
            std::thread::sleep(Duration::from_millis(20));
        }
        refused(&mut varve.command(&["pull", "--quiet", &image]), why);
    }
    fs::write(&file, "[snapshotter.limits]\nentries = 0").unwrap();
    let why = "line 1: entries is 0, and must be from 1 to";
    refused(&mut varve.command(&["--config", file.to_str().unwrap(), "daemon"]), why);
}
