//! The quick start: a registry on the loopback, a pull of it, and the tree, each command shown as one
//! would type it.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use varve_tests::command::Varve;
use varve_tests::fake::Fake;
use varve_tests::{demo, peers};

fn main() -> Result<()> {
    let registry = Fake::start()?;
    registry.push("demo/hello", "1", &demo::image());
    let image = format!("{}/demo/hello:1", registry.address());
    say(&format!("A registry is up at {}, with {image} in it.", registry.address()));
    let varve = Varve::with_binary(binary()?)?;

    show(&varve, &["pull", &image])?;
    show(&varve, &["images", "ls"])?;
    show(&varve, &["snapshots", "tree"])?;
    if peers::is_root() {
        mounted(&varve, &image)?;
    } else {
        in_place(&varve)?;
    }
    show(&varve, &["pull", &image])?;
    say("That was all of it: resolved, downloaded, verified, unpacked. Nothing is left running.");
    Ok(())
}

/// With root: mounted, looked at, unmounted.
fn mounted(varve: &Varve, image: &str) -> Result<()> {
    let target = tempfile::tempdir()?;
    let directory = target.path().to_str().context("a temporary directory is UTF-8")?;
    show(varve, &["mount", image, directory])?;
    tree(target.path())?;
    show(varve, &["unmount", directory])
}

/// Without root: the native driver's tree is a plain directory.
fn in_place(varve: &Varve) -> Result<()> {
    let snapshots = varve.json(&["snapshots", "--snapshotter", "native", "ls"])?;
    let top = top(&snapshots).context("the pull left a snapshot")?;
    say(&format!("$ varve snapshots info {top}"));
    let info = varve.json(&["snapshots", "--snapshotter", "native", "info", &top])?;
    let path = info["path"].as_str().context("a native snapshot has a path")?;
    tree(Path::new(path))
}

/// The snapshot that no other is stacked on.
fn top(snapshots: &serde_json::Value) -> Option<String> {
    let all = snapshots.as_array()?;
    let is_parent = |name: &serde_json::Value| all.iter().any(|s| s["parent"] == *name);
    let top = all.iter().find(|snapshot| !is_parent(&snapshot["name"]))?;
    Some(top["name"].as_str()?.to_owned())
}

fn show(varve: &Varve, args: &[&str]) -> Result<()> {
    say(&format!("$ varve {}", args.join(" ")));
    let status = varve.command(args).stderr(Stdio::inherit()).status()?;
    if !status.success() {
        bail!("varve {args:?}: {status}");
    }
    Ok(())
}

fn tree(root: &Path) -> Result<()> {
    say(&format!("$ ls -lR {}", root.display()));
    let status = Command::new("ls").args(["-lR", "."]).current_dir(root).status()?;
    if !status.success() {
        bail!("ls: {status}");
    }
    if root.join("etc/motd").exists() || !root.join("bin/hello").exists() {
        bail!("{}: this is not the tree of the image", root.display());
    }
    Ok(())
}

fn binary() -> Result<std::path::PathBuf> {
    let own = std::env::current_exe()?;
    let varve = own.with_file_name("varve");
    if !varve.is_file() {
        bail!("{} is not built: cargo build --release --package varve", varve.display());
    }
    Ok(varve)
}

#[allow(clippy::print_stdout)]
fn say(line: &str) {
    println!("\n{line}");
}
