//! `varve load`.

use std::path::PathBuf;

use clap::Args;
use varve_core::Platform;

use crate::archive::{Format, Input};
use crate::args::SnapshotterArg;
use crate::failure::Result;
use crate::load::{self, Loaded, Pick, Platforms, Wish};
use crate::session::Session;

/// Load images from an archive or a directory, and unpack them
///
/// What `varve save`, `docker save` and other tools write is read: OCI image layouts, in a tar or as a directory, and
/// docker-archives; compressed with gzip or zstd, or not. All that is read is verified by its digest as it is
/// stored. Names come from the archive; one that another image has is taken from it, which is said.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  varve load --input alpine.tar\n  \
    docker save alpine | varve load\n  varve load -i layout/ --platform linux/arm64")]
pub struct Load {
    /// An archive, or the directory of an image layout [default: standard input]
    #[arg(long, short, value_name = "FILE", default_value = "-", hide_default_value = true)]
    input: PathBuf,
    /// Load this platform alone [default: all that are there]
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<Platform>,
    #[command(flatten)]
    snapshotter: SnapshotterArg,
    /// Only store; the image is unpacked by the next pull or mount
    #[arg(long)]
    no_unpack: bool,
    /// Print nothing but what was loaded
    #[arg(long, short)]
    quiet: bool,
}

impl Load {
    pub async fn run(self, session: &Session) -> Result<()> {
        let snapshotter = match self.no_unpack {
            true => None,
            false => {
                let name = self.snapshotter.snapshotter.as_deref();
                Some(session.services.snapshotter(name).await?)
            }
        };
        let wish = Wish {
            input: Input::of(&self.input),
            format: Format::Either,
            pick: Pick::All,
            platforms: self.platform.map_or(Platforms::All, Platforms::One),
            snapshotter,
            silent: self.quiet || session.output.is_json(),
        };
        let loaded = load::load(session, &wish).await?;
        let lines: Vec<String> = loaded.iter().flat_map(Loaded::lines).collect();
        session.output.lines(&lines, &loaded)
    }
}
