//! What must be true when the power is back.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use varve_core::Digest;
use varve_tests::command::{Varve, binary, text};
use varve_tests::fake::Fake;
use varve_tests::power::{Moment, Mounted};
use varve_tests::soak::{self, Random};

use crate::LAYERS;
use crate::history::{AGAIN, History, Names, root};

/// Cuts the power, and looks. Answers whether the metadata had to be rebuilt.
pub fn check(
    history: &History,
    moment: Moment,
    random: &mut Random,
    registry: &Fake,
    place: &Path,
) -> Result<bool> {
    let dir = tempfile::tempdir()?;
    let image = dir.path().join("image");
    history.cut(moment, random, &image)?;
    let _mounted = Mounted::new(&image, place)?;
    let varve = Varve::on(&root(place), next_boot(dir.path(), random)?)?;
    let mut names = names(&varve)?;
    let allowed = history.allowed(moment);
    ensure!(allowed.contains(&names), "there are {names:?}, and not one of {allowed:?}");
    blobs_are_what_their_names_say(&varve)?;
    let before = registry.requests().len();
    for name in &names {
        // Trees that were not on the disk yet are unpacked again from what is.
        varve.run(&["pull", "--quiet", name.trim_end_matches(AGAIN)])?;
        varve.run(&["check", "--deep", name])?;
    }
    let asked = registry.requests().split_off(before);
    let fetched = asked.iter().find(|request| request.path.contains("/blobs/"));
    ensure!(fetched.is_none(), "lost, and fetched again: {fetched:?}");
    // Trees are settled when somebody asks for them, and without an image nobody has.
    varve.run(&["snapshots", "ls"])?;
    trees_are_whole(&varve)?;
    // What a pull that was cut off has brought waits for the next one of that name, or until its lease ends.
    for name in cut_off(&varve)? {
        varve.run(&["pull", "--quiet", &name])?;
        names.insert(name);
    }
    // For a day nothing is collected then, as what was rebuilt may lack what refers to it.
    let collected = varve.output(&["gc"])?;
    let rebuilt = text(&collected.stderr).contains("the metadata was rebuilt");
    if !rebuilt {
        soak::settled(&varve, images(&names), LAYERS)?;
    }
    Ok(rebuilt)
}

/// The command on a machine that was started again: the kernel's id of the boot is another.
fn next_boot(dir: &Path, random: &mut Random) -> Result<PathBuf> {
    let (id, script) = (dir.join("boot_id"), dir.join("varve"));
    fs::write(&id, format!("{:08x}-0000-4000-8000-000000000000\n", random.next() as u32))?;
    let (id, binary) = (id.display(), binary()?);
    let text = format!(
        "#!/bin/sh\nexec unshare --mount sh -c 'mount --bind {id} /proc/sys/kernel/random/boot_id && \
         exec \"$0\" \"$@\"' {} \"$@\"\n",
        binary.display()
    );
    fs::write(&script, text)?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    Ok(script)
}

fn names(varve: &Varve) -> Result<Names> {
    let told = varve.run(&["images", "--format", "{{.Repository}}:{{.Tag}}"])?;
    Ok(told.lines().map(str::to_owned).collect())
}

fn cut_off(varve: &Varve) -> Result<Names> {
    let leases = varve.json(&["leases", "ls"])?;
    let name = |lease: &Value| Some(lease["labels"]["varve.pull.reference"].as_str()?.to_owned());
    Ok(leases.as_array().context("a list")?.iter().filter_map(name).collect())
}

/// Names that a tag added are no images of their own.
fn images(names: &Names) -> usize {
    let images: BTreeSet<_> = names.iter().map(|name| name.trim_end_matches(AGAIN)).collect();
    images.len()
}

fn blobs_are_what_their_names_say(varve: &Varve) -> Result<()> {
    let dir = varve.layout().join("blobs/sha256");
    for entry in fs::read_dir(&dir).with_context(|| dir.display().to_string())? {
        let path = entry?.path();
        let name = path.file_name().context("a name")?.to_string_lossy().into_owned();
        let digest = Digest::of(&fs::read(&path)?);
        ensure!(digest.hex() == name, "blob {name} has the bytes of {digest}");
    }
    Ok(())
}

/// No file of a tree is short, or of zeros.
fn trees_are_whole(varve: &Varve) -> Result<()> {
    let mut dirs = vec![varve.root().join("snapshotters/overlayfs/snapshots")];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).into_iter().flatten() {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                dirs.push(path);
                continue;
            }
            let bytes = fs::read(&path)?;
            let whole = match path.file_name().is_some_and(|name| name == "noise") {
                true => {
                    bytes.len() >= 200 << 10
                        && bytes.chunks(512).all(|part| part.iter().any(|b| *b != 0))
                }
                false => bytes == b"small",
            };
            ensure!(whole, "{} is damaged: {} bytes", path.display(), bytes.len());
        }
    }
    Ok(())
}
