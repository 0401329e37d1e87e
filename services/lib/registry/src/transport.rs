//! Connections: which HTTP client dials a url, through which proxy, trusting whom, how many at once.
//!
//! Loopback is not proxied, but where its hosts.toml says so; all other hosts are dialed through the
//! proxies that the environment names. The limit is the host's, over all that this process asks of it: connections of fifty pulls
//! are as many as those of one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::Client as Http;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use url::Url;
use varve_core::Result;

use crate::clients::{Clients, Way};
use crate::config::Config;
use crate::endpoint;
use crate::failure;
use crate::host::Host;
use crate::hosts::Tls;

/// Hosts whose limit is remembered while nothing is under way.
const HOSTS: usize = 256;
/// How long a host gets to answer a TLS handshake before it is taken for plain http.
const PROBE: Duration = Duration::from_secs(2);
/// How long that is taken for granted: another server may come up at the port, and a daemon lives long.
const LEARNED: Duration = Duration::from_secs(10);

pub(crate) struct Transport {
    config: Config,
    clients: Clients,
    limits: Mutex<HashMap<String, Arc<Semaphore>>>,
    /// What hosts turned out to speak that may speak either, and when that was asked.
    speaks: Mutex<HashMap<String, (Instant, Spoken)>>,
}

type Spoken = Arc<OnceCell<&'static str>>;

impl Transport {
    pub(crate) fn new(config: Config) -> Self {
        // A second provider is refused, and then there is one: either way, one is installed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (limits, speaks) = (Mutex::default(), Mutex::default());
        Self { config, clients: Clients::default(), limits, speaks }
    }

    /// The client that dials `url`, where it is `host`'s or `host` leads there. What was set for the
    /// host is for its own name; where it leads, only its authorities count.
    pub(crate) fn client(&self, url: &Url, host: &Host) -> Result<Http> {
        let own = url.host() == host.api.host();
        let tls = if own { host.tls.clone() } else { host.tls.abroad() };
        let usual = self.config.connect_timeout;
        let connect_timeout = if own { host.connect_timeout } else { usual };
        let direct = endpoint::is_loopback(url);
        let bare = direct && url.scheme() == "http";
        let proxy = host.proxy.clone().filter(|_| own || !direct);
        self.clients.get(Way { direct, bare, connect_timeout, proxy }, &tls, || self.builder())
    }

    fn builder(&self) -> reqwest::ClientBuilder {
        Http::builder()
            .user_agent(concat!("varve/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
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
    /// whichever is spoken there.
    pub(crate) async fn base(&self, host: &str, plain_http: bool) -> Result<Url> {
        let secure = endpoint::base("https", host)?;
        if plain_http {
            return endpoint::base("http", host);
        }
        if !endpoint::is_loopback(&secure) {
            return Ok(secure);
        }
        endpoint::base(self.spoken(&secure).await, host)
    }

    /// Which of https and http is spoken at the host and port of `secure`. Docker tries https first,
    /// then http; so do we, once for all who ask within a few seconds, with a handshake that a plain
    /// server ends at once.
    pub(crate) async fn spoken(&self, secure: &Url) -> &'static str {
        let authority = endpoint::authority(secure);
        let cell = self.known(&authority);
        let learned = cell.get_or_try_init(async || self.probe(secure).await.ok_or(())).await;
        // Nobody was there, and nothing was learned.
        let scheme = learned.copied().unwrap_or("http");
        tracing::trace!(authority, scheme, "a host that may speak either");
        scheme
    }

    /// What was learned of a host a moment ago, or the place for it.
    fn known(&self, authority: &str) -> Spoken {
        let mut speaks = self.speaks.lock().unwrap_or_else(PoisonError::into_inner);
        if speaks.len() >= HOSTS || speaks.get(authority).is_some_and(|it| it.0.elapsed() > LEARNED)
        {
            speaks.retain(|_, (asked, _)| asked.elapsed() <= LEARNED);
        }
        let place = || (Instant::now(), Spoken::default());
        Arc::clone(&speaks.entry(authority.to_owned()).or_insert_with(place).1)
    }

    async fn probe(&self, secure: &Url) -> Option<&'static str> {
        let way = Way { direct: true, bare: true, connect_timeout: PROBE, proxy: None };
        let client = self.clients.get(way, &Tls::default(), || self.builder()).ok()?;
        let _permit = self.permit(secure).await;
        match client.head(secure.clone()).timeout(PROBE).send().await {
            Ok(_) => Some("https"),
            Err(error) if error.is_connect() && failure::tls_error(&error).is_none() => None,
            // This client trusts nobody: whoever shows a certificate speaks TLS.
            Err(error) if failure::is_untrusted(&error) => Some("https"),
            Err(_) => Some("http"),
        }
    }
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
    async fn what_a_host_speaks_is_asked_again_after_a_while() {
        let transport = Transport::new(Config::impatient());
        let learned = |since: Duration| {
            let cell = Spoken::default();
            cell.set("https").unwrap();
            let asked = Instant::now().checked_sub(since).unwrap();
            transport.speaks.lock().unwrap().insert("a:1".into(), (asked, cell));
            transport.known("a:1").get().copied()
        };
        assert_eq!(learned(Duration::from_secs(1)), Some("https"));
        assert_eq!(learned(LEARNED + Duration::from_secs(1)), None, "the registry may be another");
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
