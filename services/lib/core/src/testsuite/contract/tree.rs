//! How a contract gets at the files of a snapshot.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};
use crate::mount::Mount;

/// Makes the tree that mounts describe reachable at a path.
pub type Reach = Arc<dyn Fn(&[Mount]) -> Result<Tree> + Send + Sync>;

/// A snapshot's tree, as long as this lives.
pub struct Tree {
    path: PathBuf,
    leave: Option<Box<dyn FnOnce() + Send>>,
}

impl Tree {
    /// A tree at `path`; `leave` is called once nobody looks at it any more.
    pub fn new(path: impl Into<PathBuf>, leave: impl FnOnce() + Send + 'static) -> Self {
        Self { path: path.into(), leave: Some(Box::new(leave)) }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        if let Some(leave) = self.leave.take() {
            leave();
        }
    }
}

/// By mount(8) on a new directory below the temporary one. Needs root.
pub fn by_mounting() -> Reach {
    Arc::new(|mounts| {
        let target = new_directory()?;
        for mount in mounts {
            if let Err(error) = mount_on(mount, &target) {
                let _ = std::fs::remove_dir(&target);
                return Err(error);
            }
        }
        let (path, depth) = (target.clone(), mounts.len());
        Ok(Tree::new(path, move || unmount(&target, depth)))
    })
}

/// Without mounting: where all there is to mount is one bind, the tree is its source. Needs no root;
/// a view can be written then, so that this is not asked of it.
pub fn in_place() -> Reach {
    Arc::new(|mounts| match mounts {
        [bind] if bind.kind == "bind" => Ok(Tree::new(&bind.source, || ())),
        _ => Err(Error::precondition(format!("more than one bind: {mounts:?}"))),
    })
}

fn new_directory() -> Result<PathBuf> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("varve-contract-{}-{next}", std::process::id());
    let path = std::env::temp_dir().join(name);
    std::fs::create_dir(&path).map_err(|error| Error::io(path.display(), error))?;
    Ok(path)
}

/// One mount. Its lower directories are named from where they have in common, as containerd's
/// clients do it: the kernel takes a page of options.
fn mount_on(mount: &Mount, target: &Path) -> Result<()> {
    let (base, options) = compact(mount);
    let mut command = Command::new("mount");
    if mount.kind != "bind" {
        command.args(["-t", &mount.kind]);
    }
    if !options.is_empty() {
        command.args(["-o", &options]);
    }
    run(command.arg(&mount.source).arg(target).current_dir(base))
}

/// The directory that all lower directories are in, and the options as they are named from there.
fn compact(mount: &Mount) -> (PathBuf, String) {
    let lower: Vec<&str> = mount.option("lowerdir").unwrap_or_default().split(':').collect();
    let mut above = Path::new(lower[0]).ancestors().skip(1);
    let base = above.find(|base| lower.iter().all(|path| Path::new(path).starts_with(base)));
    let Some(base) = base else { return ("/".into(), mount.options.join(",")) };
    let short = lower.iter().filter_map(|path| Path::new(path).strip_prefix(base).ok());
    let short: Vec<_> = short.map(|path| path.display().to_string()).collect();
    let option = |option: &String| match option.starts_with("lowerdir=") {
        true => format!("lowerdir={}", short.join(":")),
        false => option.clone(),
    };
    let options: Vec<_> = mount.options.iter().map(option).collect();
    (base.to_owned(), options.join(","))
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output();
    let output = output.map_err(|error| Error::io(format!("{command:?}"), error))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(Error::internal(String::from_utf8_lossy(&output.stderr).into_owned())),
    }
}

/// Takes `depth` mounts off a directory, busy ones too, and removes it.
fn unmount(target: &Path, depth: usize) {
    for _ in 0..depth {
        if run(Command::new("umount").arg(target)).is_err() {
            let _ = run(Command::new("umount").arg("-l").arg(target));
        }
    }
    let _ = std::fs::remove_dir(target);
}
