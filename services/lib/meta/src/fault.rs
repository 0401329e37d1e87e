//! What can go wrong below the database, by what a reader would do about it; panics of sled become
//! one of these.

use std::cell::Cell;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::Once;

use varve_core::{Error, Kind};

/// A failure of the engine or of a file beside it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// The bytes on disk are not what was written: quarantine and restore.
    #[error("the stored data is damaged: {0}")]
    Damaged(String),
    /// The machine refuses: nothing is known to be wrong with the bytes.
    #[error("{0}")]
    Io(#[source] io::Error),
    /// Sled's own lock is still held, by threads of a database that was just closed.
    #[error("sled's file is still locked")]
    Locked,
}

impl Fault {
    /// This fault as the error of a trait; `noun` says which database, or which file.
    pub fn about(self, noun: impl Into<String>) -> Error {
        match self {
            Self::Damaged(why) => Error::data_loss(noun).with_source(why),
            Self::Io(error) => Error::io(noun.into(), error),
            Self::Locked => Error::new(Kind::Unavailable, noun).with_source(self),
        }
    }

    /// An operating system error, with the path in its message.
    pub fn io(path: &Path, error: io::Error) -> Self {
        Self::Io(io::Error::new(error.kind(), format!("{}: {error}", path.display())))
    }
}

impl From<sled::Error> for Fault {
    fn from(error: sled::Error) -> Self {
        match error {
            sled::Error::Io(error) => from_io(error),
            other => Self::Damaged(other.to_string()),
        }
    }
}

/// Sled wraps short files, missing blobs and a held lock into io errors; those are no fault of the
/// machine's. Its clones of an error lose the errno, so the kind must do.
fn from_io(error: io::Error) -> Fault {
    use io::ErrorKind as Io;
    if error.to_string().contains("could not acquire lock") {
        return Fault::Locked;
    }
    match error.kind() {
        Io::UnexpectedEof | Io::InvalidData | Io::InvalidInput | Io::NotFound | Io::Other => {
            Fault::Damaged(error.to_string())
        }
        _ => Fault::Io(error),
    }
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs `call`; a panic inside becomes [`Fault::Damaged`], and prints nothing.
pub(crate) fn catch<T>(call: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    hush();
    let before = QUIET.replace(true);
    let caught = panic::catch_unwind(AssertUnwindSafe(call));
    QUIET.set(before);
    caught.unwrap_or_else(|panic| Err(Fault::Damaged(format!("sled panicked: {}", words(&*panic)))))
}

/// The text of a panic, where it has one.
pub(crate) fn words(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

/// Puts a hook before the one of the process that says nothing on a thread inside [`catch`].
fn hush() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let next = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.try_with(Cell::get).unwrap_or(false) {
                next(info);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_inside_becomes_damage_with_its_words() {
        let fault = catch(|| -> Result<(), Fault> { panic!("the page {} is gone", 7) });
        assert!(matches!(fault, Err(Fault::Damaged(why)) if why.contains("the page 7 is gone")));
    }

    #[test]
    fn a_full_disk_is_no_damage() {
        let full = sled::Error::Io(io::Error::from_raw_os_error(28));
        let fault = Fault::from(full);
        assert!(matches!(fault, Fault::Io(_)));
        assert_eq!(fault.about("writing").kind(), Kind::ResourceExhausted);
    }

    #[test]
    fn corruption_that_sled_reports_is_damage() {
        let fault = Fault::from(sled::Error::Corruption { at: None, bt: () });
        assert_eq!(fault.about("reading").kind(), Kind::DataLoss);
    }
}
