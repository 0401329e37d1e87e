//! Archives, laid down: nothing outside the root is read or changed, whatever the bytes say.

use std::cell::RefCell;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use varve_core::oci::Compression;
use varve_snapshotter::apply::{Limits, Mode, Options, OverlayXattrs, Privilege, apply};

const MODES: [Mode; 3] = [Mode::InPlace, Mode::Overlay(OverlayXattrs::User), Mode::Base];

thread_local! {
    static YARD: RefCell<Yard> = RefCell::new(Yard::new());
}

/// The bytes are a layer, the sums of its headers made right, laid down in each mode.
pub fn extract(data: &[u8]) {
    let data = crate::tar::summed(data);
    YARD.with_borrow(|yard| MODES.iter().for_each(|mode| yard.lay(*mode, &data)));
}

/// A directory for roots, and beside them what must stay as it is.
struct Yard {
    home: TempDir,
    before: Vec<String>,
}

impl Yard {
    fn new() -> Self {
        let home = crate::scratch::directory();
        let beside = home.path().join("beside");
        fs::create_dir(&beside).unwrap();
        fs::write(beside.join("canary"), "sings").unwrap();
        fs::set_permissions(beside.join("canary"), Permissions::from_mode(0o640)).unwrap();
        let before = state(&beside);
        Self { home, before }
    }

    fn lay(&self, mode: Mode, data: &[u8]) {
        let root = self.home.path().join("root");
        fs::create_dir(&root).unwrap();
        if mode == Mode::InPlace {
            self.furnish(&root);
        }
        let limits = Limits {
            total_bytes: 1 << 20,
            entries: 2000,
            walked: 8 << 20,
            ratio_floor: 1 << 20,
            ..Limits::default()
        };
        let options = Options { limits, privilege: Privilege::None, ..Options::new(mode) };
        let opened = File::open(&root).unwrap().into();
        let laid = apply(data, Compression::None, opened, &options);
        assert_eq!(state(&self.home.path().join("beside")), self.before, "{mode:?}");
        let mut names = names(self.home.path());
        names.sort();
        assert_eq!(names, ["beside", "root"].map(PathBuf::from), "{mode:?}");
        if let Err(varve_snapshotter::apply::ApplyError::Panicked(why)) = laid {
            panic!("{mode:?}: {why}");
        }
        crate::scratch::remove(&root);
    }

    /// What a layer below may have left: links out of the root, and things to be replaced.
    fn furnish(&self, root: &Path) {
        let beside = self.home.path().join("beside");
        symlink(&beside, root.join("l")).unwrap();
        symlink("../beside", root.join("r")).unwrap();
        symlink("../beside/canary", root.join("f")).unwrap();
        fs::create_dir(root.join("d")).unwrap();
        symlink("../../beside", root.join("d/u")).unwrap();
        fs::write(root.join("d/x"), "below").unwrap();
    }
}

fn names(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into()).collect()
}

/// All that can be seen of a directory and what is in it.
fn state(dir: &Path) -> Vec<String> {
    let mut all = vec![dir.to_owned()];
    all.extend(names(dir).into_iter().map(|name| dir.join(name)));
    let told = |path: &PathBuf| {
        let facts = fs::symlink_metadata(path).unwrap();
        let owner = (facts.mode(), facts.uid(), facts.gid(), facts.nlink(), facts.size());
        let times = (facts.mtime(), facts.mtime_nsec(), facts.ctime(), facts.ctime_nsec());
        let bytes = fs::read(path).unwrap_or_default();
        format!("{} {owner:?} {times:?} {bytes:?}", path.display())
    };
    let mut told: Vec<String> = all.iter().map(told).collect();
    told.sort();
    told
}
