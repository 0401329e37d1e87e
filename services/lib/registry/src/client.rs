//! The client: what all requests to all registries share.

use std::sync::Arc;

use varve_core::remotes::{Credential, Remote};
use varve_core::{Error, Result};

use crate::auth::Auth;
use crate::config::Config;
use crate::endpoint;
use crate::hosts::Hosts;
use crate::registry::Registry;
use crate::repository::Repository;
use crate::retry::Budget;
use crate::shun::Shunned;
use crate::transport::Transport;

/// A client for any number of registries. Cloning it shares connections, tokens and limits.
#[derive(Clone)]
pub struct Client(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub config: Config,
    pub hosts: Hosts,
    pub transport: Transport,
    pub auth: Auth,
    pub shunned: Shunned,
}

impl Client {
    /// Binds nothing and dials nobody. Installs rustls's ring provider where none is installed.
    pub fn new(config: Config) -> Self {
        let (transport, hosts) = (Transport::new(config.clone()), Hosts::new(&config.hosts_dirs));
        let (auth, shunned) = (Auth::default(), Shunned::default());
        Self(Arc::new(Inner { config, hosts, transport, auth, shunned }))
    }

    /// Its limits.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// A full budget, to be shared by all that is done for one thing.
    pub fn budget(&self) -> Budget {
        Budget::new(&self.0.config)
    }

    /// The repository that `remote` is about.
    pub fn open(&self, remote: &Remote) -> Result<Repository> {
        let (reference, plain) = (&remote.reference, remote.plain_http);
        self.repository(reference.domain(), reference.path(), plain, &remote.credentials)
    }

    /// The repository `name` (`library/alpine`) of `host` (`docker.io`, `localhost:5000`). Of
    /// `credentials` each goes only to the host that it names: this one, or a mirror of it.
    /// `plain_http` is for registries that are not on the loopback, where hosts.toml says nothing;
    /// on the loopback both are tried.
    pub fn repository(
        &self,
        host: &str,
        name: &str,
        plain_http: bool,
        credentials: &[Credential],
    ) -> Result<Repository> {
        let registry = self.registry(host, plain_http, credentials)?;
        if name.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(Error::invalid(format!("repository {name:?} of {host}: is no name")));
        }
        Ok(Repository { registry, name: name.into() })
    }

    /// The registry `host`, whatever repository of it.
    pub(crate) fn registry(
        &self,
        host: &str,
        plain_http: bool,
        credentials: &[Credential],
    ) -> Result<Registry> {
        endpoint::base("https", host)?;
        let client = self.clone();
        Ok(Registry { client, host: host.into(), plain_http, credentials: credentials.into() })
    }
}
