//! What comes of tokens that end, and of digests that contradict.

use varve_core::Kind;
use varve_registry::testsuite::{Fault, Gate, On, Rule};

use super::{Row, given_up, layer, status, survived};
use crate::scene;

pub(super) fn tokens() -> Vec<Row> {
    use Kind::*;
    vec![
        survived("a token ends in the middle, with invalid_token", 14, |s, registry, _| {
            registry.guard(Gate::anonymous());
            vec![layer(s, Fault::Revoke(true)).times(1)]
        }),
        survived("a token ends in the middle, without invalid_token", 14, |s, registry, _| {
            registry.guard(Gate::anonymous());
            vec![layer(s, Fault::Revoke(false)).times(1)]
        }),
        given_up(
            "every token has ended when it comes",
            16,
            Unauthenticated,
            &["may require a login"],
            |s, registry, _| {
                registry.guard(Gate::anonymous());
                vec![layer(s, Fault::Revoke(true))]
            },
        ),
        survived("the token server is busy, once", 11, |_, registry, _| {
            registry.guard(Gate::anonymous());
            vec![Rule::new(On::Token, status(503, None)).times(1)]
        }),
        given_up(
            "the token server is busy, each time",
            13,
            Unavailable,
            &["token of"],
            |_, registry, _| {
                registry.guard(Gate::anonymous());
                vec![Rule::new(On::Token, status(503, None))]
            },
        ),
        given_up(
            "the token server never answers",
            13,
            DeadlineExceeded,
            &["sent nothing for 0.5 s"],
            |_, registry, _| {
                registry.guard(Gate::anonymous());
                vec![Rule::new(On::Token, Fault::Silent)]
            },
        ),
        given_up(
            "the token server sends a page",
            4,
            Unauthenticated,
            &["its answer is no token"],
            |_, registry, _| {
                registry.guard(Gate::anonymous());
                vec![Rule::new(On::Token, Fault::Body("<html>".into()))]
            },
        ),
        given_up(
            "the token server's answer has no end",
            4,
            ResourceExhausted,
            &["sent a token of more than"],
            |_, registry, _| {
                registry.guard(Gate::anonymous());
                vec![Rule::new(On::Token, Fault::Endless)]
            },
        ),
    ]
}

pub(super) fn digests() -> Vec<Row> {
    use Kind::*;
    vec![
        survived("no Docker-Content-Digest", 8, |_, _, _| {
            vec![Rule::new(On::Manifests, Fault::NoDigest)]
        }),
        survived("a Docker-Content-Digest that is none (sha256:../../x)", 8, |_, _, _| {
            vec![Rule::new(On::Manifests, Fault::Digest("sha256:../../x".into()))]
        }),
        given_up(
            "HEAD has another Docker-Content-Digest",
            3,
            NotFound,
            &["not found"],
            |_, _, _| {
                let other = format!("sha256:{}", "0".repeat(64));
                vec![Rule::new(On::Heads, Fault::Digest(other))]
            },
        ),
        survived("HEAD has a second Docker-Content-Digest", 8, |_, _, _| {
            let other = format!("sha256:{}", "0".repeat(64));
            vec![Rule::new(On::Heads, Fault::AlsoDigest(other))]
        }),
        given_up(
            "GET of the tag has a second Docker-Content-Digest",
            7,
            FailedPrecondition,
            &["in place of sha256:000", "failed 6 times"],
            |_, _, _| {
                let other = format!("sha256:{}", "0".repeat(64));
                vec![Rule::new(On::Manifests, Fault::AlsoDigest(other))]
            },
        ),
        given_up(
            "the index has other bytes than its digest says",
            3,
            FailedPrecondition,
            &["sent other bytes than the digest names"],
            |_, _, _| vec![Rule::new(On::Documents, Fault::OtherBytes)],
        ),
        survived("a tag moves between HEAD and GET", 7, |_, registry, _| {
            let to = scene::push_untagged(registry);
            vec![Rule::new(On::Heads, Fault::Moves(to)).times(1)]
        }),
        given_up(
            "a tag moves between HEAD and GET, and what it was is gone",
            2,
            NotFound,
            &["not found"],
            |s, registry, _| {
                let to = scene::push_untagged(registry);
                let old = On::Path(format!("/manifests/{}", s.index.digest));
                vec![
                    Rule::new(On::Heads, Fault::Moves(to)).times(1),
                    Rule::new(old, status(404, None)),
                ]
            },
        ),
    ]
}
