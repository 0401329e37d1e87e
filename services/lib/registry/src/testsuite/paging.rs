//! Lists of tags and of repositories, in pages.

use std::collections::HashMap;

use http::StatusCode;
use http::header;
use serde_json::{Value, json};

use super::answer::Answer;
use super::faults::Fault;

/// The page of `tags` that `query` (`n`, `last`) asks for.
pub(super) fn page(repository: &str, tags: Vec<String>, query: &str, faults: &[Fault]) -> Answer {
    let path = format!("/v2/{repository}/tags/list");
    paged(&path, tags, query, faults, |tags| json!({"name": repository, "tags": tags}))
}

/// The page of `names` at `path`, in the form that `document` gives it.
pub(super) fn paged(
    path: &str,
    names: Vec<String>,
    query: &str,
    faults: &[Fault],
    document: impl Fn(&[String]) -> Value,
) -> Answer {
    let query: HashMap<_, _> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let asked = query.get("n").and_then(|n| n.parse().ok()).unwrap_or(usize::MAX);
    let most = faults.iter().find_map(|fault| match fault {
        Fault::PageSize(most) => Some(*most),
        _ => None,
    });
    let size = asked.min(most.unwrap_or(usize::MAX));
    let mut rest: Vec<String> = match query.get("last") {
        Some(last) => names.into_iter().filter(|name| name > last).collect(),
        None => names,
    };
    let more = rest.len() > size;
    rest.truncate(size);
    let answer = Answer::text(StatusCode::OK, document(&rest).to_string());
    if faults.contains(&Fault::EndlessPages) {
        let page = query.get("page").and_then(|page| page.parse().ok()).unwrap_or(0u64) + 1;
        return answer.with(header::LINK, &format!(r#"<{path}?page={page}>; rel="next""#));
    }
    match rest.last().filter(|_| more) {
        Some(last) => {
            let next = format!(r#"<{path}?last={last}&n={size}>; rel="next""#);
            answer.with(header::LINK, &next)
        }
        None => answer,
    }
}
