//! `varve mount`: an image's tree, read-only, on a directory.

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use varve_core::{Error, Platform, Reference, Result, ResultExt};
use varve_snapshotter::mounting;

use crate::args::SnapshotterArg;
use crate::failure;
use crate::image::{Documents, Image, Source};
use crate::mounts::{self, Mounted};
use crate::services::Snapshotter;
use crate::session::Session;
use crate::unpack;

/// Mount an image's tree on a directory, to be read
///
/// Prints the directory. What is mounted is kept, whatever happens to the image's name, until
/// `varve unmount`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  varve mount alpine /mnt\n  varve unmount /mnt")]
pub struct Mount {
    /// The image, as it was pulled
    #[arg(value_name = "REF", add = crate::complete::images())]
    reference: Reference,
    /// The directory to mount it on
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// The platform, where several are here [default: this machine's]
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<Platform>,
    #[command(flatten)]
    snapshotter: SnapshotterArg,
}

#[derive(Serialize)]
struct Done {
    target: String,
    snapshotter: String,
    key: String,
}

impl Mount {
    pub async fn run(self, session: &Session) -> failure::Result<()> {
        let image = self.image(session).await?;
        let snapshotter = self.snapshotter(session, &image).await?;
        unpack::ensure(session, &snapshotter, &image).await?;
        if !rustix::process::geteuid().is_root() {
            return Err(only_root(session, &snapshotter, &image).await?.into());
        }
        let target = directory(&self.dir)?;
        refuse_twice(session, &target).await?;
        let mounted = mount(session, snapshotter, &image, &target).await?;
        let done = Done {
            target: mounted.target.display().to_string(),
            snapshotter: mounted.snapshotter.name.clone(),
            key: mounted.key.clone(),
        };
        session.output.lines(std::slice::from_ref(&done.target), &done)
    }

    async fn image(&self, session: &Session) -> Result<Image> {
        let (services, scope) = (&session.services, &session.scope);
        let name = self.reference.to_string();
        let Some(named) = services.images.get(scope, &name).await.found()? else {
            return Err(Error::not_found(format!(
                "image {name} is not here; run `varve pull {}` first",
                self.reference.familiar()
            )));
        };
        let platform = self.platform.clone().unwrap_or_else(Platform::host);
        let documents = Documents { services, scope, source: Source::Store };
        documents.load(&named.target, &platform).await.context(|| {
            format!(
                "image {name} for {platform} is not whole here; pull it with --platform {platform}"
            )
        })
    }

    /// The one that was asked for; else one where the image is unpacked, the default first.
    async fn snapshotter(&self, session: &Session, image: &Image) -> Result<Snapshotter> {
        let asked = self.snapshotter.snapshotter.as_deref();
        let first = session.services.snapshotter(asked).await?;
        if asked.is_some() || unpack::is_unpacked(session, &first, image).await? {
            return Ok(first);
        }
        let info = session.services.content.info(&session.scope, &image.id()).await?;
        for other in session.services.named_by(&info.labels).await? {
            if unpack::is_unpacked(session, &other, image).await? {
                return Ok(other);
            }
        }
        Ok(first)
    }
}

/// The view first, so that what is mounted is known even after a crash; without the mount it goes.
async fn mount(
    session: &Session,
    snapshotter: Snapshotter,
    image: &Image,
    target: &Path,
) -> Result<Mounted> {
    let leases = &*session.services.leases;
    let (mounted, mounts) =
        Mounted::make(leases, snapshotter, &session.scope, image, target).await?;
    let at = target.to_owned();
    let done = tokio::task::spawn_blocking(move || mounting::mount(&mounts, &at)).await;
    let done = done.map_err(|error| Error::internal("mounting").with_source(error)).flatten();
    if let Err(error) = done {
        mounted.remove(leases).await?;
        return Err(error);
    }
    Ok(mounted)
}

/// The directory's real path: it is recorded, and found again by it.
fn directory(dir: &Path) -> Result<PathBuf> {
    let path = dir.canonicalize().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::not_found(format!(
            "the directory {0} is not there; `mkdir {0}` first",
            dir.display()
        )),
        _ => Error::io(dir.display(), error),
    })?;
    if !path.is_dir() {
        return Err(Error::invalid(format!("{}: is no directory to mount on", dir.display())));
    }
    Ok(path)
}

async fn refuse_twice(session: &Session, target: &Path) -> Result<()> {
    if mounts::on(&session.services, target).await?.is_empty() {
        return Ok(());
    }
    let target = target.display();
    Err(Error::precondition(format!(
        "an image is mounted on {target} already; run `varve unmount {target}` first"
    )))
}

/// Mounting is root's. The native driver's tree can be read where it is.
async fn only_root(session: &Session, snapshotter: &Snapshotter, image: &Image) -> Result<Error> {
    let mut message = "only root can mount".to_owned();
    let path = match image.top() {
        Some(top) => {
            let info = snapshotter.snapshots.stat(&session.scope, &top.to_string()).await?;
            super::snapshots::path(session, snapshotter, &info).await?
        }
        None => None,
    };
    match path {
        Some(path) => message.push_str(&format!("; the whole tree can be read in {path}")),
        None => message.push_str("; run as root, or unpack with --snapshotter native to read it"),
    }
    Ok(Error::new(varve_core::Kind::PermissionDenied, message))
}
