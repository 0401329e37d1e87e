//! A push, from a name's target in the store to a tag at a registry: this page is its story, and each step is
//! a module.
//!
//! Layers go as the store has them, compressed as they were pulled, so that digests stay. Blobs go before
//! manifests, these before the indexes that have them, and the tag last: whoever pulls meanwhile gets the
//! old image or the new one, whole.

mod blobs;
mod complete;
mod reduce;
mod report;
pub mod sources;
mod there;
mod tree;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use varve_core::images::Image as Named;
use varve_core::remotes::Remote;
use varve_core::{Descriptor, Digest, Error, Platform, Reference, Result, Scope};
use varve_registry::{Client, Pusher};

use crate::image::{Documents, Source};
use crate::progress::{self, Line, Progress};
use crate::pull::{Lease, Logins};
use crate::services::Services;
use blobs::Job;
use reduce::Node;
use tree::{Looker, Tree};

pub use report::Pushed;

/// How to push.
pub struct Wish {
    pub remote: Remote,
    /// This one of an index alone.
    pub platform: Option<Platform>,
    /// Of an index everything, what is not here included.
    pub all_platforms: bool,
}

/// Where to, and what is known to be there.
pub struct Way {
    pub client: Client,
    pub there: Arc<Mutex<HashSet<Digest>>>,
}

/// Pushes what `named` points to under the name of `wish`, telling `progress` of each step.
pub async fn push(
    services: &Services,
    scope: &Scope,
    way: &Way,
    logins: &Logins,
    wish: &Wish,
    named: &Named,
    progress: Arc<dyn Progress>,
) -> Result<Pushed> {
    // What is read must not be collected meanwhile, whoever removes its name.
    let lease = Lease::for_work(services, scope, &format!("pushing {}", named.name)).await?;
    let leased = lease.scope(scope);
    let pushing = Pushing { services, scope: &leased, way, logins, wish };
    let pushed = match lease.hold(&named.target.digest).await {
        Ok(()) => pushing.run(named, progress).await,
        Err(error) => Err(error),
    };
    lease.release().await?;
    pushed
}

struct Pushing<'a> {
    services: &'a Services,
    scope: &'a Scope,
    way: &'a Way,
    logins: &'a Logins,
    wish: &'a Wish,
}

