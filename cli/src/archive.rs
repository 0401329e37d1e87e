//! Archives and directories that hold images: OCI image layouts, and what `docker save` writes.
//!
//! This module knows the formats and no service but the content store, which bytes go to and come from.
//! A [`Shelf`] has named files, wherever they are: in a directory, in a tar file that can be read at any
//! place, or, where the archive comes through a pipe or is compressed, in the content store already.
//! [`list`] tells which images a shelf has, whatever its format; [`Intake`] takes files into the content
//! store, verified by digest as they are stored; [`TarWriter`] makes an archive that is the same each time.
//!
//! No name of an archive is ever a path of this machine, but below a directory that was given, where
//! links are not followed. What is no archive of images is refused with a sentence that names the entry.

mod directory;
mod docker;
mod entry;
mod intake;
mod jump;
mod layout;
mod listing;
mod shelf;
mod spool;
mod stream;
mod write;

pub use docker::Item as DockerItem;
pub use entry::{blob_name, promised};
pub use intake::{Intake, Taking};
pub use layout::{IMAGE_NAME, REF_NAME};
pub use listing::{Format, Listed, What as ListedAs, list};
pub use shelf::{File, Shelf};
pub use stream::{Input, Packed};
pub use write::{Pouring, TarWriter, Target};

use varve_core::{Error, Kind};

/// The same, with what to do where the fault is the archive's.
pub fn faulty(error: Error) -> Error {
    use Kind::{DataLoss, FailedPrecondition, InvalidArgument, NotFound};
    let its_own =
        matches!(error.kind(), DataLoss | FailedPrecondition | InvalidArgument | NotFound);
    let chain = error.chain();
    match its_own && !chain.contains(';') && !chain.contains("os error") {
        true => Error::new(error.kind(), format!("{chain}; save it anew, or fetch it again")),
        false => error,
    }
}
