//! Logging in: whether a registry accepts a login, and the identity token that it may give for it.

use std::sync::Arc;

use http::header::{self, HeaderValue};
use http::{Method, StatusCode};
use varve_core::remotes::{Credential, Login, Secret};
use varve_core::{Error, Result};

use crate::action::Action;
use crate::auth;
use crate::challenge::Challenge;
use crate::client::Client;
use crate::endpoint;
use crate::exchange::{self, Answer, Request};
use crate::failure::{ASK, Failure};
use crate::host::Host;
use crate::refusal::{self, Asked};
use crate::registry::Registry;
use crate::token;
use crate::visit::Line;

impl Client {
    /// Asks the registry of `credential`, and none of its mirrors, whether the login is good there.
    /// Answers the identity token that its token server gives in place of a password, where it gives
    /// one.
    ///
    /// # Errors
    /// Unauthenticated where the login is not accepted.
    pub async fn log_in(
        &self,
        credential: &Credential,
        plain_http: bool,
    ) -> Result<Option<Secret>> {
        let host = &credential.host;
        let registry = self.registry(host, plain_http, std::slice::from_ref(credential))?;
        let mut budget = self.budget();
        loop {
            match Attempt::at(&registry).await?.run().await {
                Ok(identity) => return Ok(identity),
                Err(failure) => budget.survive(failure).await?,
            }
        }
    }
}

struct Attempt<'a> {
    registry: &'a Registry,
    host: Arc<Host>,
}

impl<'a> Attempt<'a> {
    async fn at(registry: &'a Registry) -> Result<Self> {
        Ok(Self { registry, host: registry.itself().await? })
    }

    async fn run(&self) -> Result<Option<Secret>, Failure> {
        let answer = self.ask(None).await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            self.check(answer).await?;
            return Ok(None);
        }
        if answer.foreign {
            return Err(self.elsewhere(&answer).into());
        }
        let challenge = Challenge::choose(answer.headers());
        drop(answer);
        let (header, identity) = match (challenge, self.login()) {
            (None, _) => return Err(self.unknown().into()),
            (Some(challenge @ Challenge::Bearer { .. }), login) => {
                self.token(&challenge, login).await?
            }
            (Some(Challenge::Basic), Login::Basic { username, password }) => {
                (auth::basic(username, password), None)
            }
            (Some(Challenge::Basic), _) => return Err(self.unknown().into()),
        };
        self.check(self.ask(Some(header)).await?).await?;
        Ok(identity)
    }

    /// The header of a token, and the identity token that came with it.
    async fn token(
        &self,
        challenge: &Challenge,
        login: &Login,
    ) -> Result<(HeaderValue, Option<Secret>), Failure> {
        if let Login::RegistryToken(token) = login {
            let header = auth::bearer(token).ok_or_else(|| self.unknown())?;
            return Ok((header, None));
        }
        let place = auth::Place {
            registry: endpoint::root(&self.host.api),
            scope: String::new(),
            login: Some(auth::fingerprint(login)),
        };
        let key = auth::key(&place, challenge).ok_or_else(|| self.unknown())?;
        token::offer(self.line(), &key, &self.asked()).await
    }

    async fn ask(&self, authorization: Option<HeaderValue>) -> Result<Answer, Failure> {
        let mut request = Request::new(Method::GET, self.host.root());
        if let Some(value) = authorization {
            request = request.header(header::AUTHORIZATION, value);
        }
        exchange::exchange(self.line(), request).await
    }

    async fn check(&self, answer: Answer) -> Result<(), Failure> {
        if answer.status().is_success() {
            return Ok(());
        }
        Err(refusal::refusal(&self.asked(), answer, self.line().stall).await)
    }

    fn line(&self) -> Line<'_> {
        Line::new(self.registry.inner(), &self.host)
    }

    fn login(&self) -> &Login {
        self.host.login.as_deref().expect("the host is the registry that the login is for")
    }

    fn asked(&self) -> Asked<'_> {
        let host = &*self.registry.host;
        Asked { noun: "login", action: Action::Login, repository: host, host, login: true }
    }

    /// Whoever the registry leads to is not who the login is for.
    fn elsewhere(&self, answer: &Answer) -> Error {
        let (host, other) = (&self.registry.host, answer.authority());
        Error::precondition(format!(
            "login at {host}: it leads to {other}, which asks for a login that is not its own; {ASK}"
        ))
    }

    fn unknown(&self) -> Error {
        let host = &self.registry.host;
        Error::precondition(format!(
            "login at {host}: it wants a login of a sort that is not known"
        ))
    }
}
