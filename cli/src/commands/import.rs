//! `varve import`.

use std::path::PathBuf;

use clap::Args;
use varve_core::{Error, Platform, Reference};

use crate::archive::Input;
use crate::args::SnapshotterArg;
use crate::failure::Result;
use crate::import::{self, Change, Wish};
use crate::session::Session;

/// Make an image of a root file system
///
/// The tar, compressed with gzip or zstd or not, becomes the one layer of a new image. Prints the image's ID.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  varve import rootfs.tar.gz base:1\n  \
    tar -C rootfs -c . | varve import --change 'CMD [\"/bin/sh\"]' --message 'by hand' - base:2")]
pub struct Import {
    /// A tar of a root file system, or - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The image's name; its tag is `latest` where it has none
    #[arg(value_name = "NAME")]
    name: Option<Reference>,
    /// An instruction of a Dockerfile: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME or
    /// WORKDIR; may be given again
    #[arg(long, short, value_name = "INSTRUCTION")]
    change: Vec<Change>,
    /// What its history says of it
    #[arg(long, short, value_name = "TEXT")]
    message: Option<String>,
    /// The platform that it is for [default: this machine's]
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<Platform>,
    #[command(flatten)]
    snapshotter: SnapshotterArg,
}

impl Import {
    pub async fn run(self, session: &Session) -> Result<()> {
        if let Some(name) = self.name.as_ref().filter(|name| name.digest().is_some()) {
            let message = format!("{name}: a digest names itself; give a name with a tag");
            return Err(Error::invalid(message).into());
        }
        let snapshotter = self.snapshotter.snapshotter.as_deref();
        let from = format!("Imported from {}", self.file.display());
        let wish = Wish {
            input: Input::of(&self.file),
            name: self.name,
            changes: self.change,
            message: self.message.unwrap_or(from),
            platform: self.platform.unwrap_or_else(Platform::host),
            snapshotter: session.services.snapshotter(snapshotter).await?,
        };
        let imported = import::import(session, &wish).await?;
        session.output.lines(std::slice::from_ref(&imported.id), &imported)
    }
}
