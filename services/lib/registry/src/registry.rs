//! A registry: its hosts, as the administrator of this machine has them, and which of them is asked.

use std::sync::Arc;

use url::Url;
use varve_core::remotes::Credential;
use varve_core::{Error, Result};

use crate::action::Aim;
use crate::client::{Client, Inner};
use crate::exchange::{Answer, Request};
use crate::failure::Failure;
use crate::host::{Host, Need};
use crate::hosts::{Capabilities, Entry};
use crate::retry::Budget;
use crate::visit::Visit;

/// A registry, seen with the client's credentials.
#[derive(Clone)]
pub(crate) struct Registry {
    pub client: Client,
    /// As a reference spells it.
    pub host: Arc<str>,
    pub plain_http: bool,
    pub credentials: Arc<[Credential]>,
}

impl Registry {
    pub(crate) fn inner(&self) -> &Inner {
        &self.client.0
    }

    /// Sends `request` to `host`, once; any answer but success is a failure. A mirror that is not
    /// there, or not to be trusted, is not asked again for a while.
    pub(crate) async fn visit(
        &self,
        host: &Arc<Host>,
        aim: &Aim<'_>,
        request: &Request,
    ) -> Result<Answer, Failure> {
        let failure = match Visit::new(self.inner(), host, aim).send(request).await {
            Ok(answer) => return Ok(answer),
            Err(failure) => host.blame(failure),
        };
        if let Failure::Mirror { host, error, unreachable: true } = &failure {
            let pause = self.inner().config.mirror_pause;
            let seconds = pause.as_secs();
            tracing::warn!("{}; this mirror is not asked for {seconds} s", error.chain());
            self.inner().shunned.shun(host, pause);
        }
        Err(failure)
    }

    /// The host to ask now: the first that may be asked and has not failed. The last is asked
    /// however often it has.
    pub(crate) async fn next(&self, need: Need, budget: &mut Budget) -> Result<Arc<Host>> {
        let shunned = &self.inner().shunned;
        let entries = self.entries().await?;
        let able: Vec<_> = entries.iter().filter(|it| may(it.capabilities, need)).collect();
        let Some((last, mirrors)) = able.split_last() else {
            return Err(nobody(&self.host, need));
        };
        let can_be_asked = |it: &&&Entry| !shunned.has(it.key()) && !budget.has_passed(it.key());
        let mirror = mirrors.iter().find(can_be_asked).copied();
        let (entry, has_next) = mirror.map_or((*last, false), |mirror| (mirror, true));
        self.at(entry, has_next).await
    }

    /// The one host that takes what is pushed: the first that may.
    pub(crate) async fn taker(&self) -> Result<Arc<Host>> {
        let entries = self.entries().await?;
        let able = entries.iter().find(|it| may(it.capabilities, Need::Push));
        self.at(able.ok_or_else(|| nobody(&self.host, Need::Push))?, false).await
    }

    /// The registry itself, past its mirrors: what a login is for.
    pub(crate) async fn itself(&self) -> Result<Arc<Host>> {
        for entry in self.entries().await?.iter().rev() {
            let host = self.at(entry, false).await?;
            if host.name == *self.host {
                return Ok(host);
            }
        }
        self.at(&Entry::default(), false).await
    }

    async fn at(&self, entry: &Entry, has_next: bool) -> Result<Arc<Host>> {
        let api = self.api(entry).await?;
        let config = &self.inner().config;
        Ok(Arc::new(Host::new(&self.host, entry, api, &self.credentials, has_next, config)))
    }

    /// The configured hosts. Files are read off the async threads.
    async fn entries(&self) -> Result<Arc<[Entry]>> {
        let (client, host) = (self.client.clone(), self.host.clone());
        if client.0.hosts.is_empty() {
            return client.0.hosts.of(&host);
        }
        let reading = tokio::task::spawn_blocking(move || client.0.hosts.of(&host));
        reading
            .await
            .map_err(|error| Error::internal("reading registry hosts").with_source(error))?
    }

    /// Where the API of `entry` is. A host by http that has certificates is asked for TLS first, as
    /// containerd does; what is not configured follows the request.
    async fn api(&self, entry: &Entry) -> Result<Url> {
        let transport = &self.inner().transport;
        let Some(api) = &entry.api else {
            let base = transport.base(&self.host, self.plain_http).await?;
            return Ok(crate::endpoint::join(&base, ["v2"]));
        };
        let either = api.scheme() == "http" && entry.tls.key().is_some() && api.port().is_some();
        let mut secure = api.clone();
        if !either || secure.set_scheme("https").is_err() {
            return Ok(api.clone());
        }
        let speaks_tls = transport.spoken(&secure).await == "https";
        Ok(if speaks_tls { secure } else { api.clone() })
    }
}

fn may(capabilities: Capabilities, need: Need) -> bool {
    match need {
        Need::Digest => capabilities.pull,
        Need::Tag => capabilities.resolve,
        Need::Push => capabilities.push,
    }
}

fn nobody(registry: &str, need: Need) -> Error {
    let word = match need {
        Need::Digest => "pull",
        Need::Tag => "resolve",
        Need::Push => "push",
    };
    Error::precondition(format!("no host of {registry} may {word}: see its hosts.toml"))
}
