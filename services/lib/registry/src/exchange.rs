//! One request and its answer, redirects followed: no retry, no login.
//!
//! At most five redirects; the Authorization header goes no further than the origin (scheme, host,
//! port) that it was made for, and is not taken up again on a way back. Whether the answer came from
//! another origin is told, because a challenge from there is none of the registry's.

use std::sync::Arc;

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use tokio::sync::OwnedSemaphorePermit;
use url::Url;
use varve_core::Error;

use crate::endpoint;
use crate::failure::{ASK, Failure};
use crate::host::Host;
use crate::payload::Payload;
use crate::visit::Line;

const REDIRECTS: usize = 5;

/// A request that may be sent any number of times.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub payload: Payload,
    /// How long its answer may take: what makes a registry hash or copy a blob takes longer than what
    /// it knows.
    pub pace: Pace,
    /// Whether it may be led from one url to another.
    pub leads: fn(&Url, &Url) -> Result<(), Error>,
}

/// What an answer is waited for by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pace {
    /// The stall limit.
    Usual,
    /// The time that a registry gets for all of a blob.
    Settling,
}

impl Request {
    pub(crate) fn new(method: Method, url: Url) -> Self {
        let identity = HeaderValue::from_static("identity");
        let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, identity)]);
        let (payload, pace) = (Payload::None, Pace::Usual);
        Self { method, url, headers, payload, pace, leads: endpoint::check_redirect }
    }

    pub(crate) fn header(mut self, name: header::HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    pub(crate) fn carrying(self, payload: Payload) -> Self {
        Self { payload, ..self }
    }

    /// The registry has a whole blob to look at before it answers.
    pub(crate) fn settling(self) -> Self {
        Self { pace: Pace::Settling, ..self }
    }

    /// Whether it may be sent to where a redirect of this status leads. What writes goes there only
    /// where it is to be written just so (RFC 9110 section 15.4.8).
    fn follows(&self, status: StatusCode) -> bool {
        let reads = matches!(self.method, Method::GET | Method::HEAD);
        reads || matches!(status.as_u16(), 307 | 308)
    }
}

/// An answer whose body is still to come, and the place at its host.
pub(crate) struct Answer {
    pub response: reqwest::Response,
    /// The host that was asked.
    pub host: Arc<Host>,
    /// Where it came from in the end.
    pub url: Url,
    /// It came from another origin than the one that was asked.
    pub foreign: bool,
    pub permit: OwnedSemaphorePermit,
}

impl Answer {
    pub(crate) fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// Who sent it.
    pub(crate) fn authority(&self) -> String {
        endpoint::authority(&self.url)
    }
}

/// Sends `request`, and follows where it is led.
pub(crate) async fn exchange(line: Line<'_>, mut request: Request) -> Result<Answer, Failure> {
    let first = request.url.clone();
    let mut foreign = !endpoint::same_origin(&line.host.api, &first);
    for _ in 0..=REDIRECTS {
        let mut answer = once(line, &request).await?;
        answer.foreign = foreign;
        let Some(next) = redirect(&request, &answer)? else {
            return Ok(answer);
        };
        let what = match &request.payload {
            Payload::Form(_) => Some("a login"),
            _ if !request.follows(answer.status()) => Some("what is written"),
            _ => None,
        };
        if let Some(what) = what {
            let message =
                format!("{} redirects {what}, which is refused; {ASK}", answer.authority());
            return Err(Error::precondition(message).into());
        }
        if !endpoint::same_origin(&request.url, &next) {
            request.headers.remove(header::AUTHORIZATION);
            foreign = true;
        }
        request.url = next;
    }
    let first = endpoint::authority(&first);
    let message = format!("{first} redirects more than {REDIRECTS} times; {ASK}");
    Err(Error::precondition(message).into())
}

/// One request; something must move within the stall limit until the answer's headers have come.
async fn once(line: Line<'_>, request: &Request) -> Result<Answer, Failure> {
    let Line { transport, stall, settle, .. } = line;
    let payload = &request.payload;
    let permit = transport.permit(&request.url).await;
    let name = endpoint::authority(&request.url);
    let client = transport.client(&request.url, line.host)?;
    let mut builder = client
        .request(request.method.clone(), request.url.clone())
        .headers(headers(line.host, request));
    if let Some(length) = payload.length() {
        builder = builder.header(header::CONTENT_LENGTH, length);
    }
    if let Some(body) = payload.body() {
        builder = builder.body(body);
    }
    let stall = if request.pace == Pace::Settling { settle } else { stall };
    let sent = payload.watch(builder.send(), stall, settle).await;
    let response = sent
        .ok_or_else(|| Failure::stalled(&name, stall))?
        .map_err(|error| payload.failure().unwrap_or_else(|| Failure::from_http(&name, error)))?;
    let (host, url) = (Arc::clone(line.host), request.url.clone());
    Ok(Answer { response, host, url, foreign: false, permit })
}

/// The request's headers, and behind them those that were set for the host: they may be secrets, and
/// go no further than its origin.
fn headers(host: &Host, request: &Request) -> HeaderMap {
    if host.headers.is_empty() || !endpoint::same_origin(&host.api, &request.url) {
        return request.headers.clone();
    }
    let mut headers = host.headers.clone();
    for name in request.headers.keys() {
        headers.remove(name);
    }
    headers.extend(request.headers.clone());
    headers
}

/// Where the answer leads, if it is a redirect.
fn redirect(request: &Request, answer: &Answer) -> Result<Option<Url>, Failure> {
    if !matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let bad = || Error::precondition(format!("{} redirects to nowhere", answer.authority()));
    let location = answer.headers().get(header::LOCATION).ok_or_else(bad)?;
    let location = location.to_str().map_err(|_| bad())?;
    let mut next = answer.url.join(location).map_err(|_| bad())?;
    next.set_fragment(None);
    (request.leads)(&answer.url, &next)?;
    Ok(Some(next))
}
