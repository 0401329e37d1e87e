//! The other engines of the machine, each with a store of its own: Docker, podman, buildah, containerd.

mod containerd;
mod daemon;
mod docker;
mod podman;

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::command::text;

pub use containerd::Containerd;
pub use docker::Docker;
pub use podman::{Buildah, Podman};

/// What each can do with images. Registries are on the loopback, and speak http.
pub trait Engine {
    fn pull(&self, image: &str) -> Result<()>;
    /// Gives an image that is there another name, and pushes that.
    fn push(&self, image: &str, name: &str) -> Result<()>;
    /// Takes in an archive that `varve save` has written.
    fn load(&self, file: &Path, image: &str) -> Result<()>;
    fn save(&self, image: &str, file: &Path) -> Result<()>;
    /// Takes the name away.
    fn remove(&self, image: &str) -> Result<()>;
    /// Runs a program in a new container, and answers what it prints.
    fn run(&self, image: &str, words: &[&str]) -> Result<String>;
}

/// Runs a command to its end, and answers what it printed.
fn told(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot run {command:?}"))?;
    if !output.status.success() {
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        bail!("{command:?}: {}\n{out}{err}", output.status);
    }
    Ok(text(&output.stdout))
}
