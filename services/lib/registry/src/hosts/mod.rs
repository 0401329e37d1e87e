//! The hosts of a registry, as the administrator of this machine has them: mirrors, certificates,
//! headers. The files are containerd's and Docker's own, read when a registry is first asked for
//! something, and again when they have changed.

mod directory;
mod file;
mod keys;
mod tls;

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use url::Url;
use varve_core::{Error, Result};

#[cfg(feature = "testsuite")]
pub(crate) use file::parse;
pub(crate) use tls::Tls;

/// Registries whose files are remembered.
const KEPT: usize = 256;

/// One host of a registry.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entry {
    /// The root of its API; `None` is the registry itself, by its own name.
    pub api: Option<Url>,
    pub capabilities: Capabilities,
    pub tls: Tls,
    /// Sent to this host with each request.
    pub headers: HeaderMap,
    pub dial_timeout: Option<Duration>,
    /// The way to this host, whatever the environment says.
    pub proxy: Option<Url>,
    /// Where its certificates were read.
    files: Vec<PathBuf>,
}

impl Entry {
    /// What a mirror is told apart by.
    pub(crate) fn key(&self) -> &str {
        self.api.as_ref().map_or("", Url::as_str)
    }
}

/// What a host is trusted with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Capabilities {
    /// To send what has a digest.
    pub pull: bool,
    /// To say what a tag points to.
    pub resolve: bool,
    /// To take what is pushed.
    pub push: bool,
}

impl Default for Capabilities {
    fn default() -> Self {
        Self { pull: true, resolve: true, push: true }
    }
}

/// What the directories say, by registry.
#[derive(Default)]
pub(crate) struct Hosts {
    roots: Vec<PathBuf>,
    known: Mutex<HashMap<String, Known>>,
}

#[derive(Clone)]
struct Known {
    directory: PathBuf,
    entries: Arc<[Entry]>,
    stamps: directory::Stamps,
}

impl Hosts {
    /// Hosts of `roots`, searched in this order.
    pub(crate) fn new(roots: &[PathBuf]) -> Self {
        Self { roots: roots.to_vec(), known: Mutex::default() }
    }

    /// The hosts to ask for what is at `registry`, in this order; the last is to be tried hardest.
    /// Reads files: not on an async thread. InvalidArgument, naming file and key, where one is wrong.
    pub(crate) fn of(&self, registry: &str) -> Result<Arc<[Entry]>> {
        let Some(directory) = directory::find(&self.roots, registry) else {
            return Ok([Entry::default()].into());
        };
        let known = self.known().get(registry).cloned();
        if let Some(known) = known.filter(|it| it.directory == directory && it.stamps.hold()) {
            return Ok(known.entries);
        }
        let (entries, stamps) = directory::read(&directory)?;
        tracing::debug!(registry, ?directory, hosts = entries.len(), "read registry hosts");
        let known = Known { directory, entries: entries.into(), stamps };
        let entries = Arc::clone(&known.entries);
        let mut all = self.known();
        if all.len() >= KEPT {
            all.clear();
        }
        all.insert(registry.to_owned(), known);
        Ok(entries)
    }

    /// Whether there is nothing to read.
    pub(crate) fn is_empty(&self) -> bool {
        self.roots.is_empty()
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl tls::Paths {
    fn files(&self) -> Vec<PathBuf> {
        let clients = self.clients.iter();
        let clients = clients.flat_map(|(certificate, key)| [Some(certificate), key.as_ref()]);
        self.authorities.iter().chain(clients.flatten()).cloned().collect()
    }
}

/// The file's bytes. `what` it is stands in the error; more than `cap` is ResourceExhausted.
fn read(path: &Path, what: &str, cap: u64) -> Result<Vec<u8>> {
    let noun = || format!("{what} {}", path.display());
    let io = |error| Error::io(noun(), error);
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(io)?;
    file.take(cap + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > cap {
        return Err(Error::exhausted(format!("{}: more than {cap} bytes", noun())));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(hosts: &Hosts) -> Option<String> {
        Some(hosts.of("h").unwrap().last()?.api.as_ref()?.to_string())
    }

    #[test]
    fn a_file_that_changes_is_read_again_and_one_that_goes_is_forgotten() {
        let temp = tempfile::tempdir().unwrap();
        let hosts = Hosts::new(&[temp.path().join("none"), temp.path().to_owned()]);
        assert_eq!(server(&hosts), None);
        std::fs::create_dir(temp.path().join("h")).unwrap();
        let file = temp.path().join("h/hosts.toml");
        for name in ["a", "longer"] {
            std::fs::write(&file, format!("server = \"https://{name}\"")).unwrap();
            assert_eq!(server(&hosts).unwrap(), format!("https://{name}/v2"));
        }
        std::fs::write(&file, "server = 1").unwrap();
        assert!(hosts.of("h").is_err());
        std::fs::remove_file(&file).unwrap();
        assert_eq!(server(&hosts), None);
        std::fs::write(temp.path().join("h/ca.crt"), "nonsense").unwrap();
        assert!(hosts.of("h").unwrap_err().message().contains("h/ca.crt"));
    }
}
