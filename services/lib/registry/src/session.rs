//! An upload under way, as the registry tells of it: where it goes on, and how much is there.

use http::header::{self, HeaderName};
use url::Url;
use varve_core::{Error, Result};

use crate::endpoint;
use crate::exchange::Answer;
use crate::visit;

/// Bytes that a part has to have at least, unless it is the last (distribution-spec, *Pushing a blob in
/// chunks*).
const LEAST: HeaderName = HeaderName::from_static("oci-chunk-min-length");

/// An upload that has begun.
#[derive(Clone, Debug)]
pub struct Session {
    pub(crate) location: Url,
    /// Bytes that are there.
    pub(crate) at: u64,
    /// The fewest bytes of a part.
    pub(crate) least: u64,
}

impl Session {
    /// The one that `answer` begins.
    pub(crate) fn begun(noun: &str, answer: &Answer) -> Result<Self> {
        let location = location(noun, answer)?;
        let least = visit::text(answer, LEAST).and_then(|text| text.parse().ok()).unwrap_or(0);
        Ok(Self { location, at: 0, least })
    }

    /// The same once a part up to `end` was taken. A registry may have taken less of it, and says so.
    pub(crate) fn after(&self, noun: &str, answer: &Answer, end: u64) -> Result<Self> {
        let location = location(noun, answer)?;
        let fewer = range(answer).filter(|at| (self.at + 1..end).contains(at));
        // `0-0` is one byte, and what registries say that have not looked.
        let at = fewer.filter(|at| *at > 1).unwrap_or(end);
        Ok(Self { location, at, ..*self })
    }

    /// The same as the registry says that it is; `None` where it does not say how much is there.
    pub(crate) fn as_told(&self, noun: &str, answer: &Answer) -> Result<Option<Self>> {
        let location = match answer.headers().contains_key(header::LOCATION) {
            true => location(noun, answer)?,
            false => self.location.clone(),
        };
        // `0-0` is how Docker's own registry says that there is nothing.
        let at = range(answer).map(|at| if at == 1 { 0 } else { at });
        Ok(at.map(|at| Self { location, at, ..*self }))
    }

    /// Where the whole of it is asked to become the blob `digest`.
    pub(crate) fn closing(&self, digest: &str) -> Url {
        let mut url = self.location.clone();
        url.query_pairs_mut().append_pair("digest", digest);
        url
    }
}

/// Where the upload goes on: relative or not, with a query or not; perhaps at another host, which gets
/// no login of this one.
fn location(noun: &str, answer: &Answer) -> Result<Url> {
    let bad = || {
        let host = answer.authority();
        Error::precondition(format!("{noun}: {host} does not say where the upload goes on"))
    };
    let text = visit::text(answer, header::LOCATION).ok_or_else(bad)?;
    let mut next = answer.url.join(text).map_err(|_| bad())?;
    next.set_fragment(None);
    settle(&answer.url, &mut next);
    endpoint::check_redirect(&answer.url, &next)?;
    Ok(next)
}

/// Behind a proxy that ends TLS, many a registry takes itself for one that speaks http: the same host
/// is gone on with as it was reached.
fn settle(from: &Url, next: &mut Url) {
    let same = from.host() == next.host() && from.scheme() == "https" && next.scheme() == "http";
    let port = next.port().is_none() || next.port() == from.port();
    if same && port && next.set_scheme("https").is_ok() {
        let _ = next.set_port(from.port());
    }
}

/// The end of `Range: 0-<last>`, in bytes that are there.
fn range(answer: &Answer) -> Option<u64> {
    parse(visit::text(answer, header::RANGE)?)
}

fn parse(text: &str) -> Option<u64> {
    let text = text.trim();
    let (first, last) = text.strip_prefix("bytes=").unwrap_or(text).split_once('-')?;
    let last: u64 = last.parse().ok()?;
    (first == "0").then(|| last.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_what_is_there() {
        assert_eq!(parse("0-1023"), Some(1024));
        assert_eq!(parse("bytes=0-9"), Some(10));
        for bad in ["", "0", "5-9", "0-", "0-x", "0--1"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn http_at_the_same_host_is_https_where_that_was_spoken() {
        let settled = |from: &str, next: &str| {
            let mut next = Url::parse(next).unwrap();
            settle(&Url::parse(from).unwrap(), &mut next);
            next.to_string()
        };
        assert_eq!(settled("https://h:8443/v2/", "http://h/v2/u?x=1"), "https://h:8443/v2/u?x=1");
        assert_eq!(settled("https://h:8443/v2/", "http://h:8443/u"), "https://h:8443/u");
        for other in ["http://other/u", "https://h/u", "http://h:8080/u"] {
            assert_eq!(settled("https://h/v2/", other), other);
        }
    }

    #[test]
    fn a_digest_is_added_to_the_query_that_there_is() {
        let location = Url::parse("http://h/u?_state=a%2Bb").unwrap();
        let session = Session { location, at: 0, least: 0 };
        assert_eq!(
            session.closing("sha256:ab").as_str(),
            "http://h/u?_state=a%2Bb&digest=sha256%3Aab"
        );
    }
}
