//! The end of a run: nothing stays of it but its snapshot, its log and how it ended.

use rustix::io::Errno;
use rustix::mount::UnmountFlags;
use varve_core::{Error, Result};

use crate::container::place::Place;
use crate::container::runtime::Runtime;

/// Ends what still runs of the container and unmounts its root file system. Does nothing where nothing is left
/// of it; after a kill -9 of its monitor, the next start or removal calls it again. Blocks.
pub fn clear(place: &Place, runtime: &Runtime) -> Result<()> {
    if !place.bundle().exists() {
        return Ok(());
    }
    runtime.delete(place)?;
    unmount(place)?;
    place.remove_bundle()
}

/// Every mount on the directory; what stands in one keeps it alive, and unseen.
pub fn unmount(place: &Place) -> Result<()> {
    let rootfs = place.rootfs();
    loop {
        match rustix::mount::unmount(&rootfs, UnmountFlags::NOFOLLOW | UnmountFlags::DETACH) {
            Ok(()) => {}
            Err(Errno::INVAL | Errno::NOENT) => return Ok(()),
            Err(errno) => {
                return Err(Error::io(format!("unmounting {}", rootfs.display()), errno.into()));
            }
        }
    }
}
