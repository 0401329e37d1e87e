//! A host that is asked for a repository's content: the registry itself, or a mirror of it.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use url::Url;
use varve_core::remotes::{Credential, Login};

use crate::config::Config;
use crate::endpoint;
use crate::failure::Failure;
use crate::hosts::{Entry, Tls};

/// What is wanted of a host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Need {
    /// Something that has a digest: it is verified, wherever it comes from.
    Digest,
    /// What a tag points to: nothing verifies the answer.
    Tag,
    /// That it takes what is pushed.
    Push,
}

impl Need {
    /// What the manifest `reference` needs.
    pub(crate) fn of(reference: &str) -> Self {
        if reference.contains(':') { Self::Digest } else { Self::Tag }
    }
}

/// How a host is dialed, and what it is called.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    /// The root of its API, `/v2` included.
    pub api: Url,
    /// What a mirror is told apart by.
    pub key: String,
    /// As credentials name it, and people: `docker.io`, `mirror.example:5000`.
    pub name: String,
    /// The registry that it mirrors, told to it with each request.
    pub mirrors: Option<String>,
    /// Whether there is another host to ask after it.
    pub has_next: bool,
    pub login: Option<Arc<Login>>,
    pub tls: Tls,
    /// Only for this origin.
    pub headers: HeaderMap,
    pub connect_timeout: Duration,
    /// To it, and to where it leads.
    pub proxy: Option<Url>,
}

impl Host {
    /// The host of `entry` at `api`, one of those of `registry`.
    pub(crate) fn new(
        registry: &str,
        entry: &Entry,
        api: Url,
        credentials: &[Credential],
        has_next: bool,
        config: &Config,
    ) -> Self {
        let itself = endpoint::base(api.scheme(), registry);
        let itself = itself.is_ok_and(|itself| endpoint::same_origin(&itself, &api));
        let name = if itself { registry.to_owned() } else { endpoint::name(&api) };
        let login = credentials.iter().find(|credential| credential.host == name);
        let usual = if has_next { config.mirror_connect_timeout } else { config.connect_timeout };
        Self {
            key: entry.key().to_owned(),
            login: login.map(|credential| Arc::new(credential.login.clone())),
            name,
            mirrors: (!itself).then(|| registry.to_owned()),
            has_next,
            tls: entry.tls.clone(),
            headers: entry.headers.clone(),
            proxy: entry.proxy.clone(),
            connect_timeout: entry.dial_timeout.unwrap_or(usual),
            api,
        }
    }

    /// `<api>/<repository>/<rest>`, for a mirror with the registry that is meant: one host may mirror
    /// many.
    pub(crate) fn url(&self, repository: &str, rest: &[&str]) -> Url {
        let mut url = self.api.clone();
        url.path_segments_mut()
            .expect("http urls have a path")
            .pop_if_empty()
            .extend(repository.split('/').chain(rest.iter().copied()));
        self.with_namespace(url)
    }

    /// `<api>/`, where a client finds out whether it is let in.
    pub(crate) fn root(&self) -> Url {
        let mut url = self.api.clone();
        url.path_segments_mut().expect("http urls have a path").pop_if_empty().push("");
        url
    }

    /// `url`, naming the registry that is meant.
    pub(crate) fn with_namespace(&self, mut url: Url) -> Url {
        let told = url.query_pairs().any(|(key, _)| key == "ns");
        if let Some(registry) = self.mirrors.as_ref().filter(|_| !told) {
            url.query_pairs_mut().append_pair("ns", registry);
        }
        url
    }

    /// What is done about a failure of this host: where there is another one, that is asked.
    pub(crate) fn blame(&self, failure: Failure) -> Failure {
        if !self.has_next || matches!(failure, Failure::Mirror { .. }) {
            return failure;
        }
        let unreachable = failure.is_unreachable();
        Failure::Mirror { host: self.key.clone(), error: failure.into_error(), unreachable }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use varve_core::remotes::Secret;

    fn host(registry: &str, api: &str) -> Host {
        let credential = |host: &str| Credential {
            host: host.into(),
            login: Login::RegistryToken(Secret::new(host)),
        };
        let all = [credential("docker.io"), credential("m.example"), credential("h:5000")];
        let api = Url::parse(api).unwrap();
        Host::new(registry, &Entry::default(), api, &all, true, &Config::impatient())
    }

    fn login(host: &Host) -> Option<&str> {
        match host.login.as_deref()? {
            Login::RegistryToken(token) => Some(token.expose()),
            _ => None,
        }
    }

    #[test]
    fn a_mirror_is_told_what_it_mirrors_and_gets_its_own_login() {
        let mirror = host("docker.io", "https://m.example/v2");
        let url = mirror.url("library/x", &["manifests", "1"]);
        assert_eq!(url.as_str(), "https://m.example/v2/library/x/manifests/1?ns=docker.io");
        assert_eq!(login(&mirror), Some("m.example"));
        assert_eq!(login(&host("docker.io", "https://m.example:5000/v2")), None);
        assert_eq!(login(&host("docker.io", "https://other.example/v2")), None);
    }

    #[test]
    fn the_registry_itself_is_not_told_who_it_is() {
        let hub = host("docker.io", "https://registry-1.docker.io/v2");
        assert_eq!(hub.url("x", &[]).as_str(), "https://registry-1.docker.io/v2/x");
        assert_eq!((hub.name.as_str(), login(&hub)), ("docker.io", Some("docker.io")));
        let own = host("h:5000", "http://h:5000/below/v2/");
        assert_eq!(own.url("x", &["tags", "list"]).as_str(), "http://h:5000/below/v2/x/tags/list");
        assert_eq!(own.root().as_str(), "http://h:5000/below/v2/");
        assert_eq!(login(&own), Some("h:5000"));
    }

    #[test]
    fn the_hub_as_a_mirror_is_called_as_its_credentials_are() {
        let hub = host("other.example", "https://registry-1.docker.io/v2");
        assert_eq!((hub.name.as_str(), login(&hub)), ("docker.io", Some("docker.io")));
        assert_eq!(hub.mirrors.as_deref(), Some("other.example"));
    }
}
