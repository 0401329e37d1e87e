//! A repository: which hosts are asked for its content, in which order, and how often.

use std::sync::Arc;

use http::header::{HeaderMap, HeaderName};
use http::{HeaderValue, Method};
use url::Url;
use varve_core::remotes::Credential;
use varve_core::{Error, Result};

use crate::client::{Client, Inner};
use crate::config::Config;
use crate::exchange::{Answer, Request};
use crate::failure::Failure;
use crate::host::{Host, Need};
use crate::hosts::{Capabilities, Entry};
use crate::retry::Budget;
use crate::visit::Visit;

/// One repository of one registry, seen with the client's credentials.
#[derive(Clone)]
pub struct Repository {
    pub(crate) client: Client,
    pub(crate) host: Arc<str>,
    pub(crate) name: Arc<str>,
    pub(crate) plain_http: bool,
    pub(crate) credentials: Arc<[Credential]>,
}

/// What is asked for, at whichever host.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub method: Method,
    /// Below the repository.
    pub path: [String; 2],
    pub headers: HeaderMap,
    pub need: Need,
}

impl Ask {
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }
}

impl Repository {
    /// `docker.io/library/alpine`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.host, self.name)
    }

    pub(crate) fn config(&self) -> &Config {
        &self.client.0.config
    }

    /// A full budget of its client.
    pub fn budget(&self) -> Budget {
        self.client.budget()
    }

    /// Asks one host after the other until one answers with success (or 416, where a range was asked
    /// for) or the budget ends. `noun` is what it is about.
    pub(crate) async fn send(
        &self,
        noun: &str,
        ask: &Ask,
        budget: &mut Budget,
    ) -> Result<Answer, Error> {
        let [kind, reference] = &ask.path;
        loop {
            let host = self.next(ask.need, budget).await?;
            let url = host.url(&self.name, &[kind, reference]);
            let mut request = Request::new(ask.method.clone(), url);
            request.headers.extend(ask.headers.clone());
            match self.visit(&host, noun, &request).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => budget.survive(failure).await?,
            }
        }
    }

    /// Sends `request` to `host`, once. A mirror that is not there, or not to be trusted, is not asked
    /// again for a while.
    pub(crate) async fn visit(
        &self,
        host: &Arc<Host>,
        noun: &str,
        request: &Request,
    ) -> Result<Answer, Failure> {
        let failure = match Visit::new(self, host, noun).send(request).await {
            Ok(answer) => return Ok(answer),
            Err(failure) => host.blame(failure),
        };
        if let Failure::Mirror { host, error, unreachable: true } = &failure {
            let pause = self.config().mirror_pause;
            let seconds = pause.as_secs();
            tracing::warn!("{}; this mirror is not asked for {seconds} s", error.chain());
            self.client.0.shunned.shun(host, pause);
        }
        Err(failure)
    }

    /// The host to ask now: the first that may be asked and has not failed. The last is asked
    /// however often it has.
    pub(crate) async fn next(&self, need: Need, budget: &mut Budget) -> Result<Arc<Host>> {
        let Inner { config, shunned, .. } = &*self.client.0;
        let entries = self.entries().await?;
        let able: Vec<_> = entries.iter().filter(|it| may(it.capabilities, need)).collect();
        let Some((last, mirrors)) = able.split_last() else {
            return Err(nobody(&self.host, need));
        };
        let can_be_asked = |it: &&&Entry| !shunned.has(it.key()) && !budget.has_passed(it.key());
        let mirror = mirrors.iter().find(can_be_asked).copied();
        let (entry, has_next) = mirror.map_or((*last, false), |mirror| (mirror, true));
        let api = self.api(entry).await?;
        let host = Host::new(&self.host, entry, api, &self.credentials, has_next, config);
        Ok(Arc::new(host))
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
        let transport = &self.client.0.transport;
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
    }
}

fn nobody(registry: &str, need: Need) -> Error {
    let word = match need {
        Need::Digest => "pull",
        Need::Tag => "resolve",
    };
    Error::precondition(format!("no host of {registry} may {word}: see its hosts.toml"))
}
