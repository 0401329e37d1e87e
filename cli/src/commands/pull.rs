//! `varve pull`.

use clap::Args;
use varve_core::{Platform, Reference};

use crate::args::SnapshotterArg;
use crate::failure::Result;
use crate::pull::{self, Logins, Pulled, Wish};
use crate::session::Session;
use crate::{output, progress};

/// Download an image and unpack it
///
/// Layers that are here already are neither downloaded nor unpacked again. An interrupted pull goes
/// on where it stopped when the same command is run again. With --output json one JSON object is
/// printed at the end, and nothing before.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  varve pull alpine\n  \
    varve pull --platform linux/arm64 docker.io/library/debian:stable\n  \
    varve pull --quiet 127.0.0.1:5000/lab/python:1")]
pub struct Pull {
    /// Its name, as Docker reads it: alpine, host:5000/repository:tag, name@sha256:...
    #[arg(value_name = "REF", value_parser = Reference::parse_with_default)]
    reference: (Reference, bool),
    /// The platform to pull for, such as linux/arm64 or linux/arm/v7 [default: this machine's]
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<Platform>,
    /// Speak http to a registry that is not on this machine
    #[arg(long)]
    plain_http: bool,
    #[command(flatten)]
    snapshotter: SnapshotterArg,
    /// Only download; the image is unpacked by the next pull or mount
    #[arg(long)]
    no_unpack: bool,
    /// Print nothing but the image's name
    #[arg(long, short)]
    quiet: bool,
}

impl Pull {
    pub async fn run(self, session: &Session) -> Result<()> {
        let (services, scope) = (&session.services, &session.scope);
        let silent = self.quiet || session.output.is_json();
        let progress = progress::open(silent);
        let (reference, defaulted) = self.reference;
        if defaulted {
            progress.say("Using default tag: latest");
        }
        let snapshotter = match self.no_unpack {
            true => None,
            false => Some(services.snapshotter(self.snapshotter.snapshotter.as_deref()).await?),
        };
        let logins = Logins::load().await?;
        let remote = logins.remote(reference, self.plain_http).await?;
        let mut wish = Wish { remote, platform: self.platform, snapshotter };
        // Each time around there is one login more.
        let pulled = loop {
            match pull::pull(services, scope, &wish, progress.clone()).await {
                Err(error) if logins.add(&mut wish.remote, &error).await? => {}
                pulled => break pulled?,
            }
        };
        pulled.notices().iter().for_each(|notice| progress::warn(notice));
        report(&pulled, self.quiet, session)
    }
}

fn report(pulled: &Pulled, quiet: bool, session: &Session) -> Result<()> {
    if quiet && !session.output.is_json() {
        return output::write(format!("{}\n", pulled.name).as_bytes());
    }
    session.output.lines(&pulled.lines(), pulled)
}
