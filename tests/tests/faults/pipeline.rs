//! The way of a pull without what stacks it: resolver, fetcher and a content store on the disk, with short
//! limits, at a registry whose faults are values.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::task::JoinSet;
use varve_content_store::ContentStore;
use varve_core::content::Content;
use varve_core::leases::Leases;
use varve_core::oci::{Bounds, Document};
use varve_core::remotes::{Credential, Fetcher, Progress, Remote, Resolver};
use varve_core::{Descriptor, Digest, Error, Labels, Result, Scope};
use varve_registry::testsuite::TestRegistry;
use varve_registry::{Client, Config};
use varve_tests::image::platform;

use super::scene::{REPO, Scene};
use super::table::{Ask, Row};

/// More than any document here.
const MOST: u64 = 4 << 20;

pub struct House {
    pub registry: TestRegistry,
    /// Where the registry may lead.
    pub other: TestRegistry,
    scene: Scene,
    store: Arc<ContentStore>,
    resolver: Arc<dyn Resolver>,
    fetcher: Arc<dyn Fetcher>,
    pub credentials: Vec<Credential>,
    scope: Scope,
    directory: TempDir,
}

/// Short limits; six attempts, as there are by default.
pub fn limits() -> Config {
    Config {
        attempts: 6,
        stall: Duration::from_millis(500),
        document: Duration::from_secs(1),
        patience: Duration::from_secs(20),
        tag_pages: 20,
        ..Config::impatient()
    }
}

impl House {
    pub async fn open() -> Self {
        Self::talking(limits()).await
    }

    pub async fn talking(config: Config) -> Self {
        let (registry, other) = (TestRegistry::start().await, TestRegistry::start().await);
        let scene = Scene::stock(&registry, &other);
        let directory = tempfile::tempdir().unwrap();
        let store = varve_content_store::Config::new(directory.path().join("content"));
        let store = varve_content_store::open(store).await.unwrap();
        let client = Client::new(config);
        let (content, registry_client) = (store.clone(), client.clone());
        let dependencies = varve_resolver::Dependencies { content, registry: registry_client };
        let resolver = Arc::new(varve_resolver::open(Default::default(), dependencies));
        let dependencies = varve_fetcher::Dependencies { content: store.clone(), registry: client };
        let fetcher = Arc::new(varve_fetcher::open(Default::default(), dependencies));
        let (credentials, scope) = (Vec::new(), Scope::default());
        Self { registry, other, scene, store, resolver, fetcher, credentials, scope, directory }
    }

    /// Has the registry go wrong as `row` says.
    pub fn set(&self, row: &Row) {
        let rules = (row.rules)(&self.scene, &self.registry, &self.other);
        self.registry.faults(rules);
    }

    pub fn scene(&self) -> &Scene {
        &self.scene
    }

    /// Requests so far, wherever they went.
    pub fn asked(&self) -> usize {
        self.registry.requests().len() + self.other.requests().len()
    }

    fn remote(&self) -> Remote {
        self.remote_at(self.registry.address())
    }

    fn remote_at(&self, host: &str) -> Remote {
        let reference = format!("{host}/{REPO}:1").parse().unwrap();
        Remote { credentials: self.credentials.clone(), ..Remote::anonymous(reference) }
    }

    pub async fn ask(&self, ask: Ask) -> Result<()> {
        match ask {
            Ask::Pull => self.pull().await.map(drop),
            Ask::Tags => self.resolver.tags(&self.remote()).await.map(drop),
        }
    }

    /// All blobs of the image, which are here then.
    pub async fn pull(&self) -> Result<Vec<Descriptor>> {
        self.pull_of(self.registry.address()).await
    }

    /// The same of another registry.
    pub async fn pull_of(&self, host: &str) -> Result<Vec<Descriptor>> {
        let lease = Leases::create(&*self.store, &self.scope, "", &Labels::new()).await?.id;
        let remote = self.remote_at(host);
        let name = remote.reference.to_string();
        let brought = self.bring(&self.scope.leased(lease.clone()), remote).await;
        Leases::delete(&*self.store, &self.scope, &lease).await?;
        // As the command names what it pulls.
        brought.map_err(|error| match error.chain().contains(&name) {
            true => error,
            false => error.context(name),
        })
    }

