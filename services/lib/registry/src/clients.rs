//! HTTP clients: one for each way of dialing, made when it is first needed (reading the system's
//! certificates takes longer than a request on the loopback), and kept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use reqwest::{Client, ClientBuilder};
use url::Url;
use varve_core::{Digest, Error, Result};

use crate::hosts::Tls;

/// Clients that are kept: more are made where certificates are renewed.
const KEPT: usize = 64;

/// What makes two clients different.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Way {
    /// Past the proxies that the environment names.
    pub direct: bool,
    /// Without a certificate that is trusted: for plain http.
    pub bare: bool,
    pub connect_timeout: Duration,
    /// Through this proxy and no other.
    pub proxy: Option<Url>,
}

type Slot = Arc<OnceLock<Client>>;

#[derive(Default)]
pub(crate) struct Clients(Mutex<HashMap<(Way, Option<Digest>), Slot>>);

impl Clients {
    /// The client for `way` and `tls`, made of `builder` where there is none. FailedPrecondition
    /// where certificates or the proxy cannot be used.
    pub(crate) fn get(
        &self,
        way: Way,
        tls: &Tls,
        builder: impl Fn() -> ClientBuilder,
    ) -> Result<Client> {
        let bare = way.bare;
        let slot = self.slot((way.clone(), tls.key().filter(|_| !bare)));
        if let Some(client) = slot.get() {
            return Ok(client.clone());
        }
        let proxy = way.proxy.map(reqwest::Proxy::all).transpose().map_err(|error| {
            Error::precondition("a proxy that cannot be used").with_source(error.without_url())
        })?;
        let builder = || {
            let builder = builder().connect_timeout(way.connect_timeout);
            match &proxy {
                Some(proxy) => builder.no_proxy().proxy(proxy.clone()),
                None if way.direct => builder.no_proxy(),
                None => builder,
            }
        };
        let made = match bare {
            true => built(builder().tls_certs_only([]))?,
            false => trusting(tls, builder)?,
        };
        Ok(slot.get_or_init(|| made).clone())
    }

    fn slot(&self, key: (Way, Option<Digest>)) -> Slot {
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= KEPT && !clients.contains_key(&key) {
            clients.clear();
        }
        Arc::clone(clients.entry(key).or_default())
    }
}

/// A client that trusts the system's certificates too. A machine may have none: then plain http still
/// works, and https says that the certificate is not trusted.
fn trusting(tls: &Tls, builder: impl Fn() -> ClientBuilder) -> Result<Client> {
    tls.apply(builder(), false).build().or_else(|error| {
        let client = built(tls.apply(builder(), true))?;
        tracing::warn!(%error, "no certificates of the system: https registries cannot be trusted");
        Ok(client)
    })
}

fn built(builder: ClientBuilder) -> Result<Client> {
    builder
        .build()
        .map_err(|error| Error::precondition("cannot set up HTTP or TLS").with_source(error))
}
