//! One request to one host: it is let in, with what the host asked for the last time, and once more
//! with what it asks for now.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::header::{self, HeaderName, HeaderValue};
use url::Url;
use varve_core::{Error, Kind};

use crate::action::Aim;
use crate::auth::{self, Auth, Place};
use crate::challenge::Challenge;
use crate::client::Inner;
use crate::config::Config;
use crate::endpoint;
use crate::exchange::{self, Answer, Request};
use crate::failure::Failure;
use crate::host::Host;
use crate::refusal::{self, Asked};
use crate::transport::Transport;

/// The way to a host.
#[derive(Clone, Copy)]
pub(crate) struct Line<'a> {
    pub transport: &'a Transport,
    pub host: &'a Arc<Host>,
    pub stall: Duration,
    /// For an answer to all of a body that is large.
    pub settle: Duration,
    /// For the whole of a document.
    pub document: Duration,
}

impl<'a> Line<'a> {
    pub(crate) fn new(inner: &'a Inner, host: &'a Arc<Host>) -> Self {
        let Inner { transport, config, .. } = inner;
        let Config { stall, settle, document, .. } = *config;
        Self { transport, host, stall, settle, document }
    }
}

/// A host, asked about one thing.
pub(crate) struct Visit<'a> {
    line: Line<'a>,
    auth: &'a Auth,
    aim: &'a Aim<'a>,
}

impl<'a> Visit<'a> {
    pub(crate) fn new(inner: &'a Inner, host: &'a Arc<Host>, aim: &'a Aim<'a>) -> Self {
        Self { line: Line::new(inner, host), auth: &inner.auth, aim }
    }

    /// Sends `request`; any answer but success (or 416, where it asks for a range) is a failure.
    pub(crate) async fn send(&self, request: &Request) -> Result<Answer, Failure> {
        let answer = self.ask(request).await?;
        self.check(request, answer).await
    }

    /// Sends `request` and answers whatever comes, once it has been let in or cannot be.
    pub(crate) async fn ask(&self, request: &Request) -> Result<Answer, Failure> {
        let place = self.place(&request.url);
        let known = self.auth.remembered(&place).map(|known| self.asking(known));
        let used = match &known {
            Some(challenge) => self.meet(&place, challenge).await?,
            None => None,
        };
        let answer = self.exchange(request, used.as_ref()).await?;
        let Some(challenge) = self.challenge(&answer) else {
            return Ok(answer);
        };
        // Its place at the host may be needed to ask for a token there.
        drop(answer);
        if let (Some(known), Some(used)) = (&known, &used) {
            self.auth.reject(&place, known, used).await;
        }
        self.again(place, challenge, request).await
    }

    /// The same request with what `challenge` asks for.
    async fn again(
        &self,
        place: Place,
        challenge: Challenge,
        request: &Request,
    ) -> Result<Answer, Failure> {
        let asking = self.asking(challenge.clone());
        let met = self.meet(&place, &asking).await?;
        let header = met.ok_or_else(|| unmet(&self.asked()))?;
        let answer = self.exchange(request, Some(&header)).await?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            self.auth.reject(&place, &asking, &header).await;
        } else {
            self.auth.remember(place, challenge);
        }
        Ok(answer)
    }

    fn asked(&self) -> Asked<'_> {
        let Host { name, login, .. } = &**self.line.host;
        let Aim { action, full_name: repository, noun, .. } = *self.aim;
        Asked { noun, action, repository, host: name, login: login.is_some() }
    }

    fn place(&self, url: &Url) -> Place {
        Place {
            registry: endpoint::root(url),
            scope: self.aim.own_scope(),
            login: self.line.host.login.as_deref().map(auth::fingerprint),
        }
    }

    /// What the host itself, and nobody it leads to, asks for.
    fn challenge(&self, answer: &Answer) -> Option<Challenge> {
        if answer.status() != StatusCode::UNAUTHORIZED || answer.foreign {
            return None;
        }
        Challenge::choose(answer.headers())
    }

    /// The challenge with the scope that this takes.
    fn asking(&self, challenge: Challenge) -> Challenge {
        challenge.asking(|theirs| self.aim.scope_with(theirs))
    }

    async fn meet(
        &self,
        place: &Place,
        challenge: &Challenge,
    ) -> Result<Option<HeaderValue>, Failure> {
        self.auth.meet(self.line, place, challenge, &self.asked()).await
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
        exchange::exchange(self.line, request).await
    }

    async fn check(&self, request: &Request, answer: Answer) -> Result<Answer, Failure> {
        let status = answer.status();
        let ranged = request.headers.contains_key(header::RANGE);
        if status.is_success() || ranged && status == StatusCode::RANGE_NOT_SATISFIABLE {
            return Ok(answer);
        }
        Err(self.refusal(answer).await)
    }

    /// What `answer`, which is no success, means.
    pub(crate) async fn refusal(&self, answer: Answer) -> Failure {
        let (asked, status) = (self.asked(), answer.status());
        if answer.foreign && matches!(status.as_u16(), 401 | 403) {
            return turned_away(&asked, &answer);
        }
        refusal::refusal(&asked, answer, self.line.stall).await
    }
}

/// The host wants a login that was not given, or is of another sort.
fn unmet(asked: &Asked<'_>) -> Error {
    let Asked { action, repository, host, login, .. } = asked;
    let denied = refusal::denied(*action);
    let why = if *login { "wants a user name and a password" } else { "wants a login" };
    let error = Error::new(
        Kind::Unauthenticated,
        format!(
            "{denied} for {repository}: {host} {why}; log in (`varve login {host}`) and try again"
        ),
    );
    asked.wanting_login(error)
}

/// Where a registry leads to signed urls, these end; the next attempt gets a new one.
fn turned_away(asked: &Asked<'_>, answer: &Answer) -> Failure {
    let (noun, host, other, status) = (asked.noun, asked.host, answer.authority(), answer.status());
    let message = format!("{noun}: {host} leads to {other}, which answered {status}");
    let error = Error::new(Kind::PermissionDenied, message);
    Failure::Passing { error, after: None, cost: 2 }
}

/// The value of a header that is text.
pub(crate) fn text(answer: &Answer, name: HeaderName) -> Option<&str> {
    answer.headers().get(name)?.to_str().ok()
}
