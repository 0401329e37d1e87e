//! The registry in this process, for callers without a runtime of their own: it counts what it is
//! asked and breaks what it is told to.

use anyhow::Result;
use tokio::runtime::Runtime;
use varve_registry::testsuite::{Gate, Record, Rule, TestRegistry};

use crate::image::Content;

/// A registry on the loopback, in a runtime of its own.
pub struct Fake {
    registry: TestRegistry,
    // Goes last: it drives the registry.
    _runtime: Runtime,
}

impl Fake {
    /// Starts an empty one on a free port.
    pub fn start() -> Result<Self> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let registry = runtime.block_on(TestRegistry::start());
        Ok(Self { registry, _runtime: runtime })
    }

    /// `127.0.0.1:port`.
    pub fn address(&self) -> &str {
        self.registry.address()
    }

    /// Takes everything into `repository`, and names the last manifest `tag`.
    pub fn push(&self, repository: &str, tag: &str, content: &Content) {
        for blob in &content.blobs {
            self.registry.push_blob(repository, blob.clone());
        }
        let last = content.manifests.len().saturating_sub(1);
        for (n, (media_type, bytes)) in content.manifests.iter().enumerate() {
            let tag = (n == last).then_some(tag);
            self.registry.push_manifest(repository, tag, media_type, bytes.clone());
        }
    }

    /// From now on these rules are broken, and no others.
    pub fn faults(&self, rules: impl IntoIterator<Item = Rule>) {
        self.registry.faults(rules);
    }

    /// Has it search as Docker Hub does, and find these.
    pub fn searchable(&self, results: Vec<serde_json::Value>) {
        self.registry.searchable(results);
    }

    /// Who is let in from now on.
    pub fn guard(&self, gate: Gate) {
        self.registry.guard(gate);
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<Record> {
        self.registry.requests()
    }

    /// How many requests for blobs there were so far.
    pub fn blob_requests(&self) -> usize {
        self.requests().iter().filter(|request| request.path.contains("/blobs/")).count()
    }
}
