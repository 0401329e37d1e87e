//! A registry in this process, on the loopback, whose faults are values.
//!
//! It serves what was pushed into it, as the distribution specification says, and breaks exactly
//! those rules that a test gives it ([`Rule`]). It keeps a log of every request. Dropping it ends it
//! and all its connections.

mod answer;
mod faults;
mod gate;
mod log;
mod paging;
pub mod parsers;
mod repositories;
mod serve;
mod shelf;
mod stream;
mod uploads;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use varve_core::{Descriptor, Digest, MediaType};

pub use faults::{Fault, On, Rule};
pub use gate::Gate;
pub use log::Record;

use shelf::{Shelf, Source};

/// A running registry.
pub struct TestRegistry {
    address: String,
    state: Arc<State>,
    server: JoinHandle<()>,
}

/// What the connections share.
struct State {
    address: String,
    shelf: Mutex<Shelf>,
    uploads: Mutex<uploads::Uploads>,
    /// `None` where it has no search.
    search: Mutex<Option<Vec<serde_json::Value>>>,
    rules: Mutex<Vec<Rule>>,
    gate: Mutex<gate::Keeper>,
    log: Mutex<Vec<log::Entry>>,
    connections: serve::Connections,
}

impl TestRegistry {
    /// Starts an empty registry on a free port of 127.0.0.1, open to all, without faults.
    ///
    /// # Panics
    /// Where the machine has no loopback.
    pub async fn start() -> Self {
        let listener =
            TcpListener::bind("127.0.0.1:0").await.expect("the loopback has a free port");
        let address = listener.local_addr().expect("a bound listener has an address").to_string();
        let state = Arc::new(State {
            address: address.clone(),
            shelf: Mutex::default(),
            uploads: Mutex::default(),
            search: Mutex::default(),
            rules: Mutex::default(),
            gate: Mutex::default(),
            log: Mutex::default(),
            connections: serve::Connections::default(),
        });
        let server = tokio::spawn(serve::accept(listener, Arc::clone(&state)));
        Self { address, state, server }
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// `127.0.0.1:PORT/repository:tag`.
    pub fn reference(&self, repository: &str, tag: &str) -> String {
        format!("{}/{repository}:{tag}", self.address)
    }

    /// Adds a blob. The descriptor's media type is `application/octet-stream`: set what it is.
    pub fn push_blob(&self, repository: &str, bytes: impl Into<Bytes>) -> Descriptor {
        let bytes = bytes.into();
        let (digest, size) = (Digest::of(&bytes), bytes.len() as u64);
        lock(&self.state.shelf).add(repository, digest, Source::Bytes(bytes));
        descriptor(digest, size)
    }

    /// Adds a blob that is read from a file when it is asked for.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn push_file(&self, repository: &str, path: &Path) -> std::io::Result<Descriptor> {
        let (digest, size) = shelf::hash(path)?;
        lock(&self.state.shelf).add(repository, digest, Source::File(path.to_owned(), size));
        Ok(descriptor(digest, size))
    }

    /// Adds a manifest or an index, and moves `tag` to it.
    pub fn push_manifest(
        &self,
        repository: &str,
        tag: Option<&str>,
        media_type: &MediaType,
        bytes: impl Into<Bytes>,
    ) -> Digest {
        lock(&self.state.shelf).add_manifest(repository, tag, media_type, bytes.into())
    }

    /// Has it search as Docker Hub does: these are what it finds, filtered by name.
    pub fn searchable(&self, results: Vec<serde_json::Value>) {
        *lock(&self.state.search) = Some(results);
    }

    /// The bytes of a blob, as they were pushed.
    pub fn blob(&self, repository: &str, digest: &Digest) -> Option<Bytes> {
        let source = lock(&self.state.shelf).blob(repository, &digest.to_string())?;
        source.read_at(0, usize::try_from(source.size()).ok()?).ok()
    }

    /// From now on these rules are broken, and no others.
    pub fn faults(&self, rules: impl IntoIterator<Item = Rule>) {
        *lock(&self.state.rules) = rules.into_iter().collect();
    }

    /// Who is let in from now on. Tokens given out before are void.
    pub fn guard(&self, gate: Gate) {
        *lock(&self.state.gate) = gate::Keeper::new(gate);
    }

    /// Voids all tokens that were given out, whatever life they have left.
    pub fn revoke(&self) {
        lock(&self.state.gate).revoke();
    }

    /// All requests so far, in the order of their arrival.
    pub fn requests(&self) -> Vec<Record> {
        lock(&self.state.log).iter().map(log::Entry::record).collect()
    }

    /// The most connections that were open at the same time.
    pub fn most_connections(&self) -> usize {
        self.state.connections.most()
    }

    /// Ends the server and every connection, and waits until they have ended.
    pub async fn stop(mut self) {
        self.server.abort();
        // Aborted is what it should be.
        let _ = (&mut self.server).await;
    }
}

impl Drop for TestRegistry {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn descriptor(digest: Digest, size: u64) -> Descriptor {
    Descriptor::new(MediaType::Other("application/octet-stream".into()), digest, size)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
