//! Hosts of a registry as hosts.toml has them. Here is what the tests work with.

#![allow(clippy::unwrap_used, reason = "clippy takes helpers of tests for code")]

mod file;
mod logins;
mod mirrors;

use bytes::Bytes;
use tempfile::TempDir;
use varve_core::remotes::Credential;
use varve_core::{Descriptor, Digest, Error, MediaType};
use varve_registry::testsuite::TestRegistry;
use varve_registry::{Budget, Client, Config, Failure, Repository};

const REPO: &str = "lab/app";
const MANIFEST: &str = "{}";

/// A registry, a mirror of it that has the same, and the directory that says so.
struct House {
    upstream: TestRegistry,
    mirror: TestRegistry,
    blob: Descriptor,
    directory: TempDir,
    client: Client,
}

fn bytes(len: usize) -> Bytes {
    (0..len).map(|at| (at * 7 + at / 251) as u8).collect()
}

async fn stocked() -> (TestRegistry, Descriptor) {
    let registry = TestRegistry::start().await;
    registry.push_manifest(REPO, Some("1"), &MediaType::OciManifest, MANIFEST);
    let blob = registry.push_blob(REPO, bytes(5000));
    (registry, blob)
}

/// `keys` are the mirror's in the upstream's hosts.toml.
async fn house(keys: &str) -> House {
    let (upstream, blob) = stocked().await;
    let (mirror, _) = stocked().await;
    let directory = tempfile::tempdir().unwrap();
    let hosts_dirs = vec![directory.path().to_owned()];
    let client = Client::new(Config { hosts_dirs, ..Config::impatient() });
    let house = House { upstream, mirror, blob, directory, client };
    house.write(&format!("[host.\"http://{}\"]\n{keys}", house.mirror.address()));
    house
}

impl House {
    fn write(&self, text: &str) {
        let directory = self.directory.path().join(self.upstream.address());
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("hosts.toml"), text).unwrap();
    }

    fn repository(&self, credentials: &[Credential]) -> Repository {
        self.client.repository(self.upstream.address(), REPO, false, credentials).unwrap()
    }

    async fn head(&self) -> Result<Option<Digest>, Error> {
        let repository = self.repository(&[]);
        Ok(repository.head_manifest("1", &mut repository.budget()).await?.digest)
    }

    async fn read(&self, credentials: &[Credential]) -> Result<Bytes, Error> {
        let repository = self.repository(credentials);
        read(&repository, &self.blob, &mut repository.budget()).await
    }

    /// How many requests the upstream and the mirror have had.
    fn asked(&self) -> (usize, usize) {
        (self.upstream.requests().len(), self.mirror.requests().len())
    }
}

/// As the fetcher does.
async fn read(
    repository: &Repository,
    blob: &Descriptor,
    budget: &mut Budget,
) -> Result<Bytes, Error> {
    let mut have = Vec::new();
    loop {
        match attempt(repository, blob, &mut have, budget).await {
            Ok(()) => return Ok(have.into()),
            Err(failure) => budget.survive(failure).await?,
        }
    }
}

async fn attempt(
    repository: &Repository,
    blob: &Descriptor,
    have: &mut Vec<u8>,
    budget: &mut Budget,
) -> Result<(), Failure> {
    let mut stream = repository.blob(blob, have.len() as u64, budget).await?;
    have.truncate(usize::try_from(stream.start()).unwrap());
    while let Some(chunk) = stream.chunk().await? {
        have.extend_from_slice(&chunk);
    }
    Ok(())
}