impl Pushing<'_> {
    async fn run(&self, named: &Named, progress: Arc<dyn Progress>) -> Result<Pushed> {
        let remote = &self.wish.remote;
        let (host, path) = (remote.reference.domain(), remote.reference.path());
        let repository =
            self.way.client.repository(host, path, remote.plain_http, &remote.credentials)?;
        let pusher = repository.pusher().await?;
        let (node, left) = self.choose(named, &pusher).await?;
        let (layers, others) = blobs_of(&node);
        let line = |blob: &Descriptor| Line { id: blob.digest.short(), size: blob.size };
        progress.begin(&layers.iter().map(line).collect::<Vec<_>>());
        let job = Arc::new(self.job(pusher.clone(), progress.clone()));
        let fates = blobs::push(&job, &layers, &others).await;
        progress.end();
        let fates = fates?;
        for document in node.documents() {
            let tagged = std::ptr::eq(document, &node);
            self.document(&pusher, document, tagged).await?;
        }
        Ok(Pushed::new(&remote.reference, &node, &layers, fates, left))
    }

    /// What is pushed, and what is left as it is not here; a person is told of that.
    async fn choose(&self, named: &Named, pusher: &Pusher) -> Result<(Node, Vec<String>)> {
        let (name, target) = (familiar(named), &named.target);
        if let Some(platform) = &self.wish.platform {
            return Ok((self.of_platform(&name, target, platform).await?, Vec::new()));
        }
        let mut tree = self.look(target).await?;
        there::mark(&mut tree, &self.way.client, pusher).await?;
        if self.wish.all_platforms && !tree.is_whole() {
            let (services, scope, plain) = (self.services, self.scope, self.wish.remote.plain_http);
            let tree = complete::complete(services, scope, self.logins, target, plain).await;
            let tree = tree.map_err(|error| error.context(name))?;
            return Ok((Node::whole(&tree), Vec::new()));
        }
        let Some(node) = reduce::reduce(&tree, self).await? else {
            return Err(not_here(&name, &tree));
        };
        let left = tree.left();
        if !left.is_empty() {
            progress::warn(&reduced(&name, &node, &left));
        }
        Ok((node, left))
    }

    async fn of_platform(
        &self,
        name: &str,
        target: &Descriptor,
        platform: &Platform,
    ) -> Result<Node> {
        let selected = self.services.resolver.select(self.scope, target, platform).await;
        let manifest = selected.map_err(|error| error.context(name.to_owned()))?;
        let tree = self.look(&manifest).await?;
        if tree.is_whole() && self.is_for(&manifest, platform).await? {
            return Ok(Node::whole(&tree));
        }
        Err(Error::precondition(format!(
            "{name}: {platform} is not here, or not all of it; pull it first (`varve pull --platform \
             {platform} {name}`)"
        )))
    }

    /// A single manifest chooses itself, whatever it is for.
    async fn is_for(&self, manifest: &Descriptor, platform: &Platform) -> Result<bool> {
        if manifest.platform.is_some() {
            return Ok(true);
        }
        let (services, scope) = (self.services, self.scope);
        let documents = Documents { services, scope, source: Source::Store };
        let actual = documents.below(Vec::new(), manifest.clone()).await?.platform();
        Ok(platform.rank(&actual).is_some())
    }

    async fn look(&self, target: &Descriptor) -> Result<Tree> {
        Looker { services: self.services, scope: self.scope }.look(target).await
    }

    fn job(&self, pusher: Pusher, progress: Arc<dyn Progress>) -> Job {
        Job {
            services: self.services.clone(),
            scope: self.scope.clone(),
            client: self.way.client.clone(),
            pusher,
            to: self.wish.remote.reference.clone(),
            progress,
            there: self.way.there.clone(),
        }
    }

    /// Puts a document there, under its digest or the tag.
    async fn document(&self, pusher: &Pusher, node: &Node, tagged: bool) -> Result<()> {
        let Descriptor { digest, media_type, .. } = &node.descriptor;
        let bytes = match &node.bytes {
            Some(bytes) => bytes.clone(),
            None => self.bytes(&node.descriptor).await?,
        };
        let to = &self.wish.remote.reference;
        let reference = match to.tag().filter(|_| tagged) {
            Some(tag) => tag.to_owned(),
            None => digest.to_string(),
        };
        let mut budget = self.way.client.budget();
        pusher.manifest(&reference, media_type, bytes, &mut budget).await?;
        if node.bytes.is_none() {
            let (host, path) = (to.domain(), to.path());
            sources::note(self.services, self.scope, digest, host, path).await?;
        }
        Ok(())
    }

    async fn bytes(&self, document: &Descriptor) -> Result<Bytes> {
        let reader = self.services.content.reader(self.scope, &document.digest).await?;
        reader.read_all(self.services.bounds.document).await
    }
}

impl reduce::Read for Pushing<'_> {
    async fn read(&self, index: &Descriptor) -> Result<Bytes> {
        self.bytes(index).await
    }
}

/// The blobs of all manifests, each once: layers as they are shown, and all others.
fn blobs_of(node: &Node) -> (Vec<Descriptor>, Vec<Descriptor>) {
    let mut seen = HashSet::new();
    let documents = node.documents();
    let mut each = |of: fn(&Node) -> &Vec<Descriptor>| -> Vec<Descriptor> {
        let blobs = documents.iter().flat_map(|node| of(node));
        blobs.filter(|blob| seen.insert(blob.digest)).cloned().collect()
    };
    (each(|node| &node.layers), each(|node| &node.others))
}

fn familiar(named: &Named) -> String {
    crate::removal::familiar(&named.name)
}

fn not_here(name: &str, tree: &Tree) -> Error {
    let missing = tree.missing();
    let first = missing.first().map_or_else(String::new, |blob| blob.digest.to_string());
    let more = match missing.len() {
        0 | 1 => String::new(),
        many => format!(" and {} more", many - 1),
    };
    Error::precondition(format!(
        "{name}: is not all here: {first}{more}; pull it again (`varve pull {name}`)"
    ))
}

fn reduced(name: &str, node: &Node, left: &[String]) -> String {
    let what = match node.descriptor.media_type.is_index() {
        true => "an index of the platforms that are here is pushed",
        false => "only the one platform that is here is pushed",
    };
    let (left, digest) = (left.join(", "), node.descriptor.digest);
    format!(
        "NOTE: not all of {name} is here: {what}, as {digest}, without {left}; --all-platforms brings \
         them first"
    )
}

/// What a reference must be to be pushed to.
pub fn check(to: &Reference) -> Result<()> {
    match to.digest() {
        None => Ok(()),
        Some(_) => Err(Error::invalid(format!("{to}: cannot push a digest reference; push a tag"))),
    }
}
