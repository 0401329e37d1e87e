//! Blobs whose files are what their records say, and those that are not.
//!
//! A file's size and the time of its last write are looked at whenever it is opened. One that was touched
//! since it was hashed is hashed again, once: either its new time is recorded, or the blob is marked as
//! damaged. Bytes that rot without a write are found by hashing alone ([`crate::fsck`]), which leaves the
//! same mark. What is marked is not here for whoever reads or writes it, until it is written anew.

use std::fs::File;
use std::os::unix::fs::MetadataExt;

use varve_core::{Digest, Result};

use crate::ingest::channel::rehash;
use crate::layout::{at, lost};
use crate::records::values::{Content, Seal};
use crate::records::{Change, Noun, View, edges, values};
use crate::store::Store;

/// Times that a file is looked at which is another one each time.
const TRIES: u32 = 8;

fn key(digest: &Digest) -> Vec<u8> {
    format!("damaged/{digest}").into_bytes()
}

/// Why the bytes of a marked blob are given to nobody.
pub const OTHER_BYTES: &str = "its bytes are not those of its digest";

impl Store {
    /// Opens a blob's file. DataLoss where it is not what `record` says, or is marked. Blocks: one that
    /// was touched is hashed.
    pub fn open_sound(&self, digest: &Digest, record: &Content) -> Result<File> {
        for _ in 0..TRIES {
            if self.is_marked(digest)? {
                break;
            }
            let mut file = self.layout.open_blob(digest, record.size)?;
            let now = self.seal(digest, &file)?;
            if record.seal().holds(&now) {
                return Ok(file);
            }
            let path = self.layout.blob(digest);
            let hashed = rehash(&mut file).map_err(|error| at(&path, error))?.digest();
            if hashed == *digest {
                // Touched again meanwhile, it is hashed again the next time.
                let digest = *digest;
                self.records.write_blocking(move |change| reseal(change, &digest, now))?;
                return Ok(file);
            }
            if self.mark_if_still(digest, &file)? {
                break;
            }
        }
        Err(lost(digest, OTHER_BYTES))
    }

    fn seal(&self, digest: &Digest, file: &File) -> Result<Seal> {
        let facts = file.metadata().map_err(|error| at(&self.layout.blob(digest), error))?;
        Ok(Seal::of(&facts))
    }

    /// Whether it was found damaged, and not written anew since.
    pub fn is_marked(&self, digest: &Digest) -> Result<bool> {
        Ok(self.records.db().get(&key(digest))?.is_some())
    }

    /// Marks a blob as damaged, unless another file has come in the place of this one. Blocks.
    pub fn mark_if_still(&self, digest: &Digest, file: &File) -> Result<bool> {
        // Whoever puts a file in place has recorded it before we go on.
        let _alone = self.placing.blocking_write();
        if !self.is_still(digest, file)? {
            return Ok(false);
        }
        let mark = key(digest);
        self.records.write_blocking(move |change| change.put(&mark, Vec::new()))?;
        self.opened.let_go();
        Ok(true)
    }

    /// Whether an open file is still the blob's.
    pub fn is_still(&self, digest: &Digest, file: &File) -> Result<bool> {
        let path = self.layout.blob(digest);
        let ours = file.metadata().map_err(|error| at(&path, error))?;
        let theirs = std::fs::symlink_metadata(&path);
        Ok(theirs.is_ok_and(|it| (it.dev(), it.ino()) == (ours.dev(), ours.ino())))
    }
}

/// Records in every namespace what the file is now that its bytes are known to be right.
pub fn reseal(change: &mut Change<'_>, digest: &Digest, seal: Seal) -> Result<()> {
    if change.has(&key(digest))? {
        change.delete(&key(digest))?;
    }
    let prefix = edges::holder_prefix(digest);
    for (holder, _) in change.scan(&prefix)? {
        let namespace = std::str::from_utf8(&holder[prefix.len()..]).ok();
        let Some(namespace) = namespace.and_then(|name| name.parse().ok()) else { continue };
        let noun = Noun::content(&namespace, digest);
        let Some(value) = change.get(&noun.key())? else { continue };
        let record: Content = values::decode(&noun, &value)?;
        if record.seal() != seal {
            let Seal { size, mtime } = seal;
            change.put(&noun.key(), values::encode(&Content { size, mtime, ..record })?)?;
        }
    }
    Ok(())
}
