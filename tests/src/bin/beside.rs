//! `beside PAGE`: the commands of tests/beside/commands.txt, for docker and for varve; those that differ must be in the
//! table of PAGE, and those in the table must differ. With `--all` every difference is shown.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use varve_core::Digest;
use varve_tests::beside::{Said, Tally, commands, fill};
use varve_tests::busybox;
use varve_tests::command::Varve;
use varve_tests::engines::Docker;
use varve_tests::image::Content;
use varve_tests::peers;
use varve_tests::registry::Registry;

const SCRIPT: &str = include_str!("../../beside/commands.txt");

fn main() -> Result<()> {
    let page = std::env::args().nth(1).context("usage: beside PAGE [--all]")?;
    let all = std::env::args().any(|arg| arg == "--all");
    if !peers::need_root("beside")
        || !peers::have(&["dockerd", "docker", "docker-registry", "runc"], "beside")
    {
        return Ok(());
    }
    let Some(program) = busybox::program("beside") else { return Ok(()) };
    // One for each: what the first pushes is there for the second otherwise.
    let registries = [Registry::start()?, Registry::start()?];
    let content = busybox::plain(&program);
    for registry in &registries {
        registry.push("lab/box", "1", &content)?;
        registry.push("lab/box", "2", &busybox::other(&program))?;
        registry.push("lab/one", "1", &content)?;
    }
    let (docker, varve) = (Docker::start()?, Varve::new()?);
    let mut tally = Tally::new(&std::fs::read_to_string(page)?, all);
    let (theirs, ours) = (tempfile::tempdir()?, tempfile::tempdir()?);
    for (line, words) in commands(SCRIPT) {
        let said = |mut command: Command, name, registry: &Registry| -> Result<Said> {
            let output = command.stdin(Stdio::null()).output()?;
            Ok(Said::of(&output, name, registry.address()))
        };
        let mut command = docker.command();
        command.args(fill(&words, &names(theirs.path(), &registries[0], &content)));
        let docker = said(command, "docker", &registries[0])?;
        let words = fill(&words, &names(ours.path(), &registries[1], &content));
        let mut command = varve.command(&words.iter().map(String::as_str).collect::<Vec<_>>());
        command.env("DOCKER_CONFIG", ours.path());
        let varve = said(command, "varve", &registries[1])?;
        tally.compare(line, ("docker", &docker), &varve);
    }
    tally.end()
}

/// What the commands call the registry, a directory of their own, and lab/box:1 by digest and by ID.
fn names(dir: &Path, registry: &Registry, content: &Content) -> [(&'static str, String); 4] {
    let digest = |bytes: Option<&Vec<u8>>| bytes.map(|bytes| Digest::of(bytes).to_string());
    let manifest = digest(content.manifests.last().map(|(_, bytes)| bytes)).unwrap_or_default();
    let config = content.blobs.iter().find(|blob| blob.starts_with(b"{"));
    [
        ("registry", registry.address().to_owned()),
        ("dir", dir.display().to_string()),
        ("digest", manifest),
        ("id", digest(config).unwrap_or_default()),
    ]
}
