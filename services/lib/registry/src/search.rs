//! Looking for repositories: the search that Docker Hub has, and others after its model; else the list of
//! all of them (distribution: *Catalog*).

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use url::Url;
use varve_core::oci::LARGE;
use varve_core::remotes::Credential;
use varve_core::{Error, Kind, Result};

use crate::action::{Action, Aim};
use crate::body::Body;
use crate::client::Client;
use crate::config::Config;
use crate::endpoint;
use crate::exchange::{Answer, Request};
use crate::failure::{ASK, Failure};
use crate::host::Host;
use crate::page;
use crate::registry::Registry;
use crate::retry::Budget;
use crate::visit::Visit;

/// Docker Hub's search is not where its images are.
const HUB: (&str, &str) = ("docker.io", "https://index.docker.io/");
/// Bytes of an answer.
const CAP: usize = 4 << 20;
/// Names asked for at once.
const PAGE: &str = "1000";

/// A repository that was found.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Hit {
    pub name: String,
    #[serde(default)]
    pub description: String,
    #[serde(default, rename = "star_count")]
    pub stars: u64,
    #[serde(default, rename = "is_official")]
    pub official: bool,
    #[serde(default, rename = "is_automated")]
    pub automated: bool,
}

#[derive(Deserialize)]
struct Hits {
    results: Vec<Hit>,
}

#[derive(Deserialize)]
struct Names {
    repositories: Option<Vec<String>>,
}

/// A look through the repositories of a registry.
pub struct Scan(Registry);

impl Client {
    /// Through those of `host`, as [`Client::repository`] has it.
    pub fn scan(&self, host: &str, plain_http: bool, credentials: &[Credential]) -> Result<Scan> {
        Ok(Scan(self.registry(host, plain_http, credentials)?))
    }
}

impl Scan {
    /// Asks the registry's own search for `limit` at the most; `None` where it has none.
    pub async fn search(&self, term: &str, limit: usize) -> Result<Option<Vec<Hit>>> {
        let noun = format!("search at {}", self.0.host);
        let mut budget = self.0.client.budget();
        loop {
            let host = self.0.itself().await?;
            match self.hits(&noun, &host, term, limit).await {
                Ok(hits) => return Ok(hits),
                Err(Failure::Final(error)) if !self.is_hub() && has_none(&error) => {
                    return Ok(None);
                }
                Err(failure) => budget.survive(failure).await?,
            }
        }
    }

    /// The names of repositories that `fits`, sorted, `limit` at the most. A list that leads in a circle or
    /// elsewhere, or has no end, is refused.
    pub async fn names(&self, fits: impl Fn(&str) -> bool, limit: usize) -> Result<Vec<String>> {
        let noun = format!("list of repositories at {}", self.0.host);
        let mut budget = self.0.client.budget();
        let host = self.0.itself().await?;
        let mut url = host.root().join("_catalog").expect("a word is a path");
        url.query_pairs_mut().append_pair("n", PAGE);
        let (mut names, mut seen) = (BTreeSet::new(), BTreeSet::new());
        while seen.insert(url.clone()) {
            if seen.len() > self.0.inner().config.tag_pages {
                let pages = seen.len() - 1;
                return Err(Error::exhausted(format!("{noun}: more than {pages} pages; {LARGE}")));
            }
            let (page, next) = self.page(&noun, &host, &url, &mut budget).await?;
            names.extend(page.into_iter().filter(|name| is_name(name) && fits(name)));
            match next {
                Some(next) if names.len() < limit => url = next,
                _ => return Ok(names.into_iter().take(limit).collect()),
            }
        }
        Err(Error::precondition(format!("{noun}: the registry's list leads back to itself; {ASK}")))
    }

    async fn hits(
        &self,
        noun: &str,
        host: &Arc<Host>,
        term: &str,
        limit: usize,
    ) -> Result<Option<Vec<Hit>>, Failure> {
        let base = match self.is_hub() {
            true => Url::parse(HUB.1).expect("the url is ours"),
            false => endpoint::root(&host.api),
        };
        let mut url = endpoint::join(&base, ["v1", "search"]);
        url.query_pairs_mut().append_pair("q", term).append_pair("n", &limit.to_string());
        let answer = self.visit(noun, host, &url).await?;
        let bytes = self.document(answer, "results").await?;
        // A page for browsers, perhaps.
        Ok(serde_json::from_slice::<Hits>(&bytes).ok().map(|hits| hits.results))
    }

    async fn page(
        &self,
        noun: &str,
        host: &Arc<Host>,
        url: &Url,
        budget: &mut Budget,
    ) -> Result<(Vec<String>, Option<Url>)> {
        loop {
            match self.page_once(noun, host, url).await {
                Ok(page) => return Ok(page),
                Err(Failure::Final(error)) if error.kind() == Kind::NotFound => {
                    let host = &self.0.host;
                    let message = format!("{host} has neither a search nor a list of repositories");
                    return Err(Error::new(Kind::Unimplemented, message));
                }
                Err(failure) => budget.survive(failure).await?,
            }
        }
    }

    async fn page_once(
        &self,
        noun: &str,
        host: &Arc<Host>,
        url: &Url,
    ) -> Result<(Vec<String>, Option<Url>), Failure> {
        let answer = self.visit(noun, host, url).await?;
        let next = page::next(noun, url, &answer)?;
        let bytes = self.document(answer, "a list").await?;
        let names: Names = serde_json::from_slice(&bytes).map_err(|error| {
            Error::unavailable(format!("{noun}: is no list")).with_source(error)
        })?;
        Ok((names.repositories.unwrap_or_default(), next))
    }

    async fn document(&self, answer: Answer, what: &str) -> Result<Bytes, Failure> {
        let Config { stall, document, .. } = self.0.inner().config;
        Body::new(answer, stall).all(what, CAP, document).await
    }

    async fn visit(&self, noun: &str, host: &Arc<Host>, url: &Url) -> Result<Answer, Failure> {
        let full_name = &*self.0.host;
        let aim = Aim { action: Action::List, repository: "", full_name, noun };
        let request = Request::new(Method::GET, url.clone());
        Visit::new(self.0.inner(), host, &aim).send(&request).await
    }

    fn is_hub(&self) -> bool {
        &*self.0.host == HUB.0
    }
}

/// How registries without a search answer to it.
fn has_none(error: &Error) -> bool {
    use Kind::*;
    matches!(error.kind(), NotFound | InvalidArgument | Unauthenticated | PermissionDenied)
}

/// distribution-spec, *Pulling manifests*: what is no name is not shown to anybody's terminal.
fn is_name(name: &str) -> bool {
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-/".contains(&b);
    !name.is_empty() && name.len() <= 255 && name.bytes().all(good)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_name_is_passed_over() {
        assert!(is_name("lab/app-1.x_y"));
        for bad in ["", "A", "a b", "\u{1b}[2J", &"a".repeat(256)] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
