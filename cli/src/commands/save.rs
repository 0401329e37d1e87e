//! `varve save`.

use std::error::Error as _;
use std::io::{self, IsTerminal};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use varve_core::{Error, Platform};

use crate::archive::Target;
use crate::failure::{Failure, Result};
use crate::save::{self, Platforms, Wish};
use crate::session::Session;

/// Save images to an archive
///
/// The archive is an OCI image layout and a docker-archive at once, so that Docker, containerd, Podman and skopeo read
/// it. The same images give the same archive, byte for byte. Blobs that images share are in it once. Of an
/// index, the platforms that are here are saved.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  varve save --output alpine.tar alpine\n  \
    varve save alpine debian | zstd > images.tar.zst\n  \
    varve save -o all.tar --all-platforms alpine")]
pub struct Save {
    /// By name, by ID or the start of one, or by digest; one meant by its ID has no name in the archive
    #[arg(value_name = "IMAGE", required = true, add = crate::complete::images())]
    images: Vec<String>,
    /// The file to write, which is there once it is whole [default: standard output]
    // The same id as the global option, whose place it takes here, as Docker has it.
    #[arg(id = "output", long, short, value_name = "FILE")]
    file: Option<String>,
    /// What to write [default: both in one]
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<Format>,
    /// Save this platform alone
    #[arg(long, value_name = "PLATFORM", conflicts_with = "all_platforms")]
    platform: Option<Platform>,
    /// Save every platform; those that are not here are fetched first, from where the image came
    #[arg(long)]
    all_platforms: bool,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum Format {
    /// An OCI image layout alone
    OciArchive,
    /// What Docker before version 25 reads; of one platform
    DockerArchive,
}

impl Save {
    pub async fn run(self, session: &Session) -> Result<()> {
        let target = target(self.file)?;
        let platforms = match self.platform {
            Some(platform) => Platforms::One(platform),
            None if self.all_platforms => Platforms::All,
            None => Platforms::Here,
        };
        let format = match self.format {
            None => save::Format::Both,
            Some(Format::OciArchive) => save::Format::Oci,
            Some(Format::DockerArchive) => save::Format::Docker,
        };
        let wish = Wish { images: self.images, format, platforms, target };
        save::save(session, wish).await.map_err(failure)
    }
}

/// Where an archive goes; InvalidArgument for a terminal.
pub fn target(file: Option<String>) -> varve_core::Result<Target> {
    match file {
        Some(file) => Ok(Target::File(PathBuf::from(file))),
        None if io::stdout().is_terminal() => Err(Error::invalid(
            "cowardly refusing to save to a terminal; give --output FILE, or redirect",
        )),
        None => Ok(Target::Stdout),
    }
}

/// A reader that went away ends the command without a word.
pub fn failure(error: Error) -> Failure {
    let io = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    match io.is_some_and(|io| io.kind() == io::ErrorKind::BrokenPipe) {
        true => Failure::Pipe,
        false => error.into(),
    }
}
