//! The other tools on the machine: whether they are here, and saying loudly when they are not.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use varve_core::testsuite::skipped;

use crate::command::text;

/// Whether this process is root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The path of `tool`, where it is installed.
pub fn find(tool: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")])
        .map(|dir| dir.join(tool))
        .find(|file| file.is_file())
}

/// True where every tool is here; otherwise says loudly what is skipped, and false.
pub fn have(tools: &[&str], test: &str) -> bool {
    let missing: Vec<_> = tools.iter().filter(|tool| find(tool).is_none()).collect();
    if !missing.is_empty() {
        skipped(format_args!("{test}: not installed: {missing:?}"));
    }
    missing.is_empty()
}

/// True for root; otherwise says loudly what is skipped, and false.
pub fn need_root(test: &str) -> bool {
    if !is_root() {
        skipped(format_args!("{test}: needs root"));
    }
    is_root()
}

/// Runs a tool and answers what it printed.
pub fn run(tool: &str, args: &[&str]) -> Result<String> {
    let output = Command::new(tool)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {tool}"))?;
    if !output.status.success() {
        bail!("{tool} {args:?}: {}\n{}", output.status, text(&output.stderr));
    }
    Ok(text(&output.stdout))
}

/// What umoci unpacks of an image at a registry on the loopback: the path of the root file system.
pub fn umoci_unpack(registry: &str, image: &str, into: &Path) -> Result<PathBuf> {
    let layout = into.join("layout");
    let tag = format!("{}:image", layout.display());
    let from = format!("docker://{registry}/{image}");
    run("skopeo", &["copy", "-q", "--src-tls-verify=false", &from, &format!("oci:{tag}")])?;
    let bundle = into.join("bundle");
    run("umoci", &["unpack", "--image", &tag, &bundle.display().to_string()])?;
    std::fs::remove_dir_all(&layout)?;
    Ok(bundle.join("rootfs"))
}
