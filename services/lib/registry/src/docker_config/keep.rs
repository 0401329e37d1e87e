//! Keeping and forgetting a login, where Docker would: with the helper that the config names for the
//! host, else in the config itself.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use varve_core::remotes::{Credential, Login};
use varve_core::{Error, Result};

use super::file::Config;
use super::{DockerConfig, helper, key, path};

/// Where a login is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kept {
    /// As it is, in this file.
    Plain(PathBuf),
    /// With this helper.
    Helper(String),
}

/// An entry of `auths`.
#[derive(Serialize, Default)]
struct Entry {
    #[serde(skip_serializing_if = "String::is_empty")]
    auth: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    identitytoken: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    registrytoken: String,
}

/// Keeps `credential` for its host, in place of one that was kept before. `username` is whose an
/// identity token is.
///
/// # Errors
/// What the helper, or the file, says; then nothing has changed.
pub async fn keep(credential: &Credential, username: &str) -> Result<Kept> {
    let (path, keeper) = locate(&credential.host).await?;
    let mut entry = Entry::default();
    match (&keeper, &credential.login) {
        // That there is one is told in the file; what it is, is not.
        (Some(name), _) => helper::store(name, credential).await?,
        (None, Login::Basic { username, password }) => {
            entry.auth = STANDARD.encode(format!("{username}:{}", password.expose()));
        }
        (None, Login::IdentityToken(token)) => {
            entry.auth = STANDARD.encode(format!("{username}:"));
            entry.identitytoken = token.expose().to_owned();
        }
        (None, Login::RegistryToken(token)) => entry.registrytoken = token.expose().to_owned(),
    }
    let key = key(&credential.host).to_owned();
    let path = change(path, move |config| config.set(&key, &entry).map(|()| true)).await?.0;
    Ok(keeper.map_or(Kept::Plain(path), Kept::Helper))
}

/// Forgets what is kept for `host`; `false` where there was nothing.
pub async fn forget(host: &str) -> Result<bool> {
    let (path, keeper) = locate(host).await?;
    let kept = match &keeper {
        Some(name) => helper::erase(name, host).await?,
        None => false,
    };
    let host = host.to_owned();
    let (_, entered) = change(path, move |config| Ok(config.remove(&host))).await?;
    Ok(kept || entered)
}

/// The config, and the helper that it names for `host`.
async fn locate(host: &str) -> Result<(PathBuf, Option<String>)> {
    let path = path().ok_or_else(|| {
        Error::precondition("neither DOCKER_CONFIG nor HOME is set; say where logins are kept")
    })?;
    let (at, host) = (path.clone(), host.to_owned());
    let keeper = off_thread(move || Ok(DockerConfig::read(&at)?.keeper(&host))).await?;
    Ok((path, keeper))
}

/// Changes the config; it is written only where `change` says so. Answers its real path, and that.
async fn change(
    path: PathBuf,
    change: impl FnOnce(&mut Config) -> Result<bool> + Send + 'static,
) -> Result<(PathBuf, bool)> {
    off_thread(move || {
        let mut config = Config::open(&path)?;
        let path = config.path().to_owned();
        let changed = change(&mut config)?;
        if changed {
            config.save()?;
        }
        Ok((path, changed))
    })
    .await
}

async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::internal("Docker's config").with_source(error))?
}
