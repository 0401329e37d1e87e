//! What a layer leaves to others of the file system that it is laid down on.

use std::os::fd::AsFd;

use rustix::fs;

use super::super::ApplyError;

/// Bytes that are written between two looks at what is free.
const STEP: u64 = 16 << 20;

/// Looks at what is free, for the first byte and each so many after it.
pub(super) struct Room {
    reserve: u64,
    /// Bytes until the next look.
    left: u64,
}

impl Room {
    pub(super) fn new(reserve: u64) -> Self {
        Self { reserve, left: 0 }
    }

    /// Before so many bytes are written to `file`.
    pub(super) fn spend(&mut self, bytes: u64, file: impl AsFd) -> Result<(), ApplyError> {
        if let Some(left) = self.left.checked_sub(bytes) {
            self.left = left;
            return Ok(());
        }
        self.left = STEP;
        // A file system that does not say is written to until it is full.
        let Ok(stat) = fs::fstatvfs(file) else { return Ok(()) };
        let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
        let reserve = self.reserve.min(bytes(stat.f_blocks) / 100);
        match bytes(stat.f_bavail) {
            free if free < reserve => Err(ApplyError::Reserve { free, reserve }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_free_is_looked_at_once_in_so_many_bytes() {
        let file = tempfile::tempfile().unwrap();
        let mut room = Room::new(0);
        assert_eq!((room.spend(1, &file).is_ok(), room.left), (true, STEP));
        assert_eq!((room.spend(STEP - 1, &file).is_ok(), room.left), (true, 1));
        assert_eq!((room.spend(2, &file).is_ok(), room.left), (true, STEP));
    }
}
