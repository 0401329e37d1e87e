//! What is asked of the registry itself: whether one is let in, which repositories there are, and Docker
//! Hub's search.

use std::collections::HashMap;

use http::StatusCode;
use serde_json::{Value, json};

use super::answer::Answer;
use super::faults::Fault;
use super::{State, lock, paging};

pub(super) fn answer(state: &State, path: &str, query: &str, faults: &[Fault]) -> Answer {
    match path {
        "/v2/" => Answer::text(StatusCode::OK, "{}".into()),
        "/v2/_catalog" => {
            let names = lock(&state.shelf).names();
            paging::paged(path, names, query, faults, |names| json!({"repositories": names}))
        }
        _ => match &*lock(&state.search) {
            Some(results) => search(results, query),
            None => Answer::text(StatusCode::NOT_FOUND, "404 page not found".into()),
        },
    }
}

/// Those whose name contains `q`, `n` at the most.
fn search(results: &[Value], query: &str) -> Answer {
    let query: HashMap<_, _> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let term = query.get("q").map_or("", String::as_str);
    let most = query.get("n").and_then(|n| n.parse().ok()).unwrap_or(25);
    let named = |result: &&Value| result["name"].as_str().is_some_and(|name| name.contains(term));
    let found: Vec<&Value> = results.iter().filter(named).take(most).collect();
    let page = json!({"num_results": found.len(), "query": term, "page": 1, "results": found});
    Answer::text(StatusCode::OK, page.to_string())
}
