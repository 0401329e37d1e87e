//! What a layer removes from those below it, in each mode.
//!
//! Whiteouts and entries may come in any order: a layer's whiteout never touches what the same
//! layer made. In place, that is what `made` knows. In an overlay all that is staged was made by
//! this layer, and a directory that is both hidden and made becomes opaque.

use std::ffi::OsStr;

use rustix::fs::{self, AtFlags, FileType, Mode as Bits, XattrFlags};
use rustix::io::Errno;

use super::super::{ApplyError, Entry, Mode, OverlayXattrs, TreePath};
use super::open::Parent;
use super::resolve::Missing;
use super::{TreeSink, failed, kind_of, look};

impl TreeSink {
    /// The lower layers' `entry.path` is not to be seen.
    pub(super) fn whiteout(&mut self, entry: &Entry) -> Result<(), ApplyError> {
        match self.mode {
            Mode::Base => Ok(()),
            Mode::InPlace => self.whiteout_in_place(&entry.path),
            Mode::Overlay(_) => self.whiteout_in_overlay(&entry.path),
        }
    }

    /// Nothing that the lower layers have in the directory `name` is to be seen.
    pub(super) fn opaque(&mut self, name: &TreePath) -> Result<(), ApplyError> {
        match self.mode {
            Mode::Base => Ok(()),
            Mode::InPlace => match self.dir(name, Missing::Skip)? {
                Some(dir) => self.empty(&dir),
                None => Ok(()),
            },
            Mode::Overlay(_) => match self.dir(name, Missing::Hollow)? {
                // An overlay reads no opaque mark on a layer's root.
                Some(dir) if dir.path.is_root() => {
                    self.tree.needs_parent = true;
                    Ok(())
                }
                Some(dir) if !self.is_emptied(&dir.path) => self.set_opaque(&dir),
                _ => Ok(()),
            },
        }
    }

    fn whiteout_in_place(&mut self, path: &TreePath) -> Result<(), ApplyError> {
        let Some(parent) = self.dir(&path.parent(), Missing::Skip)? else { return Ok(()) };
        let name = path.name();
        let Some(stat) = look(&parent, name)? else { return Ok(()) };
        let real = parent.path.join(name.as_encoded_bytes());
        let is_dir = kind_of(&stat) == FileType::Directory;
        match (self.made.has(&real), is_dir) {
            (true, false) => Ok(()),
            (true, true) => {
                let dir = self.dirs.real(&real).map_err(failed("opening", &real))?;
                self.empty(&dir)
            }
            (false, true) => self.remove_tree(&parent, name, &real),
            (false, false) => {
                self.dirs.forget_aliases();
                fs::unlinkat(&parent.fd, name, AtFlags::empty()).map_err(failed("removing", &real))
            }
        }
    }

    fn whiteout_in_overlay(&mut self, path: &TreePath) -> Result<(), ApplyError> {
        let Some(parent) = self.dir(&path.parent(), Missing::Hollow)? else { return Ok(()) };
        if self.is_emptied(&parent.path) {
            return Ok(());
        }
        let name = path.name();
        let real = parent.path.join(name.as_encoded_bytes());
        if !self.make_whiteout(&parent, name)? {
            let stat = look(&parent, name)?;
            if !stat.is_some_and(|stat| kind_of(&stat) == FileType::Directory) {
                return Ok(());
            }
            if self.made.has(&real) {
                let dir = self.dirs.real(&real).map_err(failed("opening", &real))?;
                return self.set_opaque(&dir);
            }
            // It only held whiteouts, and is hidden with what they hid.
            self.remove_tree(&parent, name, &real)?;
            self.make_whiteout(&parent, name)?;
        }
        self.implied.holds_whiteout(&parent.path);
        self.count(0)
    }

    /// Makes the device that hides; `false` where something is in its place.
    fn make_whiteout(&self, parent: &Parent, name: &OsStr) -> Result<bool, ApplyError> {
        match fs::mknodat(&parent.fd, name, FileType::CharacterDevice, Bits::empty(), 0) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            Err(errno) => {
                let path = parent.path.join(name.as_encoded_bytes());
                Err(failed("making the whiteout", &path)(errno))
            }
        }
    }

    /// Tells the overlay that a directory hides those below it. Whiteouts in it are of no use now,
    /// and an overlay would show them as devices.
    pub(super) fn set_opaque(&mut self, dir: &Parent) -> Result<(), ApplyError> {
        let name = match self.mode {
            Mode::Overlay(OverlayXattrs::User) => "user.overlay.opaque",
            _ => "trusted.overlay.opaque",
        };
        fs::fsetxattr(&dir.fd, name, b"y", XattrFlags::empty())
            .map_err(failed("making opaque", &dir.path))?;
        self.empty(dir)
    }
}
