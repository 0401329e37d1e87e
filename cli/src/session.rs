//! What a command works with: the services, wherever they run, the namespace, the output.
//!
//! *One root, one owner*: who owns a root serves it to others on its socket while working. So a
//! command looks there first; finds nobody, and owns the root itself; or waits for whoever does.

use std::time::Duration;

use varve_core::remotes::Remote;
use varve_core::{Result, Scope};
use varve_registry::Client;
use varve_rpc::channel::{channel, greet};
use varve_rpc::{Address, Host, Listener, Shutdown, containerd};

use crate::args::Global;
use crate::config::Config;
use crate::container::place::Base;
use crate::output::Output;
use crate::progress;
use crate::root::{self, Candidate, Root};
use crate::services::embedded::Embedded;
use crate::services::remote;
use crate::services::{Services, routes};

/// How often a root that another process owns is tried again.
const POLL: Duration = Duration::from_millis(50);
/// Tries before it is told whom for; most commands are done before a person would have read it.
const SILENT: u32 = 4;
/// How long guests may take before they are told of.
const PATIENT: Duration = Duration::from_millis(300);

/// Services to work with.
pub struct Session {
    pub services: Services,
    /// The namespace that was asked for, without a lease.
    pub scope: Scope,
    pub output: Output,
    /// What tells this namespace of this store from others.
    pub store: String,
    config: Config,
    /// Where the state of containers is kept.
    pub base: Base,
    home: Option<Home>,
}

/// What is ours to close, where the services run in this process.
struct Home {
    embedded: Embedded,
    host: Option<Host>,
    /// Freed last.
    _root: Root,
}

impl Session {
    /// The services at the address or in the configuration that was given, else of the root.
    pub async fn open(global: &Global) -> Result<Self> {
        Self::open_for(global, None).await
    }

    /// The same for work that begins with asking a registry for `first`: where this process is to ask, it gets ready to
    /// while the root is opened.
    pub async fn open_for(global: &Global, first: Option<&Remote>) -> Result<Self> {
        let config = Config::of(global)?;
        let (services, home) = match (&global.address, &config.addresses) {
            (Some(address), _) => (elsewhere(address, &config).await?, None),
            (None, Some(addresses)) => (remote::services(addresses), None),
            (None, None) => of_root(global, &config, first).await?,
        };
        let (services, output) = (services.within(&config), Output { format: global.format() });
        let (scope, store) = (Scope::of(global.namespace.clone()), store(global, &config)?);
        Ok(Self { services, scope, output, store, config, base: Base::of(global)?, home })
    }

    /// A client of registries, for what this process itself does there.
    pub fn registry(&self) -> Client {
        self.config.registry()
    }

    /// Waits for those whom this process serves, writes what is pending, lets go of the root.
    pub async fn close(self) -> Result<()> {
        let Some(Home { embedded, host, _root }) = self.home else { return Ok(()) };
        if let Some(host) = host {
            leave(host).await;
        }
        embedded.close().await
    }
}

fn store(global: &Global, config: &Config) -> Result<String> {
    let elsewhere = global.config.as_ref().filter(|_| config.addresses.is_some());
    let at = match (&global.address, elsewhere) {
        (Some(address), _) => address.to_string(),
        (None, Some(file)) => file.display().to_string(),
        (None, None) => root::path(global.root.as_deref())?.display().to_string(),
    };
    Ok(format!("{at} {}", global.namespace))
}

/// A daemon's, or a containerd's.
async fn elsewhere(address: &Address, config: &Config) -> Result<Services> {
    let channel = channel(address);
    greet(&channel).await.map_err(|error| error.context(address.to_string()))?;
    match containerd::is_at(&channel).await? {
        true => Ok(remote::at_containerd(channel, config)),
        false => Ok(remote::at(channel)),
    }
}

/// The root's owner's, or our own. Says on stderr whom it waits for.
async fn of_root(
    global: &Global,
    config: &Config,
    first: Option<&Remote>,
) -> Result<(Services, Option<Home>)> {
    let mut candidate = Candidate::at(&root::path(global.root.as_deref())?)?;
    let address = routes::address(candidate.path());
    for tries in 1.. {
        let owner = channel(&address);
        if greet(&owner).await.is_ok() {
            return Ok((remote::at(owner), None));
        }
        candidate = match candidate.own()? {
            Ok(root) => return embedded(root, &address, config, first).await,
            Err(candidate) => candidate,
        };
        if tries == SILENT {
            let (whom, noun) = (candidate.owner(), candidate.path().display());
            progress::warn(&format!("Waiting for {whom}, which is using {noun}"));
        }
        tokio::time::sleep(POLL).await;
    }
    unreachable!("the loop ends with an owner")
}

async fn embedded(
    root: Root,
    address: &Address,
    config: &Config,
    first: Option<&Remote>,
) -> Result<(Services, Option<Home>)> {
    let registry = config.registry();
    if let Some(repository) = first.and_then(|remote| registry.open(remote).ok()) {
        tokio::spawn(async move { repository.prepare().await });
        Embedded::foresee(&root.path);
    }
    let embedded = Embedded::open(&root.path, config, registry).await?;
    let services = embedded.services.clone();
    let host = match invite(address, &embedded).await {
        Ok(host) => Some(host),
        // Others wait then until this command is done.
        Err(error) => {
            tracing::debug!("not served to others: {}", error.chain());
            None
        }
    };
    Ok((services, Some(Home { embedded, host, _root: root })))
}

async fn invite(address: &Address, embedded: &Embedded) -> Result<Host> {
    let listener = Listener::bind(address).await?;
    // It ends with its guests, not before.
    Ok(Host::start(listener, routes::served(embedded, &Shutdown::new())))
}

async fn leave(host: Host) {
    let guests = host.guests();
    let left = host.leave();
    tokio::pin!(left);
    if tokio::time::timeout(PATIENT, &mut left).await.is_err() {
        progress::warn(&format!("Waiting for {guests} other command(s) that work in this root"));
        left.await;
    }
}
