//! What comes of manifests, indexes and lists without an end.

use std::time::Duration;

use varve_core::{Kind, MediaType};
use varve_registry::testsuite::{Fault, On, Rule};

use super::{Ask, Row, given_up, status, survived};
use crate::scene::{self, REPO};

pub(super) fn documents() -> Vec<Row> {
    use Kind::*;
    vec![
        survived("HEAD says that its own length is the manifest's", 8, |_, _, _| {
            vec![Rule::new(On::Heads, Fault::Length(0))]
        }),
        survived("HEAD is not allowed (405)", 8, |_, _, _| {
            vec![Rule::new(On::Heads, status(405, None))]
        }),
        survived("a manifest is called text/plain", 8, |_, _, _| {
            vec![Rule::new(On::Manifests, Fault::ContentType("text/plain".into()))]
        }),
        given_up(
            "an index is called a manifest",
            3,
            InvalidArgument,
            &["says of itself that it is application/vnd.oci.image.index.v1+json"],
            |_, _, _| {
                let other = MediaType::OciManifest.to_string();
                vec![Rule::new(On::Manifests, Fault::ContentType(other))]
            },
        ),
        survived("an index in an index in an index", 9, |s, registry, _| {
            scene::push_nested(s, registry, 3);
            vec![]
        }),
        given_up(
            "indexes in one another, 200 deep",
            70,
            InvalidArgument,
            &["indexes lie in it more than 4 deep"],
            |s, registry, _| {
                scene::push_nested(s, registry, 200);
                vec![]
            },
        )
        .for_good(),
        survived("an index that names the same index a thousand times", 8, |s, registry, _| {
            scene::push_repeated(s, registry);
            vec![]
        }),
        given_up(
            "an index whose child is something else by the same name (a loop)",
            6,
            FailedPrecondition,
            &["sent other bytes than the digest names"],
            |s, _, _| {
                let size = usize::try_from(s.manifest.size).unwrap();
                let child = On::Path(format!("/manifests/{}", s.manifest.digest));
                vec![Rule::new(child, Fault::Body("x".repeat(size)))]
            },
        ),
        given_up(
            "a manifest of 64 MiB",
            1,
            ResourceExhausted,
            &["has 67108864 bytes, more than 4194304", "no image needs that much"],
            |_, registry, _| {
                scene::push_large(registry, 64 << 20);
                vec![]
            },
        )
        .for_good(),
        given_up(
            "a manifest of 64 MiB that HEAD says nothing of",
            2,
            ResourceExhausted,
            &["sent a manifest of more than 4194304 bytes"],
            |_, registry, _| {
                scene::push_large(registry, 64 << 20);
                vec![Rule::new(On::Heads, status(405, None))]
            },
        )
        .for_good(),
        given_up(
            "an index that names a manifest of 64 MiB",
            2,
            ResourceExhausted,
            &["sha256:"],
            |s, registry, _| {
                scene::push_large_child(s, registry, 64 << 20);
                vec![]
            },
        )
        .for_good(),
        given_up(
            "a manifest trickles, with a kibibyte in time",
            8,
            DeadlineExceeded,
            &["took more than 1 s to send a manifest"],
            |_, registry, _| {
                scene::push_large(registry, 1 << 20);
                vec![
                    Rule::new(On::Heads, status(405, None)),
                    Rule::new(On::Documents, Fault::Slow(1024, Duration::from_millis(100))),
                ]
            },
        )
        .for_good(),
    ]
}

pub(super) fn lists() -> Vec<Row> {
    use Kind::*;
    vec![
        survived("tags in pages of one", 3, |_, registry, _| {
            scene::push_untagged(registry);
            vec![Rule::new(On::Tags, Fault::PageSize(1))]
        })
        .of(Ask::Tags),
        given_up(
            "a page of tags leads to itself",
            1,
            FailedPrecondition,
            &["leads back to itself"],
            |_, _, _| {
                let link = format!("</v2/{REPO}/tags/list?n=1000>; rel=\"next\"");
                vec![Rule::new(On::Tags, Fault::Link(link))]
            },
        )
        .of(Ask::Tags),
        given_up(
            "pages of tags have no end",
            20,
            ResourceExhausted,
            &["20 pages with 1 tags, and more"],
            |_, _, _| vec![Rule::new(On::Tags, Fault::EndlessPages)],
        )
        .of(Ask::Tags),
        given_up(
            "a page of tags leads to another host",
            1,
            FailedPrecondition,
            &["leads elsewhere"],
            |_, _, other| {
                let link =
                    format!("<http://{}/v2/{REPO}/tags/list>; rel=\"next\"", other.address());
                vec![Rule::new(On::Tags, Fault::Link(link))]
            },
        )
        .of(Ask::Tags),
        given_up("a page of tags is no list", 6, Unavailable, &["is no tag list"], |_, _, _| {
            vec![Rule::new(On::Tags, Fault::Body("<html>".into()))]
        })
        .of(Ask::Tags),
    ]
}
