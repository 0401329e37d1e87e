//! `varve pull`.

mod ask;

use std::sync::Arc;

use clap::Args;
use varve_core::remotes::Remote;
use varve_core::{Descriptor, Error, Reference};

use crate::args::SnapshotterArg;
use crate::failure::Result;
use crate::load::{self, Loaded, Platforms};
use crate::progress::Progress;
use crate::pull::{self, Archive, Logins, Origin, Pulled, Wanted, Wish};
use crate::services::Snapshotter;
use crate::session::Session;
use crate::{output, progress};

pub use ask::bring;

/// Download an image and unpack it
///
/// Layers that are here already are neither downloaded nor unpacked again. An interrupted pull goes
/// on where it stopped when the same command is run again. With --output json one JSON object is
/// printed at the end, and nothing before.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  varve pull alpine\n  \
    varve pull --platform linux/arm64 docker.io/library/debian:stable\n  \
    varve pull --platform linux/amd64 --platform linux/arm64 alpine\n  \
    varve pull --quiet 127.0.0.1:5000/lab/python:1\n  \
    varve pull oci:layout:1.0")]
pub struct Pull {
    /// Its name, as Docker reads it: alpine, host:5000/repository:tag, name@sha256:...; or an image that a tool has
    /// written: oci:DIR[:NAME], oci-archive:FILE[:NAME], docker-archive:FILE[:NAME]
    #[arg(value_name = "REF", add = crate::complete::images())]
    from: Origin,
    /// The platform to pull for, such as linux/arm64 or linux/arm/v7, or all; may be given again
    /// [default: this machine's]
    #[arg(long, value_name = "PLATFORM", value_delimiter = ',')]
    platform: Vec<Wanted>,
    /// Speak http to a registry that is not on this machine
    #[arg(long)]
    plain_http: bool,
    #[command(flatten)]
    snapshotter: SnapshotterArg,
    /// Only download; the image is unpacked by the next pull or mount
    #[arg(long)]
    no_unpack: bool,
    /// Pull every tag of the repository
    #[arg(long, short)]
    all_tags: bool,
    /// Print nothing but the image's name
    #[arg(long, short)]
    quiet: bool,
}

impl Pull {
    pub async fn run(self, session: &Session) -> Result<()> {
        match self.from.clone() {
            Origin::Registry(name, defaulted) => self.registry(session, name, defaulted).await,
            Origin::Archive(archive) => self.archive(session, &archive).await,
        }
    }

    /// What a registry is asked for before all else.
    pub fn first(&self) -> Option<Remote> {
        let Origin::Registry(reference, _) = &self.from else { return None };
        Some(Remote { plain_http: self.plain_http, ..Remote::anonymous(reference.clone()) })
    }

    /// Where it is unpacked, if it is.
    async fn unpacked_in(&self, session: &Session) -> varve_core::Result<Option<Snapshotter>> {
        if self.no_unpack {
            return Ok(None);
        }
        let name = self.snapshotter.snapshotter.as_deref();
        session.services.snapshotter(name).await.map(Some)
    }

    async fn registry(
        self,
        session: &Session,
        reference: Reference,
        defaulted: bool,
    ) -> Result<()> {
        let silent = self.quiet || session.output.is_json();
        let progress = progress::open(silent);
        if defaulted && !self.all_tags {
            progress.say("Using default tag: latest");
        }
        let logins = Logins::load().await?;
        let mut remote = logins.remote(reference, self.plain_http).await?;
        if self.all_tags {
            return self.tags(session, &logins, remote, defaulted).await;
        }
        // The snapshotter's database is opened while the registry answers.
        let (target, snapshotter) = tokio::try_join!(
            ask::resolve(session, &logins, &mut remote),
            self.unpacked_in(session)
        )?;
        let mut wish = Wish { remote, platform: None, one_of_several: false, snapshotter };
        let mut all = self.platforms(session, &logins, &mut wish, &target, progress).await?;
        match all.len() {
            1 => report(&all.remove(0), self.quiet, session),
            _ => report_all(&all, self.quiet, session),
        }
    }

