//! Going through a tree, directory by directory, however large a stranger made it.
//!
//! Of each directory on the way a few names are remembered; where it has more directories it is opened again
//! for the next ones.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::read::read;

/// Names of directories that are remembered of each directory on the way.
const NAMES: usize = 64;

/// What is done on the way. Paths are from the root, which is the empty one.
pub(super) trait Visit {
    /// An open directory.
    type Dir: AsFd;
    /// What is kept of a directory until it is left.
    type Kept;

    /// Before a directory is opened.
    fn enter(&mut self, path: &Path) -> Result<Self::Kept, Errno>;
    /// Opens it, more than once where it is large; `None` where it is passed over.
    fn open(&mut self, path: &Path) -> Result<Option<Self::Dir>, Errno>;
    /// Each name in it; whether that is a directory to go through.
    fn entry(&mut self, dir: &Self::Dir, name: &Path) -> Result<bool, Errno>;
    /// Once all below it is done.
    fn leave(&mut self, path: &Path, kept: Self::Kept) -> Result<(), Errno>;
}

/// Goes through a whole tree; where it fails, also answers in which directory.
pub(super) fn walk<V: Visit>(visit: &mut V) -> Result<(), (PathBuf, Errno)> {
    let mut path = PathBuf::new();
    go(visit, &mut path).map_err(|errno| (path, errno))
}

fn go<V: Visit>(visit: &mut V, path: &mut PathBuf) -> Result<(), Errno> {
    let mut levels = vec![Level::enter(visit, path)?];
    while let Some(level) = levels.last_mut() {
        if let Some(name) = level.next(visit, path)? {
            path.push(name);
            levels.push(Level::enter(visit, path)?);
        } else if let Some(level) = levels.pop() {
            visit.leave(path, level.kept)?;
            path.pop();
        }
    }
    Ok(())
}

/// A directory on the way.
struct Level<K> {
    kept: K,
    /// Directories in it, read and not gone through yet.
    names: Vec<PathBuf>,
    /// Where its reading goes on.
    from: Option<u64>,
}

impl<K> Level<K> {
    fn enter<V: Visit<Kept = K>>(visit: &mut V, path: &Path) -> Result<Self, Errno> {
        Ok(Self { kept: visit.enter(path)?, names: Vec::new(), from: Some(0) })
    }

    /// The next directory in it.
    fn next<V: Visit>(&mut self, visit: &mut V, path: &Path) -> Result<Option<PathBuf>, Errno> {
        if self.names.is_empty()
            && let Some(from) = self.from.take()
            && let Some(dir) = visit.open(path)?
        {
            self.from = read(&dir, Some(from), |name| {
                if visit.entry(&dir, name)? {
                    self.names.push(name.to_owned());
                }
                Ok(self.names.len() < NAMES)
            })?;
        }
        Ok(self.names.pop())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::os::fd::OwnedFd;

    use super::*;

    struct Seen {
        root: PathBuf,
        left: BTreeSet<PathBuf>,
        remembered: usize,
        most: usize,
    }

    impl Visit for Seen {
        type Dir = OwnedFd;
        type Kept = ();

        fn enter(&mut self, _: &Path) -> Result<(), Errno> {
            self.remembered = self.remembered.saturating_sub(1);
            Ok(())
        }

        fn open(&mut self, path: &Path) -> Result<Option<OwnedFd>, Errno> {
            Ok(Some(std::fs::File::open(self.root.join(path)).unwrap().into()))
        }

        fn entry(&mut self, _: &OwnedFd, _: &Path) -> Result<bool, Errno> {
            self.remembered += 1;
            self.most = self.most.max(self.remembered);
            Ok(true)
        }

        fn leave(&mut self, path: &Path, (): ()) -> Result<(), Errno> {
            assert!(self.left.insert(path.to_owned()), "{path:?} twice");
            Ok(())
        }
    }

    #[test]
    fn each_directory_is_gone_through_once_and_few_names_are_remembered() {
        let temp = tempfile::tempdir().unwrap();
        for at in 0..1000 {
            std::fs::create_dir_all(temp.path().join(format!("{at}/below"))).unwrap();
        }
        let root = temp.path().to_owned();
        let mut seen = Seen { root, left: BTreeSet::new(), remembered: 0, most: 0 };
        walk(&mut seen).unwrap();
        assert_eq!((seen.left.len(), seen.remembered), (2001, 0));
        assert!(seen.most <= NAMES + 1, "{}", seen.most);
    }
}
