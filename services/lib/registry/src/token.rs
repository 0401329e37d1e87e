//! Tokens: asked of the realm that the registry itself names, kept per registry, realm, service,
//! scope and login, renewed a little before they end, and asked for once however many wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::Method;
use http::header::{self, HeaderValue};
use serde::Deserialize;
use tokio::sync::Mutex as Flight;
use url::{Url, form_urlencoded};
use varve_core::remotes::{Login, Secret};
use varve_core::{Digest, Error, Kind};

use crate::auth;
use crate::body::Body;
use crate::endpoint;
use crate::exchange::{self, Request};
use crate::failure::Failure;
use crate::payload::Payload;
use crate::refusal::{self, Asked};
use crate::visit::Line;

/// Bytes of a token server's answer.
const CAP: usize = 64 << 10;
/// Tokens that are kept.
const KEPT: usize = 1024;
/// Life of a token whose server does not say (distribution: *Token Authentication*).
const LIFE: u64 = 60;

/// What a token is for. The same token is never used for anything else.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Key {
    /// `https://host/` as dialed.
    pub registry: Url,
    pub realm: Url,
    pub service: String,
    pub scope: String,
    /// Of the login it was got with.
    pub login: Option<Digest>,
}

#[derive(Clone)]
struct Token {
    header: HeaderValue,
    fresh_until: Instant,
}

/// Held while the token is asked for: the others wait, then find it, or that there is none.
type Slot = Arc<Flight<Asking>>;

#[derive(Default)]
struct Asking {
    token: Option<Token>,
    /// When the last try failed, and how.
    failed: Option<(Instant, Failure)>,
}

#[derive(Default)]
pub(crate) struct Tokens(Mutex<HashMap<Key, Slot>>);

impl Tokens {
    /// The token for `key` as a header; asks for it where there is no fresh one.
    pub(crate) async fn get(
        &self,
        line: Line<'_>,
        key: &Key,
        asked: &Asked<'_>,
    ) -> Result<HeaderValue, Failure> {
        let (slot, came) = (self.slot(key), Instant::now());
        let mut asking = slot.lock().await;
        if let Some(token) = asking.token.as_ref().filter(|token| token.is_fresh()) {
            return Ok(token.header.clone());
        }
        // Whoever waited while it failed has had the same answer: one after the other they would wait
        // for as many as they are.
        if let Some((when, failure)) = asking.failed.as_ref().filter(|(when, _)| *when > came) {
            tracing::trace!(since = ?when.elapsed(), "no token for others either");
            return Err(failure.again());
        }
        match ask(line, key, asked).await {
            Ok(token) => {
                let header = token.header.clone();
                *asking = Asking { token: Some(token), failed: None };
                Ok(header)
            }
            Err(failure) => {
                asking.failed = Some((Instant::now(), failure.again()));
                Err(failure)
            }
        }
    }

    /// The registry would not have `used`: it is dropped, unless another has taken its place.
    pub(crate) async fn reject(&self, key: &Key, used: &HeaderValue) {
        let slot = self.slot(key);
        let mut asking = slot.lock().await;
        if asking.token.as_ref().is_some_and(|token| token.header == *used) {
            asking.token = None;
        }
    }

    fn slot(&self, key: &Key) -> Slot {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= KEPT && !slots.contains_key(key) {
            slots.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        Arc::clone(slots.entry(key.clone()).or_default())
    }
}

impl Token {
    fn is_fresh(&self) -> bool {
        Instant::now() < self.fresh_until
    }
}

async fn ask(line: Line<'_>, key: &Key, asked: &Asked<'_>) -> Result<Token, Failure> {
    let request = request(key, line.host.login.as_deref());
    Ok(get(line, key, request, asked).await?.0)
}

/// A token as a header, and the identity token that the server gives in place of a password, where it
/// does (distribution: *Token Authentication*, `offline_token`).
pub(crate) async fn offer(
    line: Line<'_>,
    key: &Key,
    asked: &Asked<'_>,
) -> Result<(HeaderValue, Option<Secret>), Failure> {
    let mut request = request(key, line.host.login.as_deref());
    if request.method == Method::GET {
        let mut pairs = request.url.query_pairs_mut();
        pairs.append_pair("client_id", "varve").append_pair("offline_token", "true");
    }
    let (token, identity) = get(line, key, request, asked).await?;
    Ok((token.header, identity))
}

async fn get(
    line: Line<'_>,
    key: &Key,
    request: Request,
    asked: &Asked<'_>,
) -> Result<(Token, Option<Secret>), Failure> {
    endpoint::check_realm(&key.registry, &key.realm)?;
    let request = Request { leads: endpoint::check_realm_redirect, ..request };
    let began = Instant::now();
    let answer = exchange::exchange(line, request).await?;
    if !answer.status().is_success() {
        let noun = format!("token of {} for {}", answer.authority(), asked.repository);
        return Err(refusal::refusal(&Asked { noun: &noun, ..*asked }, answer, line.stall).await);
    }
    let bytes = Body::new(answer, line.stall).all("a token", CAP, line.document).await?;
    read(&bytes, began).map_err(|why| {
        let noun = format!("{} as token server of {}", endpoint::authority(&key.realm), asked.host);
        Error::new(Kind::Unauthenticated, format!("{noun}: {why}")).into()
    })
}

/// GET with the login in a header, or, for an identity token, a POST (OAuth 2, RFC 6749 section 6).
fn request(key: &Key, login: Option<&Login>) -> Request {
    match login {
        Some(Login::IdentityToken(token)) => form(key, token),
        Some(Login::Basic { username, password }) => {
            let url = query(key, Some(username));
            let header = auth::basic(username, password);
            Request::new(Method::GET, url).header(header::AUTHORIZATION, header)
        }
        Some(Login::RegistryToken(_)) | None => Request::new(Method::GET, query(key, None)),
    }
}

fn query(key: &Key, account: Option<&str>) -> Url {
    let mut url = key.realm.clone();
    let mut pairs = url.query_pairs_mut();
    if !key.service.is_empty() {
        pairs.append_pair("service", &key.service);
    }
    for scope in key.scope.split(' ').filter(|scope| !scope.is_empty()) {
        pairs.append_pair("scope", scope);
    }
    if let Some(account) = account {
        pairs.append_pair("account", account);
    }
    drop(pairs);
    url
}

fn form(key: &Key, token: &Secret) -> Request {
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "refresh_token")
        .append_pair("client_id", "varve")
        .append_pair("service", &key.service)
        .append_pair("scope", &key.scope)
        .append_pair("refresh_token", token.expose())
        .finish();
    let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
    let mut request =
        Request::new(Method::POST, key.realm.clone()).header(header::CONTENT_TYPE, kind);
    request.payload = Payload::Form(Secret::new(form));
    request
}

