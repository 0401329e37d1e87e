//! Docker's config.json: the logins that `docker login` and `varve login` left, there or with a helper.
//! The CLI reads it and writes it; services never do.

pub(crate) mod file;
pub mod helper;
mod keep;

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use varve_core::remotes::{Credential, Login, Secret};
use varve_core::{Error, Result};

pub use keep::{Kept, forget, keep};

/// Bytes of a config that are read.
const CAP: u64 = 1 << 20;
/// Docker Hub's key.
const HUB_KEY: &str = "https://index.docker.io/v1/";
/// Padding is often left out by hand.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The logins of one config.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct DockerConfig {
    auths: HashMap<String, Entry>,
    #[serde(rename = "credHelpers")]
    helpers: HashMap<String, String>,
    #[serde(rename = "credsStore")]
    store: String,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
    registrytoken: String,
}

/// What the config has for a host.
#[derive(Debug)]
pub enum Found {
    Credential(Credential),
    /// The login, if there is one, is kept by this helper.
    Helper(String),
    Nothing,
}

impl DockerConfig {
    /// `$DOCKER_CONFIG/config.json`, or `~/.docker/config.json`; empty where there is none.
    pub fn load() -> Result<Self> {
        match path() {
            Some(path) => Self::read(&path),
            None => Ok(Self::default()),
        }
    }

    /// The config at `path`; empty where there is none.
    pub fn read(path: &Path) -> Result<Self> {
        let io = |error| Error::io(format!("docker config {}", path.display()), error);
        let size = match std::fs::metadata(path) {
            Ok(facts) => facts.len(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(error) => return Err(io(error)),
        };
        if size > CAP {
            let noun = path.display();
            return Err(Error::exhausted(format!("docker config {noun}: more than {CAP} bytes")));
        }
        let bytes = std::fs::read(path).map_err(io)?;
        // serde_json's own words may quote a secret: only the place of the mistake is told.
        serde_json::from_slice(&bytes).map_err(|error| {
            let (noun, line) = (path.display(), error.line());
            Error::invalid(format!("docker config {noun}: line {line} cannot be read"))
        })
    }

    /// What there is for `host`, as a reference spells it (`docker.io`, `localhost:5000`).
    pub fn find(&self, host: &str) -> Result<Found> {
        let entry = self.entry(host);
        if let Some(helper) = self.helper_of(host) {
            return Ok(Found::Helper(helper));
        }
        let Some(login) = entry.map(|entry| entry.login(host)).transpose()?.flatten() else {
            // Docker asks its store for every host: an entry is a sign of a login, and not needed.
            return Ok(match self.store.is_empty() {
                true => Found::Nothing,
                false => Found::Helper(self.store.clone()),
            });
        };
        Ok(Found::Credential(Credential { host: host.to_owned(), login }))
    }

    /// The exact key first, then one that names the host in another form.
    fn entry(&self, host: &str) -> Option<&Entry> {
        self.auths.get(key(host)).or_else(|| {
            let mut keys: Vec<_> = self.auths.keys().filter(|key| named(key) == host).collect();
            keys.sort();
            self.auths.get(*keys.first()?)
        })
    }

    /// Who keeps logins at `host`: a helper, or nobody but this file.
    fn keeper(&self, host: &str) -> Option<String> {
        let store = || Some(self.store.clone()).filter(|store| !store.is_empty());
        self.helper_of(host).or_else(store)
    }

    fn helper_of(&self, host: &str) -> Option<String> {
        let found = self.helpers.iter().find(|(key, _)| named(key) == host);
        found.map(|(_, helper)| helper.clone()).filter(|helper| !helper.is_empty())
    }
}

impl fmt::Debug for DockerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DockerConfig").field("auths", &self.auths.len()).finish_non_exhaustive()
    }
}