    async fn bring(&self, scope: &Scope, remote: Remote) -> Result<Vec<Descriptor>> {
        let target = self.resolver.resolve(&remote).await?;
        let mut all = vec![];
        let mut next = vec![target.clone()];
        // As the command does: every index that may hold something, each once, and not without end.
        while let Some(index) = next.pop() {
            if all.contains(&index) || all.len() == 64 {
                continue;
            }
            if let Document::Index(read) = self.document(scope, &remote, &index).await? {
                next.extend(read.manifests.into_iter().filter(|child| child.media_type.is_index()));
            }
            all.push(index);
        }
        let linux = platform("linux", "amd64", "");
        let manifest = self.resolver.select(scope, &target, &linux).await?;
        let Document::Manifest(image) = self.document(scope, &remote, &manifest).await? else {
            return Err(Error::invalid("an index in place of a manifest"));
        };
        let blobs = [vec![image.config], image.layers].concat();
        self.blobs(scope, &remote, blobs.clone()).await?;
        Ok([all, vec![manifest], blobs].concat())
    }

    /// All at once; the first that fails ends the others.
    async fn blobs(&self, scope: &Scope, remote: &Remote, blobs: Vec<Descriptor>) -> Result<()> {
        let mut all = JoinSet::new();
        for blob in blobs {
            let (fetcher, scope, remote) = (self.fetcher.clone(), scope.clone(), remote.clone());
            all.spawn(
                async move { fetcher.fetch(&scope, &remote, &blob, Progress::ignored()).await },
            );
        }
        while let Some(fetched) = all.join_next().await {
            if let Err(error) = fetched.unwrap() {
                all.shutdown().await;
                return Err(error);
            }
        }
        Ok(())
    }

    async fn document(
        &self,
        scope: &Scope,
        remote: &Remote,
        document: &Descriptor,
    ) -> Result<Document> {
        if document.size > MOST {
            return Err(Error::exhausted(format!("{} of {}", document.digest, remote.reference)));
        }
        self.fetcher.fetch(scope, remote, document, Progress::ignored()).await?;
        let bytes = self.store.reader(scope, &document.digest).await?.read_all(MOST).await?;
        Document::parse(&document.media_type, &bytes, &Bounds::default())
    }

    /// No blob that has another digest, no ingest that does not go on, no lease; and what failed works
    /// once the registry does.
    pub async fn check_what_is_left(&self, row: &Row) -> std::result::Result<(), String> {
        self.check_blobs()?;
        let leases = Leases::list(&*self.store, &self.scope, &[]).await.unwrap();
        if !leases.is_empty() {
            return Err(format!("leases are left: {leases:?}"));
        }
        if !row.again || matches!(row.ask, Ask::Tags) {
            return Ok(());
        }
        self.check_again().await
    }

    /// Without a fault the image is whole, and no ingest of it is left. One of a digest that a fault made up stays
    /// until it is idle for long enough: nobody can know.
    pub async fn check_again(&self) -> std::result::Result<(), String> {
        self.registry.faults([]);
        let pulled = self.pull().await.map_err(|error| format!("then: {}", error.chain()))?;
        for blob in &pulled {
            let info = self.store.info(&self.scope, &blob.digest).await;
            let info = info.map_err(|error| format!("then: {}", error.chain()))?;
            if info.size != blob.size {
                return Err(format!("{} has {} bytes", blob.digest, info.size));
            }
        }
        let of_it =
            |ingest: &String| pulled.iter().any(|blob| ingest.ends_with(&blob.digest.to_string()));
        let left: Vec<_> = self.ingests().await.into_iter().filter(of_it).collect();
        match left.is_empty() {
            true => self.check_blobs(),
            false => Err(format!("ingests are left for good: {left:?}")),
        }
    }

    async fn ingests(&self) -> Vec<String> {
        let all = self.store.list_statuses(&self.scope, &[]).await.unwrap();
        all.into_iter().map(|status| status.ingest).collect()
    }

    pub fn check_blobs(&self) -> std::result::Result<(), String> {
        check_blobs(&self.directory.path().join("content"))
    }
}

/// Every file among the blobs of a layout has the digest that it is called by.
pub fn check_blobs(layout: &Path) -> std::result::Result<(), String> {
    let Ok(blobs) = std::fs::read_dir(layout.join("blobs/sha256")) else { return Ok(()) };
    for blob in blobs {
        let path = blob.unwrap().path();
        let digest = Digest::of(&std::fs::read(&path).unwrap()).to_string();
        if digest.strip_prefix("sha256:") != path.file_name().unwrap().to_str() {
            return Err(format!("{} has the digest {digest}", path.display()));
        }
    }
    Ok(())
}
