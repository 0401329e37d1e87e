//! Who is let in: nobody is asked, a user name and a password, or tokens of `/token`.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, StatusCode};
use serde_json::json;

use crate::action::covers;

/// The sort of login that the registry wants.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Gate {
    #[default]
    Open,
    /// This user name and password.
    Basic(String, String),
    /// Tokens of the registry's own `/token`.
    Bearer {
        /// Whose tokens are good; `None` gives one to anybody.
        login: Option<(String, String)>,
        /// The identity token (OAuth 2 refresh token) that is good too, and given where one is asked
        /// for.
        identity: Option<String>,
        /// Seconds.
        expires_in: u64,
        /// Scope that the challenge names, where it is not the usual one.
        scope: Option<String>,
        /// Realm that the challenge names, where it is not this registry's.
        realm: Option<String>,
    },
}

impl Gate {
    /// Tokens for anybody, for five minutes.
    pub fn anonymous() -> Self {
        Self::Bearer { login: None, identity: None, expires_in: 300, scope: None, realm: None }
    }

    /// Tokens for one user, for five minutes.
    pub fn tokens(username: &str, password: &str) -> Self {
        let login = Some((username.to_owned(), password.to_owned()));
        Self::Bearer { login, identity: None, expires_in: 300, scope: None, realm: None }
    }
}

/// A gate, and the tokens that were given out at it.
#[derive(Default)]
pub(super) struct Keeper {
    gate: Gate,
    /// Token to its scopes and its end.
    tokens: HashMap<String, (Vec<String>, Instant)>,
    given: u64,
}

impl Keeper {
    pub(super) fn new(gate: Gate) -> Self {
        Self { gate, ..Self::default() }
    }

    pub(super) fn revoke(&mut self) {
        self.tokens.clear();
    }

    /// `None` lets in; else the challenge. `wanted` is the scope that it takes, none for the registry
    /// itself.
    pub(super) fn challenge(
        &self,
        address: &str,
        wanted: &str,
        headers: &HeaderMap,
    ) -> Option<String> {
        let sent = headers.get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        match &self.gate {
            Gate::Open => None,
            Gate::Basic(username, password) => (sent != Some(&basic(username, password)))
                .then(|| r#"Basic realm="registry""#.to_owned()),
            Gate::Bearer { scope, realm, .. } => {
                let scope = scope.clone().unwrap_or_else(|| wanted.to_owned());
                let realm = realm.clone().unwrap_or_else(|| format!("http://{address}/token"));
                let token = sent.and_then(|sent| sent.strip_prefix("Bearer "));
                (!token.is_some_and(|token| self.is_good(token, &scope))).then(|| {
                    let scope =
                        if scope.is_empty() { scope } else { format!(r#",scope="{scope}""#) };
                    format!(r#"Bearer realm="{realm}",service="{address}"{scope}"#)
                })
            }
        }
    }

    fn is_good(&self, token: &str, scope: &str) -> bool {
        self.tokens.get(token).is_some_and(|(scopes, end)| {
            let covered = scope.is_empty() || scopes.iter().any(|given| covers(given, scope));
            Instant::now() < *end && covered
        })
    }

    /// The token server's answer. `form` is the body of a POST.
    pub(super) fn token(
        &mut self,
        query: &str,
        headers: &HeaderMap,
        form: Option<&[u8]>,
    ) -> (StatusCode, String) {
        let Gate::Bearer { login, identity, expires_in, .. } = &self.gate else {
            return (StatusCode::NOT_FOUND, String::new());
        };
        let form: Option<HashMap<String, String>> =
            form.map(|form| url::form_urlencoded::parse(form).into_owned().collect());
        let sent = headers.get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let good = match &form {
            Some(form) => identity.is_some() && form.get("refresh_token") == identity.as_ref(),
            None => login.as_ref().is_none_or(|(u, p)| sent == Some(&basic(u, p))),
        };
        if !good {
            let body = json!({"details": "incorrect username or password"});
            return (StatusCode::UNAUTHORIZED, body.to_string());
        }
        let life = *expires_in;
        let offered =
            identity.clone().filter(|_| form.is_none() && query.contains("offline_token=true"));
        let scopes = match form {
            Some(form) => {
                form.get("scope").into_iter().flat_map(|s| s.split(' ')).map(Into::into).collect()
            }
            None => url::form_urlencoded::parse(query.as_bytes())
                .filter(|(key, _)| key == "scope")
                .map(|(_, value)| value.into_owned())
                .collect(),
        };
        (StatusCode::OK, self.give(scopes, life, offered))
    }

    fn give(&mut self, scopes: Vec<String>, life: u64, identity: Option<String>) -> String {
        self.given += 1;
        let token = format!("token-{}", self.given);
        self.tokens.insert(token.clone(), (scopes, Instant::now() + Duration::from_secs(life)));
        let mut answer = json!({"token": token, "expires_in": life});
        if let Some(identity) = identity {
            answer["refresh_token"] = identity.into();
        }
        answer.to_string()
    }
}

fn basic(username: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{username}:{password}")))
}
