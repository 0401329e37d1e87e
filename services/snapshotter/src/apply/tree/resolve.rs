//! From a directory's name in the archive to the directory, made where it is missing.
//!
//! Nearly every name is its real path and is opened at once. A name through a symlink, or to
//! something that is not there, is walked part by part *within the root*: absolute targets start at
//! the root, `..` stops there. Whatever the walk finds is then opened by its real path with no
//! symlink allowed, so a walk that was wrong ends in an error and not elsewhere.

use std::collections::VecDeque;
use std::ffi::OsStr;

use rustix::fs::{self, FileType, Gid, Mode as Bits, Uid};
use rustix::io::Errno;

use super::super::{ApplyError, Privilege, TreePath};
use super::open::{Final, Parent};
use super::{TreeSink, failed, is_whiteout, kind_of, look};

/// Symlinks on one name, as the kernel allows.
const LINKS: usize = 40;

/// What to do about a directory that is not there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// Make it: something will be in it.
    Create,
    /// Make it to hold a whiteout, but not where this layer hides it.
    Hollow,
    /// There is nothing to do in it then.
    Skip,
}

/// A part of a name, looked at.
enum Step {
    Into,
    Link(Vec<u8>),
    Nowhere,
}

impl TreeSink {
    /// The directory `name`; `None` where it is missing and need not be there.
    pub(super) fn dir(
        &mut self,
        name: &TreePath,
        missing: Missing,
    ) -> Result<Option<Parent>, ApplyError> {
        let path = self.dirs.alias(name).unwrap_or(name).clone();
        match self.dirs.real(&path) {
            Ok(parent) => return Ok(Some(parent)),
            Err(Errno::LOOP | Errno::NOENT | Errno::NOTDIR) => {}
            Err(errno) => return Err(failed("opening", &path)(errno)),
        }
        let Some(real) = self.walk(name, missing)? else { return Ok(None) };
        let parent = self.dirs.real(&real).map_err(failed("opening", &real))?;
        if real != *name {
            self.dirs.remember(name.clone(), real);
        }
        Ok(Some(parent))
    }

    /// The real path of `name`, each part of which is then a directory.
    fn walk(&mut self, name: &TreePath, missing: Missing) -> Result<Option<TreePath>, ApplyError> {
        let mut ahead: VecDeque<Vec<u8>> = parts(name.as_bytes()).collect();
        let mut real = TreePath::root();
        let mut links = 0;
        while let Some(part) = ahead.pop_front() {
            if part == b".." {
                real.pop();
                continue;
            }
            match self.step(&real, &part, missing)? {
                Step::Into => real.push(&part),
                Step::Nowhere => return Ok(None),
                Step::Link(target) => {
                    links += 1;
                    if links > LINKS {
                        return Err(ApplyError::refused(
                            name,
                            "it leads through too many symlinks",
                        ));
                    }
                    // Each of its parts is a step ahead, `..` too.
                    self.pay(target.len())?;
                    if target.starts_with(b"/") {
                        real = TreePath::root();
                    }
                    for part in parts(&target).collect::<Vec<_>>().into_iter().rev() {
                        ahead.push_front(part);
                    }
                }
            }
            self.pay(real.as_bytes().len())?;
            if real.as_bytes().len() > self.limits.path {
                return Err(ApplyError::refused(name, "its real path is too long"));
            }
        }
        Ok(Some(real))
    }

    /// Counts a part that was looked up at the end of a path of so many bytes.
    fn pay(&mut self, len: usize) -> Result<(), ApplyError> {
        self.walked += len as u64 + 1;
        if self.walked > self.limits.walked {
            let what = "more names that lead through links or to what is not there";
            return Err(ApplyError::limit("walked", what, self.limits.walked));
        }
        Ok(())
    }

    fn step(&mut self, dir: &TreePath, part: &[u8], missing: Missing) -> Result<Step, ApplyError> {
        let parent = self.dirs.real(dir).map_err(failed("opening", dir))?;
        let name = os(part);
        let Some(stat) = look(&parent, name)? else {
            return match missing {
                Missing::Skip => Ok(Step::Nowhere),
                Missing::Hollow if self.is_emptied(dir) => Ok(Step::Nowhere),
                _ => self.imply(&parent, name, missing == Missing::Hollow).map(|()| Step::Into),
            };
        };
        match kind_of(&stat) {
            FileType::Directory => Ok(Step::Into),
            FileType::Symlink => {
                let target = fs::readlinkat(&parent.fd, name, Vec::new());
                let target = target.map_err(failed("reading the link", &dir.join(part)))?;
                Ok(Step::Link(target.into_bytes()))
            }
            _ if missing != Missing::Create => Ok(Step::Nowhere),
            _ if self.is_overlay() && is_whiteout(&stat) => {
                self.unhide(&parent, name).map(|()| Step::Into)
            }
            _ => Err(ApplyError::refused(&dir.join(part), "it is no directory, yet has entries")),
        }
    }

    /// Makes a directory that no entry has described.
    fn imply(&mut self, parent: &Parent, name: &OsStr, hollow: bool) -> Result<(), ApplyError> {
        let path = parent.path.join(name.as_encoded_bytes());
        self.make_plain_dir(parent, name, &path)?;
        if !hollow {
            self.mark(parent, &path);
        }
        // Where the lower layers are hidden there is nothing to be looked up.
        if self.is_overlay() && !self.is_emptied(&parent.path) {
            self.implied.add(path, hollow);
        }
        Ok(())
    }

    /// Makes a directory where this layer has hidden one: all that is in it is this layer's.
    fn unhide(&mut self, parent: &Parent, name: &OsStr) -> Result<(), ApplyError> {
        let path = parent.path.join(name.as_encoded_bytes());
        fs::unlinkat(&parent.fd, name, fs::AtFlags::empty()).map_err(failed("removing", &path))?;
        self.make_plain_dir(parent, name, &path)?;
        self.mark(parent, &path);
        let made = self.dirs.real(&path).map_err(failed("opening", &path))?;
        self.set_opaque(&made)
    }

    /// 0755 and root's, whatever the umask and the directory above it say.
    fn make_plain_dir(
        &mut self,
        parent: &Parent,
        name: &OsStr,
        path: &TreePath,
    ) -> Result<(), ApplyError> {
        let bits = Bits::from_raw_mode(0o755);
        fs::mkdirat(&parent.fd, name, bits).map_err(failed("making the directory", path))?;
        self.count(4096)?;
        let fd = self.open_made(parent, name, path)?;
        if parent.setgid && self.privilege == Privilege::Root {
            fs::fchown(&fd, Some(Uid::ROOT), Some(Gid::ROOT)).map_err(failed("owning", path))?;
        }
        if parent.setgid || !self.maker.gives(0o755) {
            fs::fchmod(&fd, bits).map_err(failed("setting the mode of", path))?;
        }
        let made = Parent { fd: fd.into(), path: path.clone(), setgid: false };
        self.dirs.insert(made, Final::default()).map_err(failed("opening", path))?;
        Ok(())
    }
}

/// The parts of a path or a link target; `..` among them.
fn parts(path: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    path.split(|&byte| byte == b'/')
        .filter(|part| !part.is_empty() && *part != b".")
        .map(<[u8]>::to_vec)
}

fn os(bytes: &[u8]) -> &OsStr {
    std::os::unix::ffi::OsStrExt::from_bytes(bytes)
}
