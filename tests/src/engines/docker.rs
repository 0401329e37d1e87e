//! Docker: dockerd, and the command that comes with it.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::daemon::Daemon;
use super::{Engine, told};
use crate::peers;

pub struct Docker(Daemon);

impl Docker {
    pub fn start() -> Result<Self> {
        let program = peers::find("dockerd").context("no dockerd")?;
        let command = |dir: &Path| {
            std::fs::write(dir.join("daemon.json"), "{}")?;
            let mut command = Command::new(program);
            command.args(["--iptables=false", "--ip6tables=false", "--bridge=none"]);
            command.arg("--config-file").arg(dir.join("daemon.json"));
            command.arg("--data-root").arg(dir.join("data"));
            command.arg("--exec-root").arg(dir.join("exec"));
            command.arg("--pidfile").arg(dir.join("pid"));
            command.arg("--host").arg(host(dir));
            Ok(command)
        };
        Daemon::start(command, |dir| told(docker(dir).arg("version")).is_ok()).map(Self)
    }

    /// `docker`, for this daemon.
    pub fn command(&self) -> Command {
        docker(self.0.dir())
    }
}

fn host(dir: &Path) -> String {
    format!("unix://{}", dir.join("docker.sock").display())
}

fn docker(dir: &Path) -> Command {
    // One that knows no daemon of this age may come first on the PATH.
    let packaged = Path::new("/usr/bin/docker");
    let mut command = Command::new(if packaged.exists() { packaged } else { Path::new("docker") });
    command.env("DOCKER_CONFIG", dir).arg("--host").arg(host(dir));
    command
}

impl Engine for Docker {
    fn pull(&self, image: &str) -> Result<()> {
        told(self.command().args(["pull", "--quiet", image])).map(drop)
    }

    fn push(&self, image: &str, name: &str) -> Result<()> {
        told(self.command().args(["tag", image, name]))?;
        told(self.command().args(["push", "--quiet", name])).map(drop)
    }

    fn load(&self, file: &Path, _: &str) -> Result<()> {
        told(self.command().args(["load", "--quiet", "--input"]).arg(file)).map(drop)
    }

    fn save(&self, image: &str, file: &Path) -> Result<()> {
        told(self.command().args(["save", image, "--output"]).arg(file)).map(drop)
    }

    fn remove(&self, image: &str) -> Result<()> {
        told(self.command().args(["rmi", "--force", image])).map(drop)
    }

    fn run(&self, image: &str, words: &[&str]) -> Result<String> {
        told(self.command().args(["run", "--rm", "--network", "none", image]).args(words))
    }
}
