//! How a request is let in: nothing is sent until the registry asks for it, and what it asked for
//! is remembered per scope and login, so that the next request brings it unasked.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use url::Url;
use varve_core::Digest;
use varve_core::remotes::{Login, Secret};

use crate::challenge::Challenge;
use crate::failure::Failure;
use crate::refusal::Asked;
use crate::token::{self, Key, Tokens};
use crate::visit::Line;

/// Challenges that are remembered.
const KEPT: usize = 1024;

/// Who asks where: challenges and tokens are kept by it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Place {
    /// `https://host/` as dialed.
    pub registry: Url,
    /// What is to be done, as [`Aim::own_scope`](crate::action::Aim::own_scope) has it.
    pub scope: String,
    /// Of the login, where there is one.
    pub login: Option<Digest>,
}

#[derive(Default)]
pub(crate) struct Auth {
    challenges: Mutex<HashMap<Place, Challenge>>,
    tokens: Tokens,
}

impl Auth {
    /// What the registry asked for the last time.
    pub(crate) fn remembered(&self, place: &Place) -> Option<Challenge> {
        self.challenges().get(place).cloned()
    }

    /// This challenge, once met, let a request in.
    pub(crate) fn remember(&self, place: Place, challenge: Challenge) {
        let mut challenges = self.challenges();
        if challenges.len() >= KEPT && !challenges.contains_key(&place) {
            challenges.clear();
        }
        challenges.insert(place, challenge);
    }

    fn challenges(&self) -> std::sync::MutexGuard<'_, HashMap<Place, Challenge>> {
        self.challenges.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The header that meets `challenge`; `None` where the login for the host cannot.
    pub(crate) async fn meet(
        &self,
        line: Line<'_>,
        place: &Place,
        challenge: &Challenge,
        asked: &Asked<'_>,
    ) -> Result<Option<HeaderValue>, Failure> {
        match (key(place, challenge), line.host.login.as_deref()) {
            (Some(_), Some(Login::RegistryToken(token))) => Ok(bearer(token)),
            (Some(key), _) => self.tokens.get(line, &key, asked).await.map(Some),
            (None, Some(Login::Basic { username, password })) => {
                Ok(Some(basic(username, password)))
            }
            (None, _) => Ok(None),
        }
    }

    /// `used`, which met `challenge`, no longer does.
    pub(crate) async fn reject(&self, place: &Place, challenge: &Challenge, used: &HeaderValue) {
        if let Some(key) = key(place, challenge) {
            self.tokens.reject(&key, used).await;
        }
    }
}

/// What a token that meets `challenge` is for; `None` where no token does.
pub(crate) fn key(place: &Place, challenge: &Challenge) -> Option<Key> {
    let Challenge::Bearer { realm, service, scope } = challenge else {
        return None;
    };
    Some(Key {
        registry: place.registry.clone(),
        realm: realm.clone(),
        service: service.clone(),
        scope: scope.clone(),
        login: place.login,
    })
}

/// A digest of the login: a key that tells nothing.
pub(crate) fn fingerprint(login: &Login) -> Digest {
    let text = match login {
        Login::Basic { username, password } => format!("basic\0{username}\0{}", password.expose()),
        Login::IdentityToken(token) => format!("identity\0{}", token.expose()),
        Login::RegistryToken(token) => format!("registry\0{}", token.expose()),
    };
    Digest::of(text.as_bytes())
}

/// RFC 7617.
pub(crate) fn basic(username: &str, password: &Secret) -> HeaderValue {
    let encoded = STANDARD.encode(format!("{username}:{}", password.expose()));
    token::sensitive(&format!("Basic {encoded}")).expect("base64 fits into a header")
}

/// RFC 6750; `None` where the token has bytes that no header may have.
pub(crate) fn bearer(token: &Secret) -> Option<HeaderValue> {
    token::sensitive(&format!("Bearer {}", token.expose()))
}