    /// The same from a file or a directory.
    async fn archive(self, session: &Session, archive: &Archive) -> Result<()> {
        if self.all_tags {
            let message =
                "--all-tags goes with a repository, and no archive or directory; leave it out";
            return Err(Error::invalid(message).into());
        }
        let snapshotter = self.unpacked_in(session).await?;
        let mut loaded = Vec::new();
        for platforms in self.platforms_of_archive() {
            let wish = load::Wish {
                input: archive.input(),
                format: archive.format,
                pick: archive.pick(),
                platforms,
                snapshotter: snapshotter.clone(),
                silent: self.quiet || session.output.is_json(),
            };
            loaded = load::load(session, &wish).await?;
        }
        let lines: Vec<String> = match self.quiet {
            true => loaded.iter().map(|it| it.stored().to_owned()).collect(),
            false => loaded.iter().flat_map(Loaded::lines_of_pull).collect(),
        };
        session.output.lines(&lines, &loaded)
    }

    fn platforms_of_archive(&self) -> Vec<Platforms> {
        let asked = self.platform.iter().map(|wanted| match wanted {
            Wanted::All => Platforms::All,
            Wanted::One(platform) => Platforms::One(platform.clone()),
        });
        let asked: Vec<Platforms> = asked.collect();
        if asked.is_empty() { vec![Platforms::Best] } else { asked }
    }

    /// Pulls one name, for each platform that was asked for.
    async fn platforms(
        &self,
        session: &Session,
        logins: &Logins,
        wish: &mut Wish,
        target: &Descriptor,
        progress: Arc<dyn Progress>,
    ) -> Result<Vec<Pulled>> {
        let platforms =
            ask::platforms(session, logins, &mut wish.remote, target, &self.platform).await?;
        wish.one_of_several = platforms.len() > 1;
        let mut all = Vec::with_capacity(platforms.len());
        for (n, platform) in platforms.into_iter().enumerate() {
            // The bars of one are done when it is.
            let progress = match n {
                0 => progress.clone(),
                _ => progress::open(self.quiet || session.output.is_json()),
            };
            wish.platform = platform;
            all.push(ask::one(session, logins, wish, target, progress).await?);
        }
        Ok(all)
    }

    /// Each tag as Docker prints it: a block with its digest, and one status for all.
    async fn tags(
        &self,
        session: &Session,
        logins: &Logins,
        mut remote: Remote,
        defaulted: bool,
    ) -> Result<()> {
        let named = remote.reference.clone();
        if named.digest().is_some() || !defaulted {
            let message = "tag can't be used with --all-tags/-a; leave out one of them";
            return Err(Error::invalid(message).into());
        }
        let (tags, snapshotter) =
            tokio::try_join!(ask::tags(session, logins, &mut remote), self.unpacked_in(session))?;
        let mut wish = Wish { remote, platform: None, one_of_several: false, snapshotter };
        let mut all = Vec::new();
        for tag in tags {
            wish.remote.reference = named.with_tag(&tag)?;
            let target = ask::resolve(session, logins, &mut wish.remote).await?;
            let progress = progress::open(self.quiet || session.output.is_json());
            let pulled =
                self.platforms(session, logins, &mut wish, &target, progress.clone()).await?;
            if let Some(pulled) = pulled.first() {
                progress.say(&format!("Digest: {}", pulled.digest));
            }
            all.extend(pulled);
        }
        let repository = named.familiar_repository();
        let lines = match self.quiet {
            true => vec![named.repository()],
            false => {
                let nothing = all.iter().all(|pulled| pulled.up_to_date);
                vec![pull::status(nothing, &repository), named.repository()]
            }
        };
        session.output.lines(&lines, &all)
    }
}

fn report(pulled: &Pulled, quiet: bool, session: &Session) -> Result<()> {
    if quiet && !session.output.is_json() {
        return output::write(format!("{}\n", pulled.name).as_bytes());
    }
    session.output.lines(&pulled.lines(), pulled)
}

/// Several platforms of one name: one digest, and one status for all.
fn report_all(all: &[Pulled], quiet: bool, session: &Session) -> Result<()> {
    let Some(first) = all.first() else { return Ok(()) };
    let nothing = all.iter().all(|pulled| pulled.up_to_date);
    let lines = match quiet {
        true => vec![first.name.clone()],
        false => first.with_status(nothing).to_vec(),
    };
    session.output.lines(&lines, &all)
}
