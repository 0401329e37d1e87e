//! What a containerd reaches through its proxy plugins (`[proxy_plugins]`, types `content` and
//! `snapshot`): a socket of its own, and behind it one namespace that is nobody else's.
//!
//! Why no namespace of the request is heeded, and never the default one used:
//!
//! - To containerd a plugin is one flat space: it keeps namespaces, labels and references itself. Debian's
//!   1.6 sends no namespace at all; others send their caller's, but none with their own collections.
//! - containerd's collector lists all that a plugin has and removes what it has no record of. In a
//!   namespace that Varve's own commands use, that would be all of their images.
//!
//! What comes here is its client's to remove, and Varve's collector leaves it alone: no image, lease or
//! label comes with it, so that nothing would refer to it. It is said in each record, with
//! `containerd.io/gc.root`, and not in a list of namespaces that the collector is given: whoever opens
//! the root later (a daemon without this socket, a command) must find it said. Clients do not see the label.

mod content;
mod snapshots;

use std::sync::Arc;

use serde::Deserialize;
use varve_core::content::Content;
use varve_core::labels::GC_ROOT;
use varve_core::snapshotters::Snapshotters;
use varve_core::{Error, Kind, Labels, Namespace, Result, Scope};

use crate::{Address, Listener, Served, Shutdown};

/// The namespace where none is configured.
pub const NAMESPACE: &str = "containerd";

/// Where a containerd finds what it is given; nowhere by default.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub listen: Option<Address>,
    pub namespace: Namespace,
}

impl Default for Config {
    fn default() -> Self {
        let namespace = NAMESPACE.parse().expect("a word is a namespace");
        Self { listen: None, namespace }
    }
}

/// The door, bound and not yet open.
#[derive(Debug)]
pub struct Door {
    listener: Option<Listener>,
    namespace: Namespace,
}

impl Config {
    /// Binds the socket, if there is to be one.
    pub async fn bind(self) -> Result<Door> {
        let Self { listen, namespace } = self;
        if namespace == Namespace::default() {
            let message = format!(
                "namespace {namespace} is that of Varve's own images; give a proxied \
                                   containerd another, for it removes whatever it has no record of"
            );
            return Err(Error::invalid(message));
        }
        let listener = match &listen {
            Some(address) => Some(Listener::bind(address).await?),
            None => None,
        };
        Ok(Door { listener, namespace })
    }
}

impl Door {
    /// Serves what is given here until `shutdown`; returns at once where there is no socket.
    pub async fn serve(
        self,
        content: Option<Arc<dyn Content>>,
        snapshotters: Option<Arc<dyn Snapshotters>>,
        shutdown: Shutdown,
    ) -> Result<()> {
        let Self { listener, namespace } = self;
        let Some(listener) = listener else { return Ok(()) };
        let mut served = Served::default();
        if let Some(inner) = content {
            served = served.content(Arc::new(Proxied { inner, namespace: namespace.clone() }));
        }
        if let Some(inner) = snapshotters {
            served = served.snapshots(Arc::new(Proxied { inner, namespace }));
        }
        crate::serve(listener, served, shutdown).await
    }
}

/// An implementation in whose one namespace everything happens.
struct Proxied<T: ?Sized> {
    inner: Arc<T>,
    namespace: Namespace,
}

impl<T: ?Sized> Proxied<T> {
    /// A lease would be one of containerd's, which nobody knows here.
    fn scope(&self) -> Scope {
        Scope::of(self.namespace.clone())
    }
}

/// What a client gives, with what keeps it. Also where labels are replaced or set one by one, as an
/// update that names the label then sets it.
fn kept(labels: &Labels) -> Labels {
    let mut labels = labels.clone();
    labels.insert(GC_ROOT.into(), "proxied".into());
    labels
}

/// What a client is told.
fn told(mut labels: Labels) -> Labels {
    labels.remove(GC_ROOT);
    labels
}

/// What is there and was not kept may be collected while it is being kept: the client is to ask again.
fn collected_meanwhile(error: Error) -> Error {
    match error.kind() {
        Kind::NotFound => Error::unavailable("it is being collected; try again").with_source(error),
        _ => error,
    }
}
