//! The server: connections, routes, and the order of things (log, gate, shelf, faults).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::header;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::answer::{Answer, DIGEST};
use super::faults::{self, Fault};
use super::shelf::Source;
use super::stream::Body;
use super::uploads::{self, Cut, Place};
use super::{State, lock, log, paging, repositories};

/// How many are open, and the most that ever were.
#[derive(Default)]
pub(super) struct Connections {
    open: AtomicUsize,
    most: AtomicUsize,
}

impl Connections {
    fn opened(&self) {
        let open = self.open.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(open, Ordering::Relaxed);
    }

    fn closed(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }
}

/// Serves until it is dropped, and every connection with it.
pub(super) async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => {
                let _ = stream.set_nodelay(true);
                let (state, counted) = (Arc::clone(&state), Arc::clone(&state));
                let service = service_fn(move |request| answer(Arc::clone(&state), request));
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .serve_connection(TokioIo::new(stream), service);
                counted.connections.opened();
                connections.spawn(async move {
                    let _ = connection.await;
                    counted.connections.closed();
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn answer(state: Arc<State>, request: Request<Incoming>) -> Result<Response<Body>, Cut> {
    let (parts, body) = request.into_parts();
    let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
    let at = {
        let mut log = lock(&state.log);
        log.push(log::Entry::new(parts.method.clone(), path, query, &parts.headers));
        log.len() - 1
    };
    let faults = faults::striking(&mut lock(&state.rules), &parts.method, path, &parts.headers);
    strike(&state, &faults).await?;
    let answer = route(&state, &parts, body, &faults).await?.struck(&faults, path);
    if let Some(to) = faults.iter().find_map(|fault| match fault {
        Fault::Moves(to) => Some(*to),
        _ => None,
    }) {
        lock(&state.shelf).move_tags(to);
    }
    let status = answer.status.as_u16();
    let (response, sent) = answer.response(parts.method == Method::HEAD, &faults);
    lock(&state.log)[at].answered(status, sent);
    Ok(response)
}

/// The faults that strike before anything is looked at.
async fn strike(state: &State, faults: &[Fault]) -> Result<(), Cut> {
    for fault in faults {
        match fault {
            Fault::Hangup => return Err(Cut),
            Fault::Silent => std::future::pending().await,
            Fault::Late(time) => tokio::time::sleep(*time).await,
            Fault::Revoke(_) => lock(&state.gate).revoke(),
            _ => {}
        }
    }
    Ok(())
}

async fn route(
    state: &State,
    parts: &Parts,
    body: Incoming,
    faults: &[Fault],
) -> Result<Answer, Cut> {
    let query = parts.uri.query().unwrap_or_default();
    let path = parts.uri.path();
    if path == "/token" {
        let form = match parts.method {
            Method::POST => Limited::new(body, 64 << 10).collect().await.ok(),
            _ => None,
        };
        let form = form.map(http_body_util::Collected::to_bytes);
        let (status, body) = lock(&state.gate).token(query, &parts.headers, form.as_deref());
        return Ok(Answer::text(status, body));
    }
    if let Some(place) = Place::parse(&parts.method, path) {
        let wanted = format!("repository:{}:pull,push", place.repository());
        return match turned_away(state, parts, &wanted) {
            Some(answer) => Ok(answer),
            None => uploads::write(state, &place, parts, body, faults).await,
        };
    }
    Ok(read(state, parts, faults))
}

fn read(state: &State, parts: &Parts, faults: &[Fault]) -> Answer {
    let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
    if parts.method != Method::GET && parts.method != Method::HEAD {
        return Answer::error(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", "read only");
    }
    if matches!(path, "/v2/" | "/v2/_catalog" | "/v1/search") {
        let wanted = if path == "/v2/" { "" } else { "registry:catalog:*" };
        let answer = || repositories::answer(state, path, query, faults);
        return turned_away(state, parts, wanted).unwrap_or_else(answer);
    }
    let Some((repository, kind, reference)) = parse(path) else {
        return Answer::text(StatusCode::NOT_FOUND, String::new());
    };
    if let Some(answer) = turned_away(state, parts, &format!("repository:{repository}:pull")) {
        return answer;
    }
    match kind {
        "manifests" => manifest(state, repository, reference),
        "blobs" => blob(state, parts, repository, reference, faults),
        _ => match lock(&state.shelf).tags(repository) {
            Some(tags) => paging::page(repository, tags, query, faults),
            None => unknown("NAME_UNKNOWN", "repository name not known to registry"),
        },
    }
}

/// What is said to whom has not shown what `wanted` takes.
fn turned_away(state: &State, parts: &Parts, wanted: &str) -> Option<Answer> {
    let challenge = lock(&state.gate).challenge(&state.address, wanted, &parts.headers)?;
    let answer = Answer::error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "authentication required");
    Some(answer.with(header::WWW_AUTHENTICATE, &challenge))
}

/// `/v2/<name>/<kind>/<reference>`.
fn parse(path: &str) -> Option<(&str, &str, &str)> {
    let (rest, reference) = path.strip_prefix("/v2/")?.rsplit_once('/')?;
    let (repository, kind) = rest.rsplit_once('/')?;
    matches!(kind, "manifests" | "blobs" | "tags").then_some((repository, kind, reference))
}

fn unknown(code: &str, message: &str) -> Answer {
    Answer::error(StatusCode::NOT_FOUND, code, message)
}

fn manifest(state: &State, repository: &str, reference: &str) -> Answer {
    match lock(&state.shelf).manifest(repository, reference) {
        Some((digest, media_type, bytes)) => Answer::whole(StatusCode::OK, Source::Bytes(bytes))
            .with(header::CONTENT_TYPE, media_type.as_str())
            .with(DIGEST, &digest.to_string()),
        None => unknown("MANIFEST_UNKNOWN", "manifest unknown"),
    }
}

fn blob(state: &State, parts: &Parts, repository: &str, digest: &str, faults: &[Fault]) -> Answer {
    let Some(source) = lock(&state.shelf).blob(repository, digest) else {
        return unknown("BLOB_UNKNOWN", "blob unknown to registry");
    };
    let size = source.size();
    let whole = Answer::whole(StatusCode::OK, source)
        .with(header::CONTENT_TYPE, "application/octet-stream")
        .with(DIGEST, digest);
    let range = parts.headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let Some(range) = range.filter(|_| !faults.contains(&Fault::IgnoreRange)) else {
        return whole;
    };
    match span(range, size) {
        Some((start, end)) => {
            Answer { status: StatusCode::PARTIAL_CONTENT, range: (start, end), ..whole }
                .with(header::CONTENT_RANGE, &format!("bytes {start}-{}/{size}", end - 1))
        }
        None => unknown("RANGE_INVALID", "invalid content range")
            .with(header::CONTENT_RANGE, &format!("bytes */{size}"))
            .with_status(StatusCode::RANGE_NOT_SATISFIABLE),
    }
}

/// `bytes=first-` or `bytes=first-last`, as a start and an end.
fn span(range: &str, size: u64) -> Option<(u64, u64)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let start: u64 = first.parse().ok()?;
    let end =
        if last.is_empty() { size } else { last.parse::<u64>().ok()?.saturating_add(1).min(size) };
    (start < end).then_some((start, end))
}
