//! Connections: which HTTP client dials a url, through which proxy, trusting whom, how many at once.
//!
//! Three clients, each made when it is first needed (reading the system's certificates takes longer
//! than a request on the loopback): loopback hosts by plain http; loopback hosts by https; all
//! others, through the proxies that the environment names. Loopback is never proxied.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use reqwest::Client as Http;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;
use varve_core::{Error, Result};

use crate::config::Config;
use crate::endpoint;
use crate::failure;

/// Hosts whose limit is remembered while nothing is under way.
const HOSTS: usize = 256;
/// How long a loopback host gets to answer a TLS handshake before it is taken for plain http.
const PROBE: Duration = Duration::from_secs(2);

pub(crate) struct Transport {
    config: Config,
    bare: OnceLock<Http>,
    direct: OnceLock<Http>,
    system: OnceLock<Http>,
    limits: Mutex<HashMap<String, Arc<Semaphore>>>,
    /// What loopback hosts turned out to speak.
    speaks: Mutex<HashMap<String, &'static str>>,
}

impl Transport {
    pub(crate) fn new(config: Config) -> Self {
        // A second provider is refused, and then there is one: either way, one is installed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            config,
            bare: OnceLock::new(),
            direct: OnceLock::new(),
            system: OnceLock::new(),
            limits: Mutex::default(),
            speaks: Mutex::default(),
        }
    }

    /// The client that dials `url`.
    pub(crate) fn client(&self, url: &Url) -> Result<&Http> {
        match (endpoint::is_loopback(url), url.scheme()) {
            (true, "http") => self.bare(),
            (true, _) => once(&self.direct, || trusting(|| self.builder().no_proxy())),
            (false, _) => once(&self.system, || trusting(|| self.builder())),
        }
    }

    fn bare(&self) -> Result<&Http> {
        once(&self.bare, || built(self.builder().no_proxy().tls_certs_only([])))
    }

    fn builder(&self) -> reqwest::ClientBuilder {
        Http::builder()
            .user_agent(concat!("varve/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .connect_timeout(self.config.connect_timeout)
            .pool_max_idle_per_host(self.config.per_host)
            .pool_idle_timeout(Duration::from_secs(30))
    }

    /// One of the places at `url`'s host; waits for one.
    pub(crate) async fn permit(&self, url: &Url) -> OwnedSemaphorePermit {
        let limit = self.limit(endpoint::authority(url));
        limit.acquire_owned().await.expect("the limits are never closed")
    }

    fn limit(&self, host: String) -> Arc<Semaphore> {
        let mut limits = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
        if limits.len() >= HOSTS && !limits.contains_key(&host) {
            limits.retain(|_, limit| Arc::strong_count(limit) > 1);
        }
        let places = self.config.per_host.max(1);
        Arc::clone(limits.entry(host).or_insert_with(|| Arc::new(Semaphore::new(places))))
    }

    /// `scheme://host/` for a registry: https, but http where it was asked for, and on the loopback
    /// whichever is spoken there. Docker tries https first, then http; so do we, once per host, with
    /// a handshake that a plain server ends at once.
    pub(crate) async fn base(&self, host: &str, plain_http: bool) -> Result<Url> {
        let secure = endpoint::base("https", host)?;
        if plain_http {
            return endpoint::base("http", host);
        }
        if !endpoint::is_loopback(&secure) {
            return Ok(secure);
        }
        let known = self.speaks().get(host).copied();
        let scheme = match known {
            Some(scheme) => scheme,
            None => self.probe(host, &secure).await?,
        };
        endpoint::base(scheme, host)
    }

    async fn probe(&self, host: &str, secure: &Url) -> Result<&'static str> {
        let request = self.bare()?.head(secure.clone()).timeout(PROBE);
        let scheme = match request.send().await {
            Ok(_) => "https",
            // Nobody is there: nothing was learned.
            Err(error) if error.is_connect() && failure::tls_error(&error).is_none() => {
                return Ok("http");
            }
            // This client trusts nobody: whoever shows a certificate speaks TLS.
            Err(error) if failure::is_untrusted(&error) => "https",
            Err(_) => "http",
        };
        tracing::debug!(host, scheme, "probed a loopback registry");
        let mut speaks = self.speaks();
        if speaks.len() >= HOSTS {
            speaks.clear();
        }
        speaks.insert(host.to_owned(), scheme);
        Ok(scheme)
    }

    fn speaks(&self) -> std::sync::MutexGuard<'_, HashMap<String, &'static str>> {
        self.speaks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn once(cell: &OnceLock<Http>, make: impl FnOnce() -> Result<Http>) -> Result<&Http> {
    if let Some(client) = cell.get() {
        return Ok(client);
    }
    let made = make()?;
    Ok(cell.get_or_init(|| made))
}

/// A client that trusts the system's certificates. A machine may have none: then plain http still
/// works, and https says that the certificate is not trusted.
fn trusting(builder: impl Fn() -> reqwest::ClientBuilder) -> Result<Http> {
    builder().build().or_else(|error| {
        tracing::warn!(%error, "no certificates of the system: https registries cannot be trusted");
        built(builder().tls_certs_only([]))
    })
}

fn built(builder: reqwest::ClientBuilder) -> Result<Http> {
    builder.build().map_err(|error| Error::internal("cannot set up HTTP").with_source(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_host_that_is_not_on_the_loopback_is_never_dialed_by_http_unasked() {
        let transport = Transport::new(Config::impatient());
        let scheme = async |host, plain| transport.base(host, plain).await.unwrap().to_string();
        assert_eq!(scheme("registry.example", false).await, "https://registry.example/");
        assert_eq!(scheme("registry.example", true).await, "http://registry.example/");
    }

    #[tokio::test]
    async fn the_places_at_a_host_are_limited() {
        let transport = Transport::new(Config { per_host: 1, ..Config::impatient() });
        let (a, b) = (Url::parse("http://a/").unwrap(), Url::parse("http://b/").unwrap());
        let first = transport.permit(&a).await;
        let soon = Duration::from_millis(20);
        assert!(tokio::time::timeout(soon, transport.permit(&a)).await.is_err());
        drop(transport.permit(&b).await);
        drop(first);
        drop(transport.permit(&a).await);
    }
}
