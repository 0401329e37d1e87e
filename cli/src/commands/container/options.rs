//! What `run` and `create` take, and the container that comes of it.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use varve_core::images::Image as Named;
use varve_core::{Error, Kind, Labels, Platform, Reference, Result};

use super::env;
use super::security::Security;
use crate::args::SnapshotterArg;
use crate::container::create::Plan;
use crate::container::image_config::ImageConfig;
use crate::container::runtime::Runtime;
use crate::container::settings::{self, Network, Settings};
use crate::container::volume::Volume;
use crate::container::{name, signal};
use crate::find;
use crate::image::{Documents, Image, Source};
use crate::process;
use crate::services::Snapshotter;
use crate::session::Session;
use crate::unpack;
use crate::{commands, progress};

/// How a container is to be.
#[derive(Args, Debug)]
pub struct Options {
    /// A name for the container [default: two words]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Keep the program's input open
    #[arg(long, short)]
    pub interactive: bool,
    /// Give the program a terminal
    #[arg(long, short)]
    pub tty: bool,
    /// Set a variable, or pass on one of this shell's; may be given again
    #[arg(long, short, value_name = "NAME[=VALUE]")]
    pub env: Vec<String>,
    /// Read variables from a file, one a line; may be given again
    #[arg(long, value_name = "FILE")]
    pub env_file: Vec<PathBuf>,
    /// Where the program begins; made where it is missing
    #[arg(long, short, value_name = "DIR")]
    pub workdir: Option<String>,
    /// Whom it runs as, by the image's own passwd and group
    #[arg(long, short, value_name = "USER[:GROUP]")]
    pub user: Option<String>,
    /// Show a directory or a file of this machine in the container; may be given again
    #[arg(long, short, value_name = "SRC:DST[:ro]")]
    pub volume: Vec<Volume>,
    /// Let nothing be written to the container's own files
    #[arg(long)]
    pub read_only: bool,
    /// A program in place of the image's entrypoint; an empty one for none
    #[arg(long, value_name = "PROGRAM")]
    pub entrypoint: Option<String>,
    /// What of the network the program sees
    #[arg(long, value_enum, default_value_t)]
    pub network: Network,
    /// A name of its own for the machine that the program sees
    #[arg(long, value_name = "NAME")]
    pub hostname: Option<String>,
    /// A label of the container; may be given again
    #[arg(long, short, value_name = "KEY[=VALUE]")]
    pub label: Vec<String>,
    /// What asks the program to stop [default: the image's, else SIGTERM]
    #[arg(long, value_name = "SIGNAL")]
    pub stop_signal: Option<String>,
    /// no-new-privileges=BOOL (true by default), seccomp=unconfined; may be given again
    #[arg(long, value_name = "OPTION")]
    pub security_opt: Vec<String>,
    /// The platform of the image [default: this machine's]
    #[arg(long, value_name = "PLATFORM")]
    pub platform: Option<Platform>,
    /// When the image is pulled
    #[arg(long, value_enum, default_value_t)]
    pub pull: When,
    /// Speak http to a registry that is not on this machine
    #[arg(long)]
    pub plain_http: bool,
    /// runc, crun, or the path of one [default: the first there is]
    #[arg(long, value_name = "RUNTIME", env = "VARVE_RUNTIME", hide_env_values = true)]
    pub runtime: Option<String>,
    #[command(flatten)]
    pub snapshotter: SnapshotterArg,
    /// The image, as `varve pull` takes it, or its ID
    #[arg(value_name = "IMAGE")]
    pub image: String,
    /// The program and its arguments [default: the image's]
    #[arg(value_name = "COMMAND", trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<String>,
}

/// When an image is pulled.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum When {
    /// Where it is not here
    #[default]
    Missing,
    /// Each time, to have what the name points to now
    Always,
    /// Not at all
    Never,
}

/// All that a container is made of.
pub struct Prepared {
    named: Named,
    image: Image,
    snapshotter: Snapshotter,
    settings: Settings,
    labels: Labels,
}

impl Prepared {
    pub fn plan(&self) -> Plan<'_> {
        Plan {
            named: &self.named,
            image: &self.image,
            snapshotter: &self.snapshotter,
            settings: self.settings.clone(),
            labels: self.labels.clone(),
        }
    }
}

