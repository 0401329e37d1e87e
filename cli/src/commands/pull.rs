//! `varve pull`.

use std::sync::Arc;

use clap::Args;
use varve_core::{Error, Platform, Reference};

use crate::args::SnapshotterArg;
use crate::failure::Result;
use crate::load::{self, Loaded, Platforms};
use crate::progress::Progress;
use crate::pull::{self, Archive, Logins, Origin, Pulled, Wanted, Wish};
use crate::services::Snapshotter;
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
        let snapshotter = match self.no_unpack {
            true => None,
            false => {
                let name = self.snapshotter.snapshotter.as_deref();
                Some(session.services.snapshotter(name).await?)
            }
        };
        match self.from.clone() {
            Origin::Registry(name, defaulted) => {
                self.registry(session, name, defaulted, snapshotter).await
            }
            Origin::Archive(archive) => self.archive(session, &archive, snapshotter).await,
        }
    }

    async fn registry(
        self,
        session: &Session,
        reference: Reference,
        defaulted: bool,
        snapshotter: Option<Snapshotter>,
    ) -> Result<()> {
        let silent = self.quiet || session.output.is_json();
        let progress = progress::open(silent);
        if defaulted && !self.all_tags {
            progress.say("Using default tag: latest");
        }
        let logins = Logins::load().await?;
        let remote = logins.remote(reference, self.plain_http).await?;
        let mut wish = Wish { remote, platform: None, one_of_several: false, snapshotter };
        if self.all_tags {
            return self.tags(session, &logins, wish, defaulted).await;
        }
        let mut all = self.platforms(session, &logins, &mut wish, progress).await?;
        match all.len() {
            1 => report(&all.remove(0), self.quiet, session),
            _ => report_all(&all, self.quiet, session),
        }
    }

    /// The same from a file or a directory.
    async fn archive(
        self,
        session: &Session,
        archive: &Archive,
        snapshotter: Option<Snapshotter>,
    ) -> Result<()> {
        if self.all_tags {
            let message = "--all-tags goes with a repository, and no archive or directory";
            return Err(Error::invalid(message).into());
        }
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
        progress: Arc<dyn Progress>,
    ) -> Result<Vec<Pulled>> {
        let platforms = self.wanted(session, logins, wish).await?;
        wish.one_of_several = platforms.len() > 1;
        let mut all = Vec::with_capacity(platforms.len());
        for (n, platform) in platforms.into_iter().enumerate() {
            // The bars of one are done when it is.
            let progress = match n {
                0 => progress.clone(),
                _ => progress::open(self.quiet || session.output.is_json()),
            };
            wish.platform = platform;
            all.push(one(session, logins, wish, progress).await?);
        }
        Ok(all)
    }

    async fn wanted(
        &self,
        session: &Session,
        logins: &Logins,
        wish: &mut Wish,
    ) -> Result<Vec<Option<Platform>>> {
        let (services, scope) = (&session.services, &session.scope);
        loop {
            match pull::wanted(services, scope, &wish.remote, &self.platform).await {
                Err(error) if logins.add(&mut wish.remote, &error).await? => {}
                wanted => return Ok(wanted?),
            }
        }
    }

    /// Each tag as Docker prints it: a block with its digest, and one status for all.
    async fn tags(
        &self,
        session: &Session,
        logins: &Logins,
        mut wish: Wish,
        defaulted: bool,
    ) -> Result<()> {
        let named = wish.remote.reference.clone();
        if named.digest().is_some() || !defaulted {
            let message =
                format!("{named}: --all-tags goes with a repository, and no tag or digest");
            return Err(Error::invalid(message).into());
        }
        let mut all = Vec::new();
        for tag in tags(session, logins, &mut wish).await? {
            wish.remote.reference = named.with_tag(&tag)?;
            let progress = progress::open(self.quiet || session.output.is_json());
            let pulled = self.platforms(session, logins, &mut wish, progress.clone()).await?;
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

/// The repository's tags.
async fn tags(session: &Session, logins: &Logins, wish: &mut Wish) -> Result<Vec<String>> {
    loop {
        match session.services.resolver.tags(&wish.remote).await {
            Err(error) if logins.add(&mut wish.remote, &error).await? => {}
            tags => return Ok(tags?),
        }
    }
}

/// Pulls a name for a command that does more with it: what is told goes to stderr.
pub async fn bring(
    session: &Session,
    reference: Reference,
    platform: Option<Platform>,
    plain_http: bool,
    snapshotter: Snapshotter,
) -> varve_core::Result<()> {
    let logins = Logins::load().await?;
    let remote = logins.remote(reference, plain_http).await?;
    let snapshotter = Some(snapshotter);
    let mut wish = Wish { remote, platform, one_of_several: false, snapshotter };
    let pulled = one(session, &logins, &mut wish, progress::aside()).await?;
    pulled.lines()[..2].iter().for_each(|line| progress::warn(line));
    Ok(())
}

/// Pulls one name, with one login more each time that one is missed.
async fn one(
    session: &Session,
    logins: &Logins,
    wish: &mut Wish,
    progress: Arc<dyn Progress>,
) -> varve_core::Result<Pulled> {
    loop {
        match pull::pull(&session.services, &session.scope, wish, progress.clone()).await {
            Err(error) if logins.add(&mut wish.remote, &error).await? => {}
            pulled => {
                let pulled = pulled?;
                pulled.notices().iter().for_each(|notice| progress::warn(notice));
                return Ok(pulled);
            }
        }
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
