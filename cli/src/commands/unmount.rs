//! `varve unmount`: the end of `varve mount`.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use varve_core::{Error, Result};
use varve_snapshotter::mounting;

use crate::failure;
use crate::mounts;
use crate::session::Session;

/// Unmount what `varve mount` has mounted
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  varve unmount /mnt")]
pub struct Unmount {
    /// The directory it is mounted on
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

#[derive(Serialize)]
struct Done {
    target: String,
}

impl Unmount {
    pub async fn run(self, session: &Session) -> failure::Result<()> {
        let target = path(&self.dir)?;
        let mounted = mounts::on(&session.services, &target).await?;
        match mounted.first() {
            Some(mounted) => {
                unmount(&target).await?;
                mounted.remove(&*session.services.leases).await?;
            }
            // What a kill -9 of `varve mount` may leave.
            None if mounts::forget(&session.services, &target).await? => {}
            None => {
                let message = format!(
                    "{}: no image is mounted there by varve; `findmnt` tells what is",
                    target.display()
                );
                return Err(Error::not_found(message).into());
            }
        }
        let target = target.display().to_string();
        session.output.lines(&[], &Done { target })
    }
}

/// What somebody else unmounted before need not be unmounted again.
async fn unmount(target: &Path) -> Result<()> {
    if !is_mount_point(target) {
        return Ok(());
    }
    let at = target.to_owned();
    let done = tokio::task::spawn_blocking(move || mounting::unmount(&at)).await;
    done.map_err(|error| Error::internal("unmounting").with_source(error)).flatten()
}

/// The directory's real path; one that is gone, or cannot be entered, is taken as it stands.
fn path(dir: &Path) -> Result<PathBuf> {
    let path = dir.canonicalize().or_else(|_| std::path::absolute(dir));
    path.map_err(|error| Error::io(dir.display(), error))
}

fn is_mount_point(target: &Path) -> bool {
    use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
    let found = statx(CWD, target, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::empty());
    // An old kernel does not tell: then to try is the way to find out.
    found.is_ok_and(|found| {
        !found.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT)
            || found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_point_is_told_from_a_directory() {
        assert!(is_mount_point(Path::new("/proc")));
        let dir = tempfile::tempdir().unwrap();
        assert!(!is_mount_point(dir.path()));
        assert!(!is_mount_point(&dir.path().join("gone")));
    }
}
