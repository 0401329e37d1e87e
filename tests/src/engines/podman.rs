//! podman and buildah, which need no daemon and keep their images the same way.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use tempfile::TempDir;

use super::daemon::unmount_below;
use super::{Engine, told};

/// Speaks http to a registry.
const HTTP: &str = "--tls-verify=false";

/// A store.
struct Store(TempDir);

impl Store {
    fn new() -> Result<Self> {
        Ok(Self(tempfile::Builder::new().prefix("engine-").tempdir()?))
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.arg("--root").arg(self.0.path().join("root"));
        command.arg("--runroot").arg(self.0.path().join("run"));
        command.args(["--storage-driver", "overlay"]);
        command
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        unmount_below(self.0.path());
    }
}

pub struct Podman(Store);

impl Podman {
    pub fn new() -> Result<Self> {
        Store::new().map(Self)
    }

    fn command(&self) -> Command {
        let mut command = self.0.command("podman");
        command.args(["--runtime", "runc"]);
        command.arg("--tmpdir").arg(self.0.0.path().join("tmp")).args(["--events-backend", "none"]);
        command
    }
}

impl Engine for Podman {
    fn pull(&self, image: &str) -> Result<()> {
        told(self.command().args(["pull", "--quiet", HTTP, image])).map(drop)
    }

    fn push(&self, image: &str, name: &str) -> Result<()> {
        told(self.command().args(["push", "--quiet", HTTP, image, name])).map(drop)
    }

    fn load(&self, file: &Path, _: &str) -> Result<()> {
        told(self.command().args(["load", "--quiet", "--input"]).arg(file)).map(drop)
    }

    fn save(&self, image: &str, file: &Path) -> Result<()> {
        told(self.command().args(["save", "--quiet", image, "--output"]).arg(file)).map(drop)
    }

    fn remove(&self, image: &str) -> Result<()> {
        told(self.command().args(["rmi", "--force", image])).map(drop)
    }

    fn run(&self, image: &str, words: &[&str]) -> Result<String> {
        // The limits of its own configuration are higher than a machine for tests may give.
        let limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"];
        let alone = [&["--network", "none"], &limits[..]].concat();
        told(self.command().args(["run", "--rm"]).args(alone).arg(image).args(words))
    }
}

pub struct Buildah(Store);

impl Buildah {
    pub fn new() -> Result<Self> {
        Store::new().map(Self)
    }

    fn command(&self) -> Command {
        self.0.command("buildah")
    }
}

impl Engine for Buildah {
    fn pull(&self, image: &str) -> Result<()> {
        told(self.command().args(["pull", "--quiet", HTTP, image])).map(drop)
    }

    fn push(&self, image: &str, name: &str) -> Result<()> {
        let to = format!("docker://{name}");
        told(self.command().args(["push", "--quiet", HTTP, image, &to])).map(drop)
    }

    fn load(&self, file: &Path, image: &str) -> Result<()> {
        let from = format!("docker-archive:{}:{image}", file.display());
        told(self.command().args(["pull", "--quiet", &from])).map(drop)
    }

    fn save(&self, image: &str, file: &Path) -> Result<()> {
        let to = format!("oci-archive:{}:{image}", file.display());
        told(self.command().args(["push", "--quiet", image, &to])).map(drop)
    }

    fn remove(&self, image: &str) -> Result<()> {
        told(self.command().args(["rmi", "--force", image])).map(drop)
    }

    fn run(&self, image: &str, words: &[&str]) -> Result<String> {
        let container = told(self.command().args(["from", "--pull-never", image]))?;
        let alone = ["run", "--isolation", "chroot", container.trim(), "--"];
        let said = told(self.command().args(alone).args(words));
        told(self.command().args(["rm", container.trim()]))?;
        said
    }
}
