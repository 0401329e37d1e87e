//! Tag lists, page after page.

use std::collections::BTreeSet;
use std::sync::Arc;

use http::Method;
use serde::Deserialize;
use url::Url;
use varve_core::oci::LARGE;
use varve_core::{Error, Result};

use crate::exchange::Request;
use crate::failure::{ASK, Failure};
use crate::host::{Host, Need};
use crate::page;
use crate::repository::Repository;
use crate::retry::Budget;

/// Bytes of a page.
const CAP: usize = 4 << 20;
/// Tags asked for at once.
const PAGE: &str = "1000";

#[derive(Deserialize)]
struct Page {
    tags: Option<Vec<String>>,
}

impl Repository {
    /// All tags, sorted. A list that leads in a circle or elsewhere, or has no end, is refused.
    pub async fn tags(&self, budget: &mut Budget) -> Result<Vec<String>> {
        loop {
            let host = self.next(Need::Tag, budget).await?;
            match self.list(&host, budget).await {
                Ok(tags) => return Ok(tags),
                Err(failure) => budget.survive(host.blame(failure)).await?,
            }
        }
    }

    /// The list of one host: half of a mirror's would go with no half of another's.
    async fn list(&self, host: &Arc<Host>, budget: &mut Budget) -> Result<Vec<String>, Failure> {
        let noun = format!("tags of {}", self.full_name());
        let mut url = host.url(&self.name, &["tags", "list"]);
        url.query_pairs_mut().append_pair("n", PAGE);
        let (mut tags, mut seen) = (BTreeSet::new(), BTreeSet::new());
        while seen.insert(url.clone()) {
            if seen.len() > self.config().tag_pages || tags.len() > self.config().tags {
                let pages = seen.len() - 1;
                let many =
                    format!("{noun}: {pages} pages with {} tags, and more; {LARGE}", tags.len());
                return Err(Error::exhausted(many).into());
            }
            let (page, next) = self.page(host, &noun, &url, budget).await?;
            tags.extend(page.into_iter().filter(|tag| is_tag(tag)));
            match next {
                Some(next) => url = next,
                None => return Ok(tags.into_iter().collect()),
            }
        }
        let circle = format!("{noun}: the registry's list leads back to itself; {ASK}");
        Err(Error::precondition(circle).into())
    }

    async fn page(
        &self,
        host: &Arc<Host>,
        noun: &str,
        url: &Url,
        budget: &mut Budget,
    ) -> Result<(Vec<String>, Option<Url>), Failure> {
        loop {
            match self.page_once(host, noun, url).await.map_err(|failure| host.blame(failure)) {
                Err(failure @ Failure::Mirror { .. }) => return Err(failure),
                Err(failure) => budget.survive(failure).await?,
                page => return page,
            }
        }
    }

    async fn page_once(
        &self,
        host: &Arc<Host>,
        noun: &str,
        url: &Url,
    ) -> Result<(Vec<String>, Option<Url>), Failure> {
        let request = Request::new(Method::GET, url.clone());
        let answer = self.visit(host, noun, &request).await?;
        let next = page::next(noun, url, &answer)?.map(|next| host.with_namespace(next));
        let bytes = self.document(answer, "a tag list", CAP).await?;
        let page: Page = serde_json::from_slice(&bytes).map_err(|error| {
            Error::unavailable(format!("{noun}: is no tag list")).with_source(error)
        })?;
        Ok((page.tags.unwrap_or_default(), next))
    }
}

/// distribution-spec, *Pulling manifests*: what is no tag is not shown to anybody's terminal.
fn is_tag(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    tag.len() <= 128
        && tag.bytes().enumerate().all(|(at, b)| word(b) || at > 0 && matches!(b, b'.' | b'-'))
        && !tag.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_tag_is_passed_over() {
        assert!(is_tag("1.2-alpine_x") && is_tag("_"));
        for bad in ["", ".a", "-a", "a b", "\u{1b}[2J", "é", &"a".repeat(129)] {
            assert!(!is_tag(bad), "{bad}");
        }
    }
}
