//! The client, and a repository seen through it: a request is let in, retried, and answered.

use std::sync::Arc;

use http::StatusCode;
use http::header::{self, HeaderName, HeaderValue};
use url::Url;
use varve_core::remotes::{Credential, Login, Remote};
use varve_core::{Error, Result};

use crate::auth::{self, Auth, Place};
use crate::challenge::Challenge;
use crate::config::Config;
use crate::endpoint;
use crate::exchange::{self, Answer, Request};
use crate::failure::Failure;
use crate::refusal::{self, Asked};
use crate::retry::Budget;
use crate::transport::Transport;

/// A client for any number of registries. Cloning it shares connections, tokens and limits.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    config: Config,
    transport: Transport,
    auth: Auth,
}

impl Client {
    /// Binds nothing and dials nobody. Installs rustls's ring provider where none is installed.
    pub fn new(config: Config) -> Self {
        let transport = Transport::new(config.clone());
        Self(Arc::new(Inner { config, transport, auth: Auth::default() }))
    }

    /// Its limits.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// A full budget, to be shared by all that is done for one thing.
    pub fn budget(&self) -> Budget {
        Budget::new(&self.0.config)
    }

    /// The repository that `remote` is about.
    pub fn open(&self, remote: &Remote) -> Result<Repository> {
        let (reference, plain) = (&remote.reference, remote.plain_http);
        self.repository(reference.domain(), reference.path(), plain, &remote.credentials)
    }

    /// The repository `name` (`library/alpine`) of `host` (`docker.io`, `localhost:5000`), with the
    /// one of `credentials` that is for this host. `plain_http` is for hosts that are not on the
    /// loopback; on the loopback both are tried.
    pub fn repository(
        &self,
        host: &str,
        name: &str,
        plain_http: bool,
        credentials: &[Credential],
    ) -> Result<Repository> {
        endpoint::base("https", host)?;
        if name.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(Error::invalid(format!("repository {name:?} of {host}: is no name")));
        }
        let login = credentials.iter().find(|credential| credential.host == host);
        Ok(Repository {
            client: self.clone(),
            host: host.into(),
            name: name.into(),
            plain_http,
            login: login.map(|credential| Arc::new(credential.login.clone())),
        })
    }
}

/// One repository of one registry, seen with one login (or none).
#[derive(Clone)]
pub struct Repository {
    client: Client,
    host: Arc<str>,
    name: Arc<str>,
    plain_http: bool,
    login: Option<Arc<Login>>,
}

