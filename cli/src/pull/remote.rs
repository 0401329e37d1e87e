//! Where a pull goes to, with the logins that Docker's config and its helpers have for the hosts on
//! the way. Services never look for a login: where they miss one they name the host, and are asked
//! again.

use varve_core::remotes::{Credential, Remote};
use varve_core::{Error, Reference, Result};
use varve_registry::DockerConfig;
use varve_registry::docker_config::{Found, helper};

use crate::progress;

/// Docker's config, and the helpers that it names.
pub struct Logins(DockerConfig);

impl Logins {
    /// A config that cannot be read is an error: to go on without the login would only fail later,
    /// and for another reason.
    pub async fn load() -> Result<Self> {
        let loading = tokio::task::spawn_blocking(DockerConfig::load);
        let config = loading
            .await
            .map_err(|error| Error::internal("reading Docker's config").with_source(error))?;
        config.map(Self)
    }

    /// The remote of a reference, with the login for its registry.
    pub async fn remote(&self, reference: Reference, plain_http: bool) -> Result<Remote> {
        let credentials = self.find(reference.domain()).await?.into_iter().collect();
        Ok(Remote { plain_http, credentials, ..Remote::anonymous(reference) })
    }

    /// Adds to `remote` the login whose lack `error` is about; `false` where there is none to add.
    pub async fn add(&self, remote: &mut Remote, error: &Error) -> Result<bool> {
        let Some(host) = error.login_at() else { return Ok(false) };
        if remote.credentials.iter().any(|credential| credential.host == host) {
            return Ok(false);
        }
        let found = self.find(host).await?;
        let any = found.is_some();
        remote.credentials.extend(found);
        Ok(any)
    }

    /// The login at `host`. A helper that fails is told of, and the registry asked without a login: it may want none.
    pub async fn find(&self, host: &str) -> Result<Option<Credential>> {
        match self.0.find(host)? {
            Found::Credential(credential) => Ok(Some(credential)),
            Found::Nothing => Ok(None),
            Found::Helper(name) => Ok(helper::get(&name, host).await.unwrap_or_else(|error| {
                let chain = error.chain();
                progress::warn(&format!("WARNING: going on without a login for {host}: {chain}"));
                None
            })),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use varve_core::Kind;

    fn logins(config: &str) -> Logins {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.json");
        std::fs::write(&path, config).unwrap();
        Logins(DockerConfig::read(&path).unwrap())
    }

    fn missing(host: &str) -> Error {
        Error::new(Kind::Unauthenticated, "wants a login").with_login_at(host).context("alpine")
    }

    fn hosts(remote: &Remote) -> Vec<&str> {
        remote.credentials.iter().map(|credential| credential.host.as_str()).collect()
    }

    #[tokio::test]
    async fn a_host_that_wants_a_login_gets_its_own_once() {
        let logins = logins(
            r#"{"auths": {"m:5000": {"auth": "bWU6cHc="}, "h.example": {"auth": "bWU6cHc="},
                "other": {"auth": "bWU6cHc="}}}"#,
        );
        let mut remote = logins.remote("h.example/x:1".parse().unwrap(), false).await.unwrap();
        assert_eq!(hosts(&remote), ["h.example"]);
        assert!(logins.add(&mut remote, &missing("m:5000")).await.unwrap());
        assert_eq!(hosts(&remote), ["h.example", "m:5000"]);
        for error in [missing("m:5000"), missing("unknown"), Error::not_found("x")] {
            assert!(!logins.add(&mut remote, &error).await.unwrap(), "{error}");
        }
        assert_eq!(hosts(&remote), ["h.example", "m:5000"]);
    }

    #[tokio::test]
    async fn a_helper_that_is_not_there_does_not_stop_a_pull() {
        let logins = logins(r#"{"credsStore": "of-no-machine"}"#);
        let remote = logins.remote("h.example/x:1".parse().unwrap(), false).await.unwrap();
        assert_eq!(hosts(&remote), [""; 0]);
    }
}
