//! `varve push`.

use std::sync::Arc;

use clap::Args;
use varve_core::images::Image as Named;
use varve_core::{Error, Platform, Reference, ResultExt};

use crate::failure::Result;
use crate::output;
use crate::progress::{self, Progress};
use crate::pull::Logins;
use crate::push::{self, Pushed, Way, Wish};
use crate::session::Session;

/// Upload an image to a registry
///
/// What the registry has already is not sent; what another repository of it has is taken over from there. Layers go
/// as they were pulled, so that digests stay. An upload that breaks off goes on where it stopped. Of an index of which
/// not all platforms are here those that are are pushed, and the others told of.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  varve tag alpine registry.example/base/alpine:3\n  \
    varve push registry.example/base/alpine:3\n  \
    varve push --all-platforms registry.example/base/alpine:3\n  \
    varve push --all-tags registry.example/base/alpine")]
pub struct Push {
    /// Its name, which says where to: registry.example/repository:tag
    #[arg(value_name = "NAME[:TAG]", value_parser = Reference::parse_with_default)]
    #[arg(add = crate::complete::images())]
    reference: (Reference, bool),
    /// Every tag of the repository that is here
    #[arg(long, short)]
    all_tags: bool,
    /// This one platform of an index, as an image of its own
    #[arg(long, value_name = "PLATFORM", conflicts_with = "all_platforms")]
    platform: Option<Platform>,
    /// All platforms of an index: those that are not here are brought first, from where the index came
    #[arg(long)]
    all_platforms: bool,
    /// Speak http to a registry that is not on this machine
    #[arg(long)]
    plain_http: bool,
    /// Print nothing but the image's name
    #[arg(long, short)]
    quiet: bool,
}

impl Push {
    pub async fn run(self, session: &Session) -> Result<()> {
        let (reference, defaulted) = &self.reference;
        push::check(reference)?;
        let images = self.images(session).await?;
        let progress = self.progress(session);
        if *defaulted && !self.all_tags {
            progress.say("Using default tag: latest");
        }
        progress.say(&format!("The push refers to repository [{}]", reference.repository()));
        let logins = Logins::load().await?;
        let remote = logins.remote(reference.clone(), self.plain_http).await?;
        let (platform, all_platforms) = (self.platform.clone(), self.all_platforms);
        let mut wish = Wish { remote, platform, all_platforms };
        let way = Way { client: session.registry(), there: Arc::default() };
        let mut all = Vec::with_capacity(images.len());
        for (to, named) in images {
            wish.remote.reference = to;
            // The bars of one are done when it is.
            let progress = self.progress(session);
            let pushed = one(session, &way, &logins, &mut wish, &named, progress.clone()).await?;
            progress.say(&pushed.line());
            all.push(pushed);
        }
        self.report(session, &all)
    }

    fn progress(&self, session: &Session) -> Arc<dyn Progress> {
        progress::open(self.quiet || session.output.is_json())
    }

    /// What is pushed, and as what.
    async fn images(&self, session: &Session) -> Result<Vec<(Reference, Named)>> {
        let (reference, defaulted) = &self.reference;
        if self.all_tags {
            if !defaulted {
                let message = "tag can't be used with --all-tags/-a; leave out one of them";
                return Err(Error::invalid(message).into());
            }
            return self.tags(session).await;
        }
        let name = reference.to_string();
        let named = session.services.images.get(&session.scope, &name).await.found()?;
        match named {
            Some(named) => Ok(vec![(reference.clone(), named)]),
            None => Err(self.missing(session).await.into()),
        }
    }

    /// In Docker's words, which differ where other tags of the repository are here.
    async fn missing(&self, session: &Session) -> Error {
        let name = self.reference.0.familiar();
        let said = match self.tags(session).await {
            Ok(_) => format!("tag does not exist: {name}"),
            Err(_) => format!("An image does not exist locally with the tag: {name}"),
        };
        Error::not_found(format!("{said}; `varve images` lists those here"))
    }

    async fn tags(&self, session: &Session) -> Result<Vec<(Reference, Named)>> {
        let repository = self.reference.0.repository();
        let all = session.services.images.list(&session.scope, &[]).await?;
        let of = |named: Named| {
            let reference: Reference = named.name.parse().ok()?;
            let same = reference.repository() == repository && reference.digest().is_none();
            same.then_some((reference, named))
        };
        let found: Vec<_> = all.into_iter().filter_map(of).collect();
        if found.is_empty() {
            let name = self.reference.0.familiar_repository();
            let message = format!(
                "An image does not exist locally with the tag: {name}; `varve images` lists those here"
            );
            return Err(Error::not_found(message).into());
        }
        Ok(found)
    }

    fn report(&self, session: &Session, all: &[Pushed]) -> Result<()> {
        match (session.output.is_json(), self.all_tags) {
            (true, true) => session.output.lines(&[], &all),
            (true, false) => session.output.lines(&[], &all.first()),
            (false, _) if self.quiet => {
                let names: String = all.iter().map(|pushed| format!("{}\n", pushed.name)).collect();
                output::write(names.as_bytes())
            }
            (false, _) => Ok(()),
        }
    }
}

/// Pushes one name, with one login more each time that one is missed.
async fn one(
    session: &Session,
    way: &Way,
    logins: &Logins,
    wish: &mut Wish,
    named: &Named,
    progress: Arc<dyn Progress>,
) -> Result<Pushed> {
    let (services, scope) = (&session.services, &session.scope);
    loop {
        match push::push(services, scope, way, logins, wish, named, progress.clone()).await {
            Err(error) if logins.add(&mut wish.remote, &error).await? => {}
            pushed => return Ok(pushed?),
        }
    }
}
