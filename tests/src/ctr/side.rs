//! One of the two that are compared.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use super::normal;
use crate::beside::Said;
use crate::command::text;

/// What runs a line; `ctr` ends by itself.
const SHELL: &str = "set -o pipefail; ctr() { timeout 60 ctr \"$@\"; }; ";

/// A server, where it keeps things, and a directory for what the lines make.
pub struct Side {
    name: &'static str,
    socket: String,
    registry: String,
    dir: TempDir,
    /// What only one of the two has, and what both call it.
    called: Vec<(String, String)>,
}

impl Side {
    /// Whose socket it is, and where it has its snapshots: a directory for each snapshotter of `drivers`.
    pub fn new(
        name: &'static str,
        socket: &Path,
        registry: &str,
        drivers: [(&str, &Path); 2],
    ) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("ctr-").tempdir()?;
        let mut called: Vec<_> = drivers
            .map(|(driver, path)| (path.display().to_string(), driver.to_uppercase()))
            .into();
        called.push((dir.path().display().to_string(), "DIR".into()));
        called.push((registry.to_owned(), "REGISTRY".into()));
        // What the first pushes is there for the second otherwise.
        called.push((format!("by-{name}/"), "PUSHED/".into()));
        called.push((socket.display().to_string(), "SOCKET".into()));
        let socket = socket.display().to_string();
        Ok(Self { name, socket, registry: registry.to_owned(), dir, called })
    }

    /// Whose answers these are.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// `ctr` with these words.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("ctr");
        command.arg("--address").arg(&self.socket).args(words).stdin(Stdio::null());
        command
    }

    /// Runs a line: `ctr` with its words, or behind `! ` a shell's; either may have pipes and files.
    pub fn run(&self, line: &str, names: &[(String, String)]) -> Result<Said> {
        let line = match line.strip_prefix("! ") {
            Some(line) => line.to_owned(),
            None => format!("ctr {line}"),
        };
        let line = self.filled(line, names);
        let mut shell = Command::new("bash");
        shell.args(["-c", &format!("{SHELL}{line}")]).stdin(Stdio::null());
        shell.env("CONTAINERD_ADDRESS", &self.socket).current_dir(self.dir.path());
        shell.env_remove("CONTAINERD_NAMESPACE").env_remove("CONTAINERD_SNAPSHOTTER");
        let output = shell.output().with_context(|| format!("cannot run {line}"))?;
        Ok(Said {
            status: output.status.code(),
            out: self.lines(&text(&output.stdout)),
            err: self.lines(&text(&output.stderr)),
        })
    }

    fn filled(&self, line: String, names: &[(String, String)]) -> String {
        let dir = self.dir.path().display().to_string();
        let pushed = format!("{}/by-{}", self.registry, self.name);
        let own = [("registry", &self.registry), ("pushed", &pushed), ("dir", &dir)];
        let all = names.iter().map(|(name, value)| (name.as_str(), value)).chain(own);
        all.fold(line, |line, (name, value)| line.replace(&format!("{{{name}}}"), value))
    }

    /// What was said, as either would say it.
    pub fn lines(&self, text: &str) -> Vec<String> {
        let called = self.called.iter();
        let text = called.fold(text.to_owned(), |text, (own, common)| text.replace(own, common));
        normal::lines(&text)
    }
}