#[derive(Deserialize)]
struct Answered {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
    /// The identity token, where one was asked for.
    #[serde(default)]
    refresh_token: String,
    /// A number; some servers quote it.
    #[serde(default)]
    expires_in: serde_json::Value,
}

/// Whether an answer that is a token has an identity token too; for `testsuite::parsers`.
#[cfg(feature = "testsuite")]
pub(crate) fn has_identity(bytes: &[u8]) -> Option<bool> {
    read(bytes, Instant::now()).ok().map(|(_, identity)| identity.is_some())
}

fn read(bytes: &[u8], began: Instant) -> Result<(Token, Option<Secret>), &'static str> {
    let Answered { token, access_token, refresh_token, expires_in } =
        serde_json::from_slice(bytes).map_err(|_| "its answer is no token")?;
    let token = if token.is_empty() { access_token } else { token };
    if token.is_empty() {
        return Err("its answer has no token in it");
    }
    let header = auth::bearer(&Secret::new(token)).ok_or("its token fits into no header")?;
    let seconds = expires_in.as_u64().or_else(|| expires_in.as_str()?.parse().ok());
    let life = Duration::from_secs(seconds.unwrap_or(LIFE).min(24 * 3600));
    // Early enough that it does not end on its way to the registry.
    let early = (life / 4).min(Duration::from_secs(30));
    let identity = (!refresh_token.is_empty()).then(|| Secret::new(refresh_token));
    Ok((Token { header, fresh_until: began + life - early }, identity))
}

/// A header that is never printed.
pub(crate) fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key {
            registry: Url::parse("https://r.example/").unwrap(),
            realm: Url::parse("https://a.example/token?x=1").unwrap(),
            service: "s & t".into(),
            scope: "repository:a/b:pull repository:c:pull".into(),
            login: None,
        }
    }

    #[test]
    fn each_scope_is_a_parameter_and_the_realms_own_query_stays() {
        let url = query(&key(), Some("me"));
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let expected = [
            ("x", "1"),
            ("service", "s & t"),
            ("scope", "repository:a/b:pull"),
            ("scope", "repository:c:pull"),
            ("account", "me"),
        ];
        assert_eq!(pairs, expected.map(|(k, v)| (k.to_string(), v.to_string())));
    }

    #[test]
    fn an_identity_token_is_posted_and_not_printed() {
        let login = Login::IdentityToken(Secret::new("hunter2"));
        let request = request(&key(), Some(&login));
        assert_eq!(request.method, Method::POST);
        let Payload::Form(form) = &request.payload else { panic!("no form") };
        assert!(form.expose().contains("refresh_token=hunter2"));
        assert!(!format!("{request:?}").contains("hunter2"));
    }

    #[test]
    fn a_token_is_renewed_before_it_ends() {
        let began = Instant::now();
        let life = |body: &str| read(body.as_bytes(), began).unwrap().0.fresh_until - began;
        assert_eq!(life(r#"{"token":"t","expires_in":300}"#), Duration::from_secs(270));
        assert_eq!(life(r#"{"access_token":"t","expires_in":"8"}"#), Duration::from_secs(6));
        assert_eq!(life(r#"{"token":"t"}"#), Duration::from_secs(45));
        assert_eq!(life(r#"{"token":"t","expires_in":-5}"#), Duration::from_secs(45));
        assert!(life(r#"{"token":"t","expires_in":18446744073709551615}"#).as_secs() < 86_400);
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for bad in ["", "{}", "[]", r#"{"token":""}"#, r#"{"token":"a\nb"}"#] {
            assert!(read(bad.as_bytes(), Instant::now()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_bearer_header_is_not_printed() {
        let header = auth::bearer(&Secret::new("hunter2")).unwrap();
        assert!(!format!("{header:?}").contains("hunter2"));
    }
}
