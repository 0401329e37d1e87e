//! Each recorded blob's file: is it there, of its size, of its time, and of its digest.

use std::collections::hash_map::RandomState;
use std::fs::File;
use std::hash::BuildHasher;
use std::io::ErrorKind;

use varve_core::fsck::{Depth, Fault, Report};
use varve_core::{Digest, Namespace, Result};

use super::Look;
use super::pace::Pace;
use super::survey::Survey;
use crate::content::sound::{self, OTHER_BYTES};
use crate::layout::{at, open_plain};
use crate::records::values::{Content, Seal};
use crate::store;

/// Times that a blob is judged which is another one each time.
const TRIES: u32 = 8;

type Wrong = (Fault, String);

/// A blob, and the namespaces that have a record of it: what is stored of who has which may itself be wrong.
struct Blob<'a> {
    digest: &'a Digest,
    homes: &'a [Namespace],
}

enum Judged {
    Sound,
    Wrong(Wrong),
    /// Its record went, or another file came.
    Again,
}

impl Look {
    /// Judges every blob that has a record. Blocks.
    pub fn blobs(&self, survey: &Survey, report: &mut Report) -> Result<()> {
        let mut all: Vec<_> = survey.recorded.iter().collect();
        if self.how.depth == Depth::Scrub {
            // One that never comes to its end has looked at all of them in time.
            let start = RandomState::new().hash_one(all.len()) as usize % all.len().max(1);
            all.rotate_left(start);
        }
        let mut pace = Pace::new(self.how.bytes_per_second);
        for (digest, homes) in all {
            self.go_on()?;
            if let Some((fault, what)) = self.settle(&Blob { digest, homes }, &mut pace)? {
                report.add(Self::finding(fault, None, digest, what));
            }
            report.blobs += 1;
        }
        report.hashed = pace.hashed();
        Ok(())
    }

    fn record(&self, Blob { digest, homes }: &Blob<'_>) -> Result<Option<Content>> {
        for home in *homes {
            if let Some(record) = store::record(self.store.records.db(), home, digest)? {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    fn settle(&self, blob: &Blob<'_>, pace: &mut Pace) -> Result<Option<Wrong>> {
        for _ in 0..TRIES {
            let Some(record) = self.record(blob)? else { return Ok(None) };
            match self.judge(blob, &record, pace)? {
                Judged::Sound => return Ok(None),
                Judged::Wrong(wrong) => return Ok(Some(wrong)),
                Judged::Again => {}
            }
        }
        Ok(None)
    }

    fn judge(&self, blob: &Blob<'_>, record: &Content, pace: &mut Pace) -> Result<Judged> {
        let digest = blob.digest;
        let path = self.store.layout.blob(digest);
        let file = match open_plain(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return self.lost(blob),
            file => file.map_err(|error| at(&path, error))?,
        };
        let facts = file.metadata().map_err(|error| at(&path, error))?;
        let now = Seal::of(&facts);
        if !facts.is_file() || now.size != record.size {
            let what = format!("its file has {} bytes, its record {}", now.size, record.size);
            return Ok(match self.is_as_it_was(blob, &file, record)? {
                true => Judged::Wrong((Fault::Cut, what)),
                false => Judged::Again,
            });
        }
        let marked = self.store.is_marked(digest)?;
        let touched = !record.seal().holds(&now);
        if self.how.depth == Depth::Quick && !touched {
            let found = "its bytes were found not to be those of its digest".to_owned();
            return Ok(if marked { Judged::Wrong((Fault::Flipped, found)) } else { Judged::Sound });
        }
        self.digest(digest, &file, now, marked || record.seal() != now, pace)
    }

    /// Hashes a file; leaves in the records what it is.
    fn digest(
        &self,
        digest: &Digest,
        file: &File,
        now: Seal,
        stale: bool,
        pace: &mut Pace,
    ) -> Result<Judged> {
        if self.hash(digest, file, pace)? != *digest {
            return Ok(match self.store.mark_if_still(digest, file)? {
                true => Judged::Wrong((Fault::Flipped, OTHER_BYTES.to_owned())),
                false => Judged::Again,
            });
        }
        if stale {
            let _alone = self.store.placing.blocking_write();
            if !self.store.is_still(digest, file)? {
                return Ok(Judged::Again);
            }
            let digest = *digest;
            self.store.records.write_blocking(move |change| sound::reseal(change, &digest, now))?;
        }
        Ok(Judged::Sound)
    }

    /// There is no file: that is damage where the record is still here when nobody puts files in place.
    fn lost(&self, blob: &Blob<'_>) -> Result<Judged> {
        let _alone = self.store.placing.blocking_write();
        let recorded = self.record(blob)?.is_some();
        let there = self.store.layout.blob_size(blob.digest).is_some();
        Ok(match recorded && !there {
            true => Judged::Wrong((Fault::NoBytes, "its file is missing".into())),
            false => Judged::Again,
        })
    }

    fn is_as_it_was(&self, blob: &Blob<'_>, file: &File, record: &Content) -> Result<bool> {
        let _alone = self.store.placing.blocking_write();
        let now = self.record(blob)?;
        let same = now.is_some_and(|now| now.seal() == record.seal());
        Ok(same && self.store.is_still(blob.digest, file)?)
    }
}
