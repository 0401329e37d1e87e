//! containerd, driven by its ctr.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Result;

use super::daemon::Daemon;
use super::{Engine, told};

pub struct Containerd {
    daemon: Daemon,
    /// Containers so far.
    count: AtomicU32,
}

impl Containerd {
    /// With its own plugins. It collects at its start and when it is asked to, and not by itself some time after a
    /// deletion.
    pub fn start() -> Result<Self> {
        Self::with(
            "version = 2\ndisabled_plugins = []\n[plugins.\"io.containerd.gc.v1.scheduler\"]\n  \
             mutation_threshold = 0\n  deletion_threshold = 1000000\n  pause_threshold = 0.000001\n",
        )
    }

    /// With the plugins that `config` says; where it keeps things and listens is added.
    pub fn with(config: &str) -> Result<Self> {
        let command = |dir: &Path| {
            std::fs::write(dir.join("config.toml"), placed(config, dir))?;
            let mut command = Command::new("containerd");
            command.arg("--config").arg(dir.join("config.toml"));
            Ok(command)
        };
        let answers = |dir: &Path| told(ctr(dir).arg("version")).is_ok();
        Ok(Self { daemon: Daemon::start(command, answers)?, count: AtomicU32::new(0) })
    }

    /// What it logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.daemon.file("log")).unwrap_or_default()
    }

    /// Where it answers.
    pub fn socket(&self) -> PathBuf {
        self.daemon.file("sock")
    }

    /// Where one of its snapshotters keeps snapshots.
    pub fn snapshotter(&self, name: &str) -> PathBuf {
        self.daemon.file("root").join(format!("io.containerd.snapshotter.v1.{name}"))
    }

    /// `ctr`, for this daemon.
    pub fn command(&self) -> Command {
        ctr(self.daemon.dir())
    }
}

fn ctr(dir: &Path) -> Command {
    let mut command = Command::new("ctr");
    command.arg("--address").arg(dir.join("sock"));
    command
}

/// The configuration below `dir`, and without CRI, which nothing here speaks.
fn placed(config: &str, dir: &Path) -> String {
    const DISABLED: &str = "disabled_plugins = [";
    let without = format!("{DISABLED}\"io.containerd.grpc.v1.cri\", ");
    let (config, dir) = (config.replace(DISABLED, &without), dir.display());
    format!(
        "root = \"{dir}/root\"\nstate = \"{dir}/state\"\n{config}\
         [grpc]\n  address = \"{dir}/sock\"\n[ttrpc]\n  address = \"{dir}/ttrpc.sock\"\n"
    )
}

impl Engine for Containerd {
    fn pull(&self, image: &str) -> Result<()> {
        told(self.command().args(["images", "pull", "--plain-http", image])).map(drop)
    }

    fn push(&self, image: &str, name: &str) -> Result<()> {
        told(self.command().args(["images", "tag", image, name]))?;
        told(self.command().args(["images", "push", "--plain-http", name])).map(drop)
    }

    fn load(&self, file: &Path, _: &str) -> Result<()> {
        told(self.command().args(["images", "import"]).arg(file)).map(drop)
    }

    fn save(&self, image: &str, file: &Path) -> Result<()> {
        told(self.command().args(["images", "export"]).arg(file).arg(image)).map(drop)
    }

    fn remove(&self, image: &str) -> Result<()> {
        told(self.command().args(["images", "rm", "--sync", image])).map(drop)
    }

    fn run(&self, image: &str, words: &[&str]) -> Result<String> {
        let name = format!("one-{}", self.count.fetch_add(1, Ordering::Relaxed));
        told(self.command().args(["run", "--rm", image, &name]).args(words))
    }
}
