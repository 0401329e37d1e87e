//! The files below deploy/config are what the programs read: each is started with its own, moved to a
//! directory of the test, and the command finds all four by client.toml.

#![allow(clippy::unwrap_used, reason = "of tests")]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use varve_tests::cluster::SERVICES;
use varve_tests::command::{binary, text};
use varve_tests::peers::{have, run};

/// Started, and killed with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A file of deploy/config with its paths below `dir`, and every value that is commented out put in.
fn moved(name: &str, dir: &Path) -> String {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/config");
    let told = fs::read_to_string(config.join(name)).unwrap();
    let told = told
        .replace("/run/varve", &dir.display().to_string())
        .replace("/var/lib/varve", &dir.join("root").display().to_string());
    let shown = |line: &str| line.starts_with("# ") && line.contains(" = ");
    let lines = told.lines().map(|line| if shown(line) { &line[2..] } else { line });
    let path = dir.join(name);
    fs::write(&path, lines.collect::<Vec<_>>().join("\n")).unwrap();
    path.display().to_string()
}

#[test]
fn every_configuration_file_is_one_that_its_program_takes() {
    let dir = tempfile::Builder::new().prefix("varve-deploy-").tempdir().unwrap();
    let varve = binary().unwrap();
    let start = |service: &str| {
        let config = moved(&format!("{service}.toml"), dir.path());
        let mut program = Command::new(varve.with_file_name(format!("varve-{service}")));
        Process(program.args(["--config", &config]).stdin(Stdio::null()).spawn().unwrap())
    };
    let mut processes: Vec<_> = SERVICES.into_iter().map(start).collect();
    let client = moved("client.toml", dir.path());
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let asked = Command::new(&varve).args(["--config", &client, "health"]).output().unwrap();
        if asked.status.success() {
            assert_eq!(text(&asked.stdout).matches(": serving").count(), SERVICES.len());
            for door in ["content-store-proxy.sock", "snapshotter-proxy.sock"] {
                assert!(dir.path().join(door).exists(), "no {door}");
            }
            return;
        }
        for (process, service) in processes.iter_mut().zip(SERVICES) {
            let ended = process.0.try_wait().unwrap();
            assert!(ended.is_none(), "varve-{service} does not take its file: {ended:?}");
        }
        assert!(Instant::now() < end, "{}", text(&asked.stdout));
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// tests/proxy.rs runs a containerd with it.
#[test]
fn containerd_understands_its_file() {
    if !have(&["containerd"], "deploy") {
        return;
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/containerd/config.toml");
    let dumped =
        run("containerd", &["--config", file.to_str().unwrap(), "config", "dump"]).unwrap();
    let lines: Vec<_> = dumped.lines().map(str::trim).collect();
    for line in [
        "disabled_plugins = [\"io.containerd.content.v1.content\"]",
        "[proxy_plugins.varve]",
        "[proxy_plugins.varve-content]",
    ] {
        assert!(lines.contains(&line), "{line}\n{dumped}");
    }
    let address = "address = \"/run/varve/proxy.sock\"";
    assert_eq!(lines.iter().filter(|line| **line == address).count(), 2, "{dumped}");
}
