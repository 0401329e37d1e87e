//! What a disk was told, in order.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::soak::Random;

/// What a disk writes whole or not at all.
const BLOCK: usize = 4096;

/// A moment of a log: so many events lie before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Moment(pub usize);

#[derive(Clone, Copy)]
enum Event {
    Write {
        offset: u64,
        len: usize,
        /// Where its bytes are in the file of all bytes.
        at: u64,
    },
    Flush,
}

/// The bytes of a disk as it is now, and all that it was told.
pub struct Log {
    now: File,
    bytes: File,
    size: u64,
    told: Mutex<Told>,
}

#[derive(Default)]
struct Told {
    events: Vec<Event>,
    len: u64,
}

impl Log {
    /// Of an empty disk of `size` bytes.
    pub fn new(size: u64) -> io::Result<Self> {
        let (now, bytes) = (tempfile::tempfile()?, tempfile::tempfile()?);
        now.set_len(size)?;
        Ok(Self { now, bytes, size, told: Mutex::default() })
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    pub fn read(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.now.read_exact_at(buffer, offset)
    }

    pub fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut told = self.told();
        let at = told.len;
        self.bytes.write_all_at(data, at)?;
        self.now.write_all_at(data, offset)?;
        told.len += data.len() as u64;
        told.events.push(Event::Write { offset, len: data.len(), at });
        Ok(())
    }

    pub fn flush(&self) {
        self.told().events.push(Event::Flush);
    }

    /// After all that was told so far.
    pub fn moment(&self) -> Moment {
        Moment(self.told().events.len())
    }

    /// Writes to `image` what a disk holds whose power goes at `moment`.
    pub fn cut(&self, moment: Moment, random: &mut Random, image: &Path) -> io::Result<()> {
        let events = self.told().events[..moment.0].to_vec();
        let flushed = events.iter().rposition(|event| matches!(event, Event::Flush)).unwrap_or(0);
        let image = File::create(image)?;
        image.set_len(self.size)?;
        for (n, event) in events.into_iter().enumerate() {
            let Event::Write { offset, len, at } = event else { continue };
            let mut data = vec![0; len];
            self.bytes.read_exact_at(&mut data, at)?;
            for (block, data) in data.chunks(BLOCK).enumerate() {
                if n < flushed || random.next().is_multiple_of(2) {
                    image.write_all_at(data, offset + (block * BLOCK) as u64)?;
                }
            }
        }
        Ok(())
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_flushed_is_there_and_the_rest_may_be() {
        let log = Log::new(1 << 20).unwrap();
        log.write(0, &[1; 3 * BLOCK]).unwrap();
        log.flush();
        let flushed = log.moment();
        log.write(BLOCK as u64, &[2; 64 * BLOCK]).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("image");
        let cut = |moment| {
            log.cut(moment, &mut Random::new(3), &image).unwrap();
            std::fs::read(&image).unwrap()
        };
        let then = cut(flushed);
        assert!(then[..3 * BLOCK].iter().all(|byte| *byte == 1));
        assert!(then[3 * BLOCK..].iter().all(|byte| *byte == 0));
        let later = cut(log.moment());
        assert!(later[..BLOCK].iter().all(|byte| *byte == 1), "it was not written again");
        let new = later[BLOCK..65 * BLOCK].chunks(BLOCK).filter(|block| block[0] == 2).count();
        assert!(0 < new && new < 64, "{new} of 64 blocks");
        let mut now = vec![0; BLOCK];
        log.read(BLOCK as u64, &mut now).unwrap();
        assert!(now.iter().all(|byte| *byte == 2));
    }
}
