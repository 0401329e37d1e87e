//! containerd, driven by its ctr.

use std::path::Path;
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
    pub fn start() -> Result<Self> {
        let command = |dir: &Path| {
            std::fs::write(dir.join("config.toml"), config(dir))?;
            let mut command = Command::new("containerd");
            command.arg("--config").arg(dir.join("config.toml"));
            Ok(command)
        };
        let answers = |dir: &Path| told(ctr(dir).arg("version")).is_ok();
        Ok(Self { daemon: Daemon::start(command, answers)?, count: AtomicU32::new(0) })
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

fn config(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "version = 2\nroot = \"{dir}/root\"\nstate = \"{dir}/state\"\n\
         disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n\
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
