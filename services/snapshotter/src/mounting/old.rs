//! Overlays on kernels without `lowerdir+` (before 6.8), by mount(2).

use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::UnmountFlags;
use varve_core::{Error, Result};

use super::open_target;
use super::overlay::Overlay;
use super::refusal::refused;

impl Overlay {
    /// mount(2) takes one page of options, so each directory goes by its descriptor's short name.
    pub(super) fn mount_old(&self, target: &Path) -> Result<()> {
        let target = open_target(target)?;
        let mut held = Vec::new();
        let mut name = |dir: &str| -> Result<String> {
            let fd = open_target(Path::new(dir))?;
            let name = proc_path(&fd);
            held.push(fd);
            Ok(name)
        };
        let lowers = self.lowers.iter().map(|dir| name(dir)).collect::<Result<Vec<_>>>()?;
        let mut options = vec![format!("lowerdir={}", lowers.join(":"))];
        for (key, dir) in &self.dirs {
            options.push(format!("{key}={}", name(dir)?));
        }
        for (key, value) in &self.words {
            options.push(value.as_ref().map_or(key.clone(), |value| format!("{key}={value}")));
        }
        let options = CString::new(options.join(","))
            .map_err(|_| Error::invalid("a mount option has a NUL byte"))?;
        rustix::mount::mount("overlay", proc_path(&target), "overlay", self.flags, &*options)
            .map_err(|errno| refused(errno, self.lowers.len(), None))
    }

    pub(super) fn detached_old(&self, scratch: &Path) -> Result<OwnedFd> {
        self.mount_old(scratch)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = rustix::fs::open(scratch, flags, Mode::empty());
        let unmounted =
            rustix::mount::unmount(scratch, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW);
        let failed = |errno: Errno| Error::io(scratch.display(), errno.into());
        unmounted.map_err(failed)?;
        opened.map_err(failed)
    }
}

/// A short name for an open directory, as long as it is open.
pub(super) fn proc_path(fd: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    use varve_core::Mount;

    fn overlay(dir: &Path, layers: usize) -> Overlay {
        let path = |name: &str| dir.join(name).to_string_lossy().into_owned();
        let lowers: Vec<_> = (0..layers).map(|at| path(&at.to_string())).collect();
        for (at, lower) in lowers.iter().enumerate() {
            fs::create_dir_all(lower).unwrap();
            fs::write(Path::new(lower).join(format!("f{at}")), b"x").unwrap();
        }
        for name in ["up", "work", "at"] {
            fs::create_dir_all(dir.join(name)).unwrap();
        }
        let options = vec![
            "index=off".into(),
            format!("upperdir={}", path("up")),
            format!("workdir={}", path("work")),
            format!("lowerdir={}", lowers.join(":")),
        ];
        let (kind, source) = ("overlay".into(), "overlay".into());
        Overlay::parse(&Mount { kind, source, target: String::new(), options }).unwrap()
    }

    #[test]
    fn a_kernel_without_lowerdir_plus_mounts_130_layers_with_long_paths_too() {
        let temp = tempfile::tempdir().unwrap();
        if super::super::probe(temp.path()).is_err() {
            varve_core::testsuite::skipped("overlayfs cannot be mounted here (it needs root)");
            return;
        }
        let long = temp.path().join("l".repeat(200)).join("m".repeat(100));
        let overlay = overlay(&long, 130);
        let count = |dir: &OwnedFd| crate::tree::names(dir).unwrap().len();
        let old = overlay.detached_old(&long.join("at")).unwrap();
        assert_eq!(count(&old), 130);
        assert!(fs::read_dir(long.join("at")).unwrap().next().is_none(), "mounted nowhere");
        drop(old);
        let new = overlay.detached(|| Ok(long.join("at"))).unwrap();
        let new = super::super::open_dir(&new, Path::new(".")).unwrap();
        assert_eq!(count(&new), 130);
    }

    #[test]
    fn what_the_kernel_says_is_told() {
        let temp = tempfile::tempdir().unwrap();
        if super::super::probe(temp.path()).is_err() {
            varve_core::testsuite::skipped("overlayfs cannot be mounted here (it needs root)");
            return;
        }
        let overlay = overlay(temp.path(), 2);
        fs::remove_dir_all(temp.path().join("0")).unwrap();
        let error = overlay.mount(&temp.path().join("at")).unwrap_err();
        assert!(error.chain().contains("overlay"), "{}", error.chain());
    }
}
