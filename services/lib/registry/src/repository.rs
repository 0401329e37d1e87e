//! A repository: its content is asked of one host of its registry after the other.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName};
use http::{HeaderValue, Method};
use varve_core::{Error, Result};

use crate::action::{Action, Aim};
use crate::body::Body;
use crate::config::Config;
use crate::exchange::{Answer, Request};
use crate::failure::Failure;
use crate::host::{Host, Need};
use crate::registry::Registry;
use crate::retry::Budget;

/// One repository of one registry, seen with the client's credentials.
#[derive(Clone)]
pub struct Repository {
    pub(crate) registry: Registry,
    pub(crate) name: Arc<str>,
}

/// What is asked for, at whichever host.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub method: Method,
    /// Below the repository.
    pub path: [String; 2],
    pub headers: HeaderMap,
    pub need: Need,
}

impl Ask {
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }
}

impl Repository {
    /// `docker.io/library/alpine`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.registry.host, self.name)
    }

    /// Does what a first request waits for and that needs no request of its own: reads which hosts are asked, and the
    /// certificates that they are trusted by; on the loopback, finds out what is spoken there. Tells of nothing that
    /// fails: whoever asks will.
    pub async fn prepare(&self) {
        if let Ok(host) = self.next(Need::Tag, &mut self.budget()).await {
            let _ = self.registry.inner().transport.client(&host.api, &host);
        }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.registry.inner().config
    }

    /// A full budget of its client.
    pub fn budget(&self) -> Budget {
        self.registry.client.budget()
    }

    /// Asks one host after the other until one answers with success (or 416, where a range was asked
    /// for) or the budget ends. `noun` is what it is about.
    pub(crate) async fn send(
        &self,
        noun: &str,
        ask: &Ask,
        budget: &mut Budget,
    ) -> Result<Answer, Error> {
        let [kind, reference] = &ask.path;
        loop {
            let host = self.next(ask.need, budget).await?;
            let url = host.url(&self.name, &[kind, reference]);
            let mut request = Request::new(ask.method.clone(), url);
            request.headers.extend(ask.headers.clone());
            match self.visit(&host, noun, &request).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => budget.survive(failure).await?,
            }
        }
    }

    /// Sends `request` to `host`, once.
    pub(crate) async fn visit(
        &self,
        host: &Arc<Host>,
        noun: &str,
        request: &Request,
    ) -> Result<Answer, Failure> {
        let full_name = self.full_name();
        let aim = self.aim(Action::Pull, &full_name, noun);
        self.registry.visit(host, &aim, request).await
    }

    /// The whole of a document that was asked for.
    pub(crate) async fn document(
        &self,
        answer: Answer,
        what: &str,
        cap: usize,
    ) -> Result<Bytes, Failure> {
        let Config { stall, document, .. } = *self.config();
        Body::new(answer, stall).all(what, cap, document).await
    }

    /// What a request about `noun` is about, where `full_name` is this repository's.
    pub(crate) fn aim<'a>(
        &'a self,
        action: Action<'a>,
        full_name: &'a str,
        noun: &'a str,
    ) -> Aim<'a> {
        Aim { action, repository: &self.name, full_name, noun }
    }

    /// The host to ask now.
    pub(crate) async fn next(&self, need: Need, budget: &mut Budget) -> Result<Arc<Host>> {
        self.registry.next(need, budget).await
    }
}
