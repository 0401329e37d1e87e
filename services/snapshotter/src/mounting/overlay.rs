//! One overlay: by the newer calls where the kernel has them, else by mount(2).

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags};
use varve_core::{Error, Mount, Result};

use super::old::proc_path;
use super::options::{flag, split_lowers, unknown};
use super::refusal::{refused, said};
use super::{attach, open_target};

/// The longest string that fsconfig takes, its end not counted.
const LONGEST: usize = 255;

/// An overlay's options.
#[derive(Debug)]
pub(super) struct Overlay {
    /// Top first.
    pub(super) lowers: Vec<String>,
    /// `upperdir=…`, `workdir=…`.
    pub(super) dirs: Vec<(String, String)>,
    /// `index=off` and the like; a bare word has no value.
    pub(super) words: Vec<(String, Option<String>)>,
    pub(super) flags: MountFlags,
}

/// Why the newer calls did not work.
enum Failure {
    /// The kernel has no `lowerdir+` (before 6.8), or not even fsopen.
    TooOld,
    Other(Error),
}

impl Overlay {
    pub fn parse(mount: &Mount) -> Result<Self> {
        let mut overlay =
            Self { lowers: vec![], dirs: vec![], words: vec![], flags: MountFlags::empty() };
        for option in &mount.options {
            overlay.add(option)?;
        }
        if overlay.lowers.is_empty() {
            return Err(Error::invalid("an overlay needs a lowerdir"));
        }
        Ok(overlay)
    }

    fn add(&mut self, option: &str) -> Result<()> {
        if let Some(flag) = flag(option) {
            self.flags |= flag;
            return Ok(());
        }
        match option.split_once('=') {
            Some(("lowerdir", value)) => self.lowers = split_lowers(value),
            Some((name @ ("upperdir" | "workdir"), dir)) => {
                self.dirs.push((name.into(), dir.into()));
            }
            Some((name @ ("index" | "metacopy" | "redirect_dir" | "xino" | "nfs_export"), v)) => {
                self.words.push((name.into(), Some(v.into())));
            }
            None if matches!(option, "userxattr" | "volatile") => {
                self.words.push((option.into(), None));
            }
            _ => return Err(unknown(option)),
        }
        Ok(())
    }

    /// Mounts it on `target`.
    pub fn mount(&self, target: &Path) -> Result<()> {
        match self.create() {
            Ok(mount) => attach(&mount, target),
            Err(Failure::TooOld) => self.mount_old(target),
            Err(Failure::Other(error)) => Err(error),
        }
    }

    /// Mounts it nowhere.
    pub fn detached(&self, scratch: impl FnOnce() -> Result<PathBuf>) -> Result<OwnedFd> {
        match self.create() {
            Ok(mount) => Ok(mount),
            Err(Failure::TooOld) => self.detached_old(&scratch()?),
            Err(Failure::Other(error)) => Err(error),
        }
    }

    fn create(&self) -> Result<OwnedFd, Failure> {
        let fs = rustix::mount::fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)
            .map_err(|errno| Failure::of(errno, None))?;
        let mut held = Vec::new();
        for lower in &self.lowers {
            let path = short(lower, &mut held)?;
            rustix::mount::fsconfig_set_string(&fs, "lowerdir+", path).map_err(
                |errno| match errno {
                    Errno::INVAL if !said_anything(&fs) => Failure::TooOld,
                    errno => Failure::of(errno, Some(&fs)),
                },
            )?;
        }
        for (name, dir) in &self.dirs {
            let path = short(dir, &mut held)?;
            rustix::mount::fsconfig_set_string(&fs, name.as_str(), path)
                .map_err(|errno| Failure::of(errno, Some(&fs)))?;
        }
        self.set_words(&fs).map_err(|errno| Failure::of(errno, Some(&fs)))?;
        rustix::mount::fsconfig_create(&fs).map_err(|errno| Failure::of(errno, Some(&fs)))?;
        rustix::mount::fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, self.attributes())
            .map_err(|errno| Failure::of(errno, Some(&fs)))
    }

    fn set_words(&self, fs: &OwnedFd) -> Result<(), Errno> {
        for (name, value) in &self.words {
            match value {
                Some(value) => {
                    rustix::mount::fsconfig_set_string(fs, name.as_str(), value.as_str())
                }
                None => rustix::mount::fsconfig_set_flag(fs, name.as_str()),
            }?;
        }
        Ok(())
    }

    fn attributes(&self) -> MountAttrFlags {
        let pairs = [
            (MountFlags::RDONLY, MountAttrFlags::MOUNT_ATTR_RDONLY),
            (MountFlags::NOSUID, MountAttrFlags::MOUNT_ATTR_NOSUID),
            (MountFlags::NODEV, MountAttrFlags::MOUNT_ATTR_NODEV),
            (MountFlags::NOEXEC, MountAttrFlags::MOUNT_ATTR_NOEXEC),
            (MountFlags::NOATIME, MountAttrFlags::MOUNT_ATTR_NOATIME),
        ];
        let set = pairs.into_iter().filter(|(flag, _)| self.flags.contains(*flag));
        set.fold(MountAttrFlags::empty(), |all, (_, attribute)| all | attribute)
    }
}

impl Failure {
    fn of(errno: Errno, fs: Option<&OwnedFd>) -> Self {
        match errno {
            Errno::NOSYS => Self::TooOld,
            errno => Self::Other(refused(errno, 0, fs)),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

/// `dir` itself where fsconfig takes it, else a short name of it that lives as long as `held`.
fn short(dir: &str, held: &mut Vec<OwnedFd>) -> Result<String> {
    if dir.len() <= LONGEST {
        return Ok(dir.to_owned());
    }
    let fd = open_target(Path::new(dir))?;
    let name = proc_path(&fd);
    held.push(fd);
    Ok(name)
}

/// A kernel that knows `lowerdir+` explains itself; one that does not says the parameter is unknown.
fn said_anything(fs: &OwnedFd) -> bool {
    said(fs).is_some_and(|text| !text.contains("lowerdir+"))
}
