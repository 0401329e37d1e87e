//! What registries answer: challenges, links, ranges, delays, tokens, refusals.

use http::header::{HeaderMap, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use varve_registry::testsuite::parsers;

/// Each line is a header of every kind; the whole is a body of every kind.
pub fn headers(data: &[u8]) {
    let lines = || data.split(|byte| *byte == b'\n').take(16);
    let values = || lines().filter_map(|line| HeaderValue::from_bytes(line).ok());
    let all: HeaderMap = values().map(|value| (WWW_AUTHENTICATE, value)).collect();
    challenge(&all);
    for value in values() {
        challenge(&HeaderMap::from_iter([(WWW_AUTHENTICATE, value.clone())]));
        let _ = parsers::retry_after(&HeaderMap::from_iter([(RETRY_AFTER, value)]));
    }
    for text in crate::lines(data).take(16) {
        if let Some(target) = parsers::link(text) {
            assert!(text.contains(target) && !target.contains('>'));
        }
        for (offset, size) in [(1, 2), (5, 1000), (u64::MAX - 1, u64::MAX)] {
            let _ = parsers::is_range(text, offset, size);
        }
        let exact = format!("bytes 5-999/1000{text}");
        assert!(!parsers::is_range(&exact, 5, 1000) || text.trim().is_empty(), "{exact:?}");
    }
    let _ = parsers::token(data);
    let said = parsers::refusal(data);
    assert!(said.chars().count() < 10_000 && !said.chars().any(char::is_control), "{said:?}");
}

fn challenge(headers: &HeaderMap) {
    let Some([realm, _, scope]) = parsers::challenge(headers, "wanted") else { return };
    assert!(realm.is_empty() || scope.ends_with("wanted"));
    assert!(!realm.contains('#'), "no fragment is sent to a realm");
}
