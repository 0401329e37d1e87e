//! Reading a directory as it comes: its names are never all in memory.

use std::ffi::OsStr;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{RawDir, SeekFrom, seek};
use rustix::io::Errno;

/// Bytes of entries that the kernel gives at once.
const BUFFER: usize = 16 << 10;

/// Calls `each` with the names in the open directory `dir`, without `.` and `..`, from the start or from where an
/// earlier call stopped, until it answers `false`. Answers where that was; `None` at the end.
pub(super) fn read(
    dir: impl AsFd,
    from: Option<u64>,
    mut each: impl FnMut(&Path) -> Result<bool, Errno>,
) -> Result<Option<u64>, Errno> {
    let mut buffer = [MaybeUninit::uninit(); BUFFER];
    seek(&dir, SeekFrom::Start(from.unwrap_or(0)))?;
    let mut entries = RawDir::new(dir, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." && !each(Path::new(OsStr::from_bytes(name)))? {
            return Ok(Some(entry.next_entry_cookie()));
        }
    }
    Ok(None)
}

/// Whether the open directory `dir` has nothing in it.
pub(crate) fn is_empty(dir: impl AsFd) -> Result<bool, Errno> {
    Ok(read(dir, None, |_| Ok(false))?.is_none())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_reading_goes_on_where_it_stopped_with_each_name_once() {
        let temp = tempfile::tempdir().unwrap();
        let names: BTreeSet<String> = (0..2000).map(|at| format!("name-{at:020}")).collect();
        for name in &names {
            std::fs::create_dir(temp.path().join(name)).unwrap();
        }
        let (mut seen, mut from) = (Vec::new(), None);
        loop {
            let dir = std::fs::File::open(temp.path()).unwrap();
            let mut left = 300;
            from = read(&dir, from, |name| {
                seen.push(name.to_str().unwrap().to_owned());
                left -= 1;
                Ok(left > 0)
            })
            .unwrap();
            if from.is_none() {
                break;
            }
        }
        assert_eq!((seen.len(), seen.into_iter().collect()), (2000, names));
        assert!(!is_empty(std::fs::File::open(temp.path()).unwrap()).unwrap());
        let empty = temp.path().join("name-00000000000000000000");
        assert!(is_empty(std::fs::File::open(empty).unwrap()).unwrap());
    }
}
