//! What comes of statuses, and of redirects.

use varve_core::Kind;
use varve_registry::testsuite::{Fault, On, Rule};

use super::{Row, given_up, layer, status, survived};

pub(super) fn statuses() -> Vec<Row> {
    use Kind::*;
    vec![
        survived("429 without Retry-After, once for each", 14, |_, _, _| {
            vec![Rule::new(On::Everything, status(429, None)).times(5)]
        }),
        survived("429 with Retry-After, once", 8, |s, _, _| {
            vec![layer(s, status(429, Some("1"))).times(1)]
        }),
        given_up(
            "429 with a Retry-After beyond all patience",
            7,
            Unavailable,
            &["asks to wait 3600 s"],
            |s, _, _| vec![layer(s, status(429, Some("3600")))],
        ),
        given_up("429, each time", 12, Unavailable, &["has had too many requests"], |s, _, _| {
            vec![layer(s, status(429, None))]
        }),
        survived("500 before the first byte, once", 8, |_, _, _| {
            vec![Rule::new(On::Heads, status(500, None)).times(1)]
        }),
        survived("502 before the first byte, once", 8, |_, _, _| {
            vec![Rule::new(On::Documents, status(502, None)).times(1)]
        }),
        survived("503 before the first byte, with Retry-After: 0", 8, |s, _, _| {
            vec![layer(s, status(503, Some("0"))).times(1)]
        }),
        survived("520 of a server in front, once", 8, |s, _, _| {
            vec![layer(s, status(520, None)).times(1)]
        }),
        given_up("500, each time", 12, Unavailable, &["answered 500"], |s, _, _| {
            vec![layer(s, status(500, None))]
        }),
        given_up("502, each time, from the start", 6, Unavailable, &["answered 502"], |_, _, _| {
            vec![Rule::new(On::Everything, status(502, None))]
        }),
        given_up(
            "503, each time, in the middle",
            12,
            Unavailable,
            &["answered 503", "pull again to resume"],
            |s, _, _| {
                vec![
                    layer(s, Fault::Cut(70_000)).times(1),
                    Rule::new(On::Ranges, status(503, None)),
                ]
            },
        ),
        given_up("a layer is not there (404)", 7, NotFound, &["not found"], |s, _, _| {
            vec![layer(s, status(404, None))]
        }),
        given_up(
            "a layer is forbidden (403)",
            7,
            PermissionDenied,
            &["pull access denied"],
            |s, _, _| vec![layer(s, status(403, None))],
        ),
        given_up(
            "a page for people in place of a layer",
            12,
            Unavailable,
            &["the registry sent 6 of", "failed 6 times"],
            |s, _, _| vec![layer(s, Fault::Body("<html>".into()))],
        ),
    ]
}

pub(super) fn redirects() -> Vec<Row> {
    use Kind::*;
    vec![
        survived("blobs are at another host", 11, |_, _, other| {
            let to = format!("http://{}*", other.address());
            vec![Rule::new(On::Blobs, Fault::Redirect(to))]
        }),
        survived(
            "the other host turns the request away (a signature that ended), once",
            10,
            |s, _, other| {
                let to = format!("http://{}*", other.address());
                other.faults([Rule::new(On::Blobs, status(403, None)).times(1)]);
                vec![layer(s, Fault::Redirect(to))]
            },
        ),
        given_up(
            "the other host turns the request away, each time",
            13,
            PermissionDenied,
            &["leads to"],
            |s, _, other| {
                let to = format!("http://{}*", other.address());
                other.faults([Rule::new(On::Blobs, status(403, None))]);
                vec![layer(s, Fault::Redirect(to))]
            },
        ),
        given_up(
            "a redirect leads in a circle",
            12,
            FailedPrecondition,
            &["redirects more than 5 times", "check its address"],
            |s, registry, _| {
                vec![layer(s, Fault::Redirect(format!("http://{}*", registry.address())))]
            },
        ),
        given_up(
            "a redirect leads to nobody",
            9,
            Unavailable,
            &["cannot connect to 127.0.0.1:1"],
            |s, _, _| vec![layer(s, Fault::Redirect("http://127.0.0.1:1/x".into()))],
        ),
        given_up(
            "a redirect leads to a file",
            7,
            FailedPrecondition,
            &["neither http nor https"],
            |s, _, _| vec![layer(s, Fault::Redirect("file:///etc/passwd".into()))],
        ),
        given_up(
            "a redirect carries a login",
            7,
            FailedPrecondition,
            &["it carries a login"],
            |s, _, other| {
                vec![layer(s, Fault::Redirect(format!("http://u:p@{}*", other.address())))]
            },
        ),
    ]
}