impl Entry {
    fn login(&self, host: &str) -> Result<Option<Login>> {
        if !self.registrytoken.is_empty() {
            return Ok(Some(Login::RegistryToken(Secret::new(&*self.registrytoken))));
        }
        if !self.identitytoken.is_empty() {
            return Ok(Some(Login::IdentityToken(Secret::new(&*self.identitytoken))));
        }
        if !self.auth.is_empty() {
            return decoded(&self.auth).map(Some).ok_or_else(|| {
                let what = "is not base64 of user:password; log in again";
                Error::invalid(format!("docker config: auth of {host} {what}"))
            });
        }
        let (username, password) = (self.username.clone(), Secret::new(&*self.password));
        Ok((!username.is_empty()).then_some(Login::Basic { username, password }))
    }
}

fn decoded(auth: &str) -> Option<Login> {
    let text = String::from_utf8(BASE64.decode(auth.trim()).ok()?).ok()?;
    let (username, password) = text.split_once(':')?;
    // Docker pads with zeros.
    let password = Secret::new(password.trim_matches('\0'));
    Some(Login::Basic { username: username.to_owned(), password })
}

/// The key of `host`.
fn key(host: &str) -> &str {
    if host == "docker.io" { HUB_KEY } else { host }
}

/// The host that a key names, or a person: scheme and path are dropped, and Docker Hub has many names.
pub fn named(key: &str) -> &str {
    let rest = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    match rest.split('/').next().unwrap_or(rest) {
        "index.docker.io" | "registry-1.docker.io" => "docker.io",
        host => host,
    }
}

/// Where it is, or would be; `None` where neither variable is set.
fn path() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let directory = set("DOCKER_CONFIG").or_else(|| Some(set("HOME")?.join(".docker")))?;
    Some(directory.join("config.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(text: &str, host: &str) -> Found {
        serde_json::from_str::<DockerConfig>(text).unwrap().find(host).unwrap()
    }

    fn basic(found: Found) -> (String, String) {
        match found {
            Found::Credential(Credential {
                login: Login::Basic { username, password }, ..
            }) => (username, password.expose().to_owned()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn docker_hub_is_found_under_its_old_address() {
        let text = r#"{"auths":{"https://index.docker.io/v1/":{"auth":"bWU6YTpi"}}}"#;
        assert_eq!(basic(find(text, "docker.io")), ("me".into(), "a:b".into()));
        assert!(matches!(find(text, "quay.io"), Found::Nothing));
    }

    #[test]
    fn a_host_is_found_however_its_key_is_written() {
        for key in ["h:5000", "https://h:5000", "http://h:5000/v2/"] {
            let text = format!(r#"{{"auths":{{"{key}":{{"auth":"bWU6cHc"}}}}}}"#);
            assert_eq!(basic(find(&text, "h:5000")).0, "me", "{key}");
            assert!(matches!(find(&text, "h"), Found::Nothing), "{key}");
        }
    }

    #[test]
    fn an_identity_token_goes_before_a_password() {
        let text = r#"{"auths":{"h":{"auth":"bWU6cHc=","identitytoken":"t"}}}"#;
        let Found::Credential(found) = find(text, "h") else { panic!() };
        assert_eq!(found.login, Login::IdentityToken(Secret::new("t")));
    }

    #[test]
    fn a_login_that_a_helper_keeps_is_told_as_such() {
        let text = r#"{"auths":{"h":{}},"credsStore":"pass","credHelpers":{"gcr.io":"gcloud"}}"#;
        assert!(matches!(find(text, "h"), Found::Helper(name) if name == "pass"));
        assert!(matches!(find(text, "gcr.io"), Found::Helper(name) if name == "gcloud"));
        assert!(matches!(find(text, "other"), Found::Helper(name) if name == "pass"));
    }

    #[test]
    fn a_config_that_cannot_be_read_names_the_file_and_never_the_secret() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.json");
        assert!(DockerConfig::read(&path).is_ok());
        std::fs::write(&path, r#"{"auths": "hunter2"}"#).unwrap();
        let error = DockerConfig::read(&path).unwrap_err().chain();
        assert!(error.contains("config.json") && !error.contains("hunter2"), "{error}");
        let bad = serde_json::from_str::<DockerConfig>(r#"{"auths":{"h":{"auth":"!!"}}}"#).unwrap();
        assert!(bad.find("h").unwrap_err().message().contains("log in again"));
    }
}
