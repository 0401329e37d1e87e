//! Bytes hashed no faster than they may be, until nobody waits for the digest.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustix::fs::{Advice, fadvise};
use varve_core::{Digest, Error, Hasher, Kind, Result};

use super::Look;
use crate::layout::at;

/// Bytes that are read at a time.
const CHUNK: usize = 256 << 10;
/// Longest sleep: who gives up is not waited for longer.
const NAP: Duration = Duration::from_millis(100);

/// How much was hashed, and since when.
pub struct Pace {
    begun: Instant,
    bytes: u64,
    per_second: u64,
}

impl Pace {
    pub fn new(per_second: u64) -> Self {
        Self { begun: Instant::now(), bytes: 0, per_second }
    }

    pub fn hashed(&self) -> u64 {
        self.bytes
    }

    /// How long to wait before more is read.
    fn ahead(&self) -> Duration {
        if self.per_second == 0 {
            return Duration::ZERO;
        }
        let due = Duration::from_secs_f64(self.bytes as f64 / self.per_second as f64);
        due.saturating_sub(self.begun.elapsed())
    }
}

impl Look {
    /// The digest of an open file's bytes. Cancelled once nobody waits for it, or the store is closed.
    pub fn hash(&self, digest: &Digest, file: &File, pace: &mut Pace) -> Result<Digest> {
        let mut hasher = Hasher::new();
        let mut buffer = vec![0; CHUNK];
        loop {
            self.wait(pace)?;
            let read = match file.read_at(&mut buffer, hasher.len()) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                read => read.map_err(|error| at(&self.store.layout.blob(digest), error))?,
            };
            if read == 0 {
                break;
            }
            hasher.update(&buffer[..read]);
            pace.bytes += read as u64;
            self.progress.tell(pace.bytes);
        }
        if pace.per_second > 0 {
            // What is hashed in the background is not what others read next.
            let _ = fadvise(file, 0, None, Advice::DontNeed);
        }
        Ok(hasher.digest())
    }

    fn wait(&self, pace: &Pace) -> Result<()> {
        loop {
            self.go_on()?;
            match pace.ahead() {
                Duration::ZERO => return Ok(()),
                ahead => std::thread::sleep(ahead.min(NAP)),
            }
        }
    }

    /// Whether anybody waits for this.
    pub fn go_on(&self) -> Result<()> {
        self.store.check_open()?;
        match self.given_up.load(Ordering::Relaxed) {
            true => Err(Error::new(Kind::Cancelled, "nobody waits for it")),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_ahead_of_the_pace_waits_and_who_has_none_never() {
        let paced = Pace { bytes: 1000, ..Pace::new(100) };
        assert!(paced.ahead() > Duration::from_secs(9), "{:?}", paced.ahead());
        assert_eq!(Pace { bytes: 1 << 40, ..Pace::new(0) }.ahead(), Duration::ZERO);
        assert_eq!(Pace::new(1).ahead(), Duration::ZERO);
    }
}
