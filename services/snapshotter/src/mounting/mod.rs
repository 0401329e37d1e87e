//! Mounting what [`varve_core::Snapshots`] answers, in this process's mount namespace.
//!
//! Uses the kernel's newer mount calls (`fsopen`, `lowerdir+` once a layer, so that hundreds of
//! layers need no page of options) and falls back to mount(2). Never follows a link at the target.
//! [`detached`] gives a mount that no other process sees and that goes with its descriptor.

mod old;
mod options;
mod overlay;
mod probe;
mod refusal;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MoveMountFlags, UnmountFlags};
use varve_core::{Error, Mount, Result};

pub use probe::probe;

use options::Bind;
use overlay::Overlay;

/// Mounts a snapshot's `mounts`, one over the other, on the directory `target`. What was mounted
/// before one failed is unmounted again.
pub fn mount(mounts: &[Mount], target: &Path) -> Result<()> {
    if mounts.is_empty() {
        return Err(Error::invalid("there is nothing to mount"));
    }
    for (done, one) in mounts.iter().enumerate() {
        if let Err(error) = mount_one(one, target) {
            for _ in 0..done {
                let _ = unmount(target);
            }
            let noun = format!("mounting {} on {}", one.kind, target.display());
            return Err(error.context(noun));
        }
    }
    Ok(())
}

fn mount_one(mount: &Mount, target: &Path) -> Result<()> {
    if !mount.target.is_empty() {
        return Err(Error::invalid("mounts below the mount point are not supported"));
    }
    match mount.kind.as_str() {
        "bind" => Bind::parse(mount)?.mount(target),
        "overlay" => Overlay::parse(mount)?.mount(target),
        other => Err(Error::invalid(format!("mounts of type {other:?} are not supported"))),
    }
}

/// Unmounts what is on top of `target`. FailedPrecondition while a process uses it.
pub fn unmount(target: &Path) -> Result<()> {
    rustix::mount::unmount(target, UnmountFlags::NOFOLLOW).map_err(|errno| match errno {
        Errno::BUSY => Error::precondition(format!(
            "{} is in use: end what runs or stands in it",
            target.display()
        )),
        Errno::INVAL => Error::precondition(format!("{} is not a mount point", target.display())),
        errno => Error::io(format!("unmounting {}", target.display()), errno.into()),
    })
}

/// A mount in no directory; it goes with this value.
#[derive(Debug)]
pub struct Detached {
    root: OwnedFd,
    /// Holds the mount.
    _mount: Option<OwnedFd>,
}

impl Detached {
    /// Its root directory, open for reading.
    pub fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// The root's descriptor once more.
    pub fn reopen(&self) -> Result<OwnedFd> {
        open_dir(self.root.as_fd(), Path::new("."))
    }
}

/// Mounts a snapshot where only this process can reach it. On old kernels `scratch` is asked for an
/// empty directory that is needed for a moment.
pub fn detached(mounts: &[Mount], scratch: impl FnOnce() -> Result<PathBuf>) -> Result<Detached> {
    let [mount] = mounts else {
        return Err(Error::invalid(format!("want one mount, not {}", mounts.len())));
    };
    match mount.kind.as_str() {
        "bind" => Ok(Detached { root: open_dir(CWD, Path::new(&mount.source))?, _mount: None }),
        "overlay" => {
            let mount = Overlay::parse(mount)?.detached(scratch)?;
            Ok(Detached { root: open_dir(mount.as_fd(), Path::new("."))?, _mount: Some(mount) })
        }
        other => Err(Error::invalid(format!("mounts of type {other:?} are not supported"))),
    }
}

/// The same mounts, with what a machine may have turned on by default turned off: a tree that is
/// written through them has no form that only some kernels read.
pub(crate) fn plain(mut mounts: Vec<Mount>) -> Vec<Mount> {
    for mount in mounts.iter_mut().filter(|mount| mount.kind == "overlay") {
        mount.options.extend(["metacopy=off".into(), "redirect_dir=off".into()]);
    }
    mounts
}

/// Opens a directory whose last component is no link.
pub(crate) fn open_dir(at: impl AsFd, path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(at, path, flags, Mode::empty())
        .map_err(|errno| Error::io(format!("opening {}", path.display()), errno.into()))
}

/// The target, opened so that no link in its last component is followed.
fn open_target(target: &Path) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(target, flags, Mode::empty())
        .map_err(|errno| Error::io(format!("opening {}", target.display()), errno.into()))
}

/// Attaches a detached mount.
fn attach(mount: &OwnedFd, target: &Path) -> Result<()> {
    let target_fd = open_target(target)?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    rustix::mount::move_mount(mount, "", &target_fd, "", flags)
        .map_err(|errno| Error::io(format!("attaching to {}", target.display()), errno.into()))
}

impl Bind {
    fn mount(&self, target: &Path) -> Result<()> {
        let failed = |errno: Errno| Error::io(format!("binding {}", self.source), errno.into());
        match self.recursive {
            true => rustix::mount::mount_bind_recursive(self.source.as_str(), target),
            false => rustix::mount::mount_bind(self.source.as_str(), target),
        }
        .map_err(failed)?;
        if self.flags.is_empty() {
            return Ok(());
        }
        // A bind takes its flags only in a second step.
        let flags = MountFlags::BIND | self.flags;
        rustix::mount::mount_remount(target, flags, c"").map_err(|errno| {
            let _ = unmount(target);
            failed(errno)
        })
    }
}