impl Options {
    /// Finds the image, or brings it; unpacks it where it is not; and decides all else.
    pub async fn prepare(&self, session: &Session, auto_remove: bool) -> Result<Prepared> {
        // What cannot be is told before anything is pulled.
        self.name.iter().try_for_each(|name| name::check(name))?;
        self.stop_signal.iter().try_for_each(|text| signal::number(text).map(drop))?;
        Runtime::find(self.runtime.as_deref(), &session.base)?;
        let security = Security::of(&self.security_opt)?;
        let asked = env::read(&self.env_file, &self.env)?;
        let snapshotter =
            session.services.snapshotter(self.snapshotter.snapshotter.as_deref()).await?;
        let (named, image) = self.image(session, &snapshotter).await?;
        unpack::ensure(session, &snapshotter, &image).await?;
        let settings = self.settings(&image, asked, &security, auto_remove)?;
        let labels = self.label.iter().map(|text| text.split_once('=').unwrap_or((text, "")));
        let labels: Vec<_> =
            labels.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        let labels = settings::labels(image.config.labels(), &labels, &named.target.digest);
        Ok(Prepared { named, image, snapshotter, settings, labels })
    }

    async fn image(&self, session: &Session, snapshotter: &Snapshotter) -> Result<(Named, Image)> {
        if self.pull != When::Always {
            match self.here(session).await {
                Err(error) if error.kind() == Kind::NotFound && self.pull == When::Missing => {
                    let told =
                        self.reference().map_or_else(|_| self.image.clone(), |it| it.familiar());
                    progress::warn(&format!("Unable to find image '{told}' locally"));
                }
                found => return found,
            }
        }
        commands::pull::bring(
            session,
            self.reference()?,
            self.platform.clone(),
            self.plain_http,
            snapshotter.clone(),
        )
        .await?;
        self.here(session).await
    }

    /// The image, where it is whole here for the platform.
    async fn here(&self, session: &Session) -> Result<(Named, Image)> {
        let named = find::find(session, &self.image).await?.first().clone();
        let (services, scope) = (&session.services, &session.scope);
        let Some(platform) = &self.platform else {
            let missing = || Error::not_found(format!("image {} is not whole here", self.image));
            let image = find::present(session, &named).await?.ok_or_else(missing)?;
            return Ok((named, image));
        };
        let documents = Documents { services, scope, source: Source::Store };
        let image = documents.load(&named.target, platform).await?;
        if platform.rank(&image.platform()).is_none() {
            let message = format!("image {}: is not here for {platform}", self.image);
            return Err(Error::not_found(message));
        }
        Ok((named, image))
    }

    fn reference(&self) -> Result<Reference> {
        self.image.parse()
    }

    fn settings(
        &self,
        image: &Image,
        asked: Vec<String>,
        security: &Security,
        auto_remove: bool,
    ) -> Result<Settings> {
        let config = ImageConfig::of(&image.config.config);
        let (args, entrypoint) = config.args(self.entrypoint.as_deref(), &self.command);
        if args.first().is_none_or(String::is_empty) {
            let message = format!("image {}: no command specified; give one after it", self.image);
            return Err(Error::invalid(message));
        }
        let or = |asked: &Option<String>, default: &str, last: &str| {
            let asked = asked.as_deref().unwrap_or(default);
            if asked.is_empty() { last.to_owned() } else { asked.to_owned() }
        };
        Ok(Settings {
            v: Settings::FORMAT,
            name: self.name.clone().unwrap_or_default(),
            image: self.image.clone(),
            image_id: image.id().to_string(),
            creator: process::identity()?,
            auto_remove,
            args,
            entrypoint,
            env: Settings::merge_env(config.env.iter().cloned().chain(asked)),
            working_dir: or(&self.workdir, &config.working_dir, "/"),
            user: or(&self.user, &config.user, ""),
            tty: self.tty,
            open_stdin: self.interactive,
            hostname: self.hostname.clone(),
            network: self.network,
            read_only: self.read_only,
            volumes: self.volume.clone(),
            stop_signal: or(&self.stop_signal, &config.stop_signal, "SIGTERM"),
            no_new_privileges: security.no_new_privileges,
            seccomp: security.seccomp,
            runtime: self.runtime.clone(),
        })
    }
}