impl Repository {
    /// `docker.io/library/alpine`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.host, self.name)
    }

    pub(crate) fn config(&self) -> &Config {
        &self.client.0.config
    }

    /// A full budget of its client.
    pub fn budget(&self) -> Budget {
        self.client.budget()
    }

    /// `/v2/<name>/<rest>` at the host that is dialed.
    pub(crate) async fn url(&self, rest: &[&str]) -> Result<Url> {
        let base = self.client.0.transport.base(&self.host, self.plain_http).await?;
        let segments = ["v2"].into_iter().chain(self.name.split('/')).chain(rest.iter().copied());
        Ok(endpoint::join(&base, segments))
    }

    /// Sends `request` until it is answered with success (or 416, where it asked for a range) or the
    /// budget ends. `noun` is what it is about.
    pub(crate) async fn send(
        &self,
        noun: &str,
        request: Request,
        budget: &mut Budget,
    ) -> Result<Answer> {
        loop {
            match self.attempt(noun, &request).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => budget.survive(failure).await?,
            }
        }
    }

    /// One attempt: with what the registry asked for the last time, and once more with what it asks
    /// for now.
    async fn attempt(&self, noun: &str, request: &Request) -> Result<Answer, Failure> {
        let full_name = self.full_name();
        let login = self.login.is_some();
        let asked = Asked { noun, repository: &full_name, host: &self.host, login };
        let place = self.place(&request.url);
        let auth = &self.client.0.auth;
        let known = auth.remembered(&place);
        let used = match &known {
            Some(challenge) => self.meet(&place, challenge, &asked).await?,
            None => None,
        };
        let answer = self.exchange(request, used.as_ref()).await?;
        let Some(challenge) = self.challenge(&answer) else {
            return self.check(&asked, request, answer).await;
        };
        // Its place at the host may be needed to ask for a token there.
        drop(answer);
        if let (Some(known), Some(used)) = (&known, &used) {
            auth.reject(&place, known, used).await;
        }
        let answer = self.again(&asked, place, challenge, request).await?;
        self.check(&asked, request, answer).await
    }

    /// The same request with what `challenge` asks for.
    async fn again(
        &self,
        asked: &Asked<'_>,
        place: Place,
        challenge: Challenge,
        request: &Request,
    ) -> Result<Answer, Failure> {
        let met = self.meet(&place, &challenge, asked).await?;
        let header = met.ok_or_else(|| unmet(asked))?;
        let answer = self.exchange(request, Some(&header)).await?;
        let auth = &self.client.0.auth;
        if answer.status() == StatusCode::UNAUTHORIZED {
            auth.reject(&place, &challenge, &header).await;
        } else {
            auth.remember(place, challenge);
        }
        Ok(answer)
    }

    fn place(&self, url: &Url) -> Place {
        Place {
            registry: endpoint::join(url, []),
            repository: self.name.to_string(),
            login: self.login.as_deref().map(auth::fingerprint),
        }
    }

    /// What the registry itself, and nobody it leads to, asks for.
    fn challenge(&self, answer: &Answer) -> Option<Challenge> {
        if answer.status() != StatusCode::UNAUTHORIZED || answer.foreign {
            return None;
        }
        Challenge::choose(answer.headers(), &format!("repository:{}:pull", self.name))
    }

    async fn meet(
        &self,
        place: &Place,
        challenge: &Challenge,
        asked: &Asked<'_>,
    ) -> Result<Option<HeaderValue>, Failure> {
        let Inner { auth, transport, config } = &*self.client.0;
        auth.meet(transport, place, challenge, self.login.as_deref(), asked, config.stall).await
    }

    async fn exchange(
        &self,
        request: &Request,
        authorization: Option<&HeaderValue>,
    ) -> Result<Answer, Failure> {
        let mut request = request.clone();
        if let Some(value) = authorization {
            request.headers.insert(header::AUTHORIZATION, value.clone());
        }
        let Inner { transport, config, .. } = &*self.client.0;
        exchange::exchange(transport, request, config.stall).await
    }

    async fn check(
        &self,
        asked: &Asked<'_>,
        request: &Request,
        answer: Answer,
    ) -> Result<Answer, Failure> {
        let status = answer.status();
        let ranged = request.headers.contains_key(header::RANGE);
        if status.is_success() || ranged && status == StatusCode::RANGE_NOT_SATISFIABLE {
            return Ok(answer);
        }
        if answer.foreign && matches!(status.as_u16(), 401 | 403) {
            return Err(turned_away(asked, &answer));
        }
        Err(refusal::refusal(asked, answer, self.config().stall).await)
    }
}

/// The registry wants a login that was not given, or is of another sort.
fn unmet(asked: &Asked<'_>) -> Error {
    let Asked { repository, host, login, .. } = asked;
    let why = if *login { "wants a user name and a password" } else { "wants a login" };
    Error::new(
        varve_core::Kind::Unauthenticated,
        format!(
            "pull access denied for {repository}: {host} {why}; log in (`docker login {host}`) and try again"
        ),
    )
}

/// Where a registry leads to signed urls, these end; the next attempt gets a new one.
fn turned_away(asked: &Asked<'_>, answer: &Answer) -> Failure {
    let (noun, host, other, status) = (asked.noun, asked.host, answer.host(), answer.status());
    let message = format!("{noun}: {host} leads to {other}, which answered {status}");
    let error = Error::new(varve_core::Kind::PermissionDenied, message);
    Failure::Passing { error, after: None, cost: 2 }
}

/// The value of a header that is text.
pub(crate) fn text(answer: &Answer, name: HeaderName) -> Option<&str> {
    answer.headers().get(name)?.to_str().ok()
}
