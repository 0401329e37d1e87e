//! References against tables of what Docker takes and refuses.

use proptest::prelude::*;

use super::*;

const DIGEST: &str = "sha256:ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";

/// Given; canonical; familiar; whether the tag is the default.
const GOOD: &[(&str, &str, &str, bool)] = &[
    ("alpine", "docker.io/library/alpine:latest", "alpine:latest", true),
    ("alpine:3.20", "docker.io/library/alpine:3.20", "alpine:3.20", false),
    ("alpine:latest", "docker.io/library/alpine:latest", "alpine:latest", false),
    ("library/alpine", "docker.io/library/alpine:latest", "alpine:latest", true),
    ("docker.io/alpine", "docker.io/library/alpine:latest", "alpine:latest", true),
    ("docker.io/library/alpine", "docker.io/library/alpine:latest", "alpine:latest", true),
    ("index.docker.io/alpine", "docker.io/library/alpine:latest", "alpine:latest", true),
    ("index.docker.io/a/b:1", "docker.io/a/b:1", "a/b:1", false),
    ("me/app", "docker.io/me/app:latest", "me/app:latest", true),
    ("library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest", true),
    ("localhost/app", "localhost/app:latest", "localhost/app:latest", true),
    ("localhost", "docker.io/library/localhost:latest", "localhost:latest", true),
    ("localhost:5000", "docker.io/library/localhost:5000", "localhost:5000", false),
    ("host:5000/app", "host:5000/app:latest", "host:5000/app:latest", true),
    ("127.0.0.1:5000/a/b:x", "127.0.0.1:5000/a/b:x", "127.0.0.1:5000/a/b:x", false),
    ("[::1]:5000/app", "[::1]:5000/app:latest", "[::1]:5000/app:latest", true),
    ("[2001:db8::1]/app:1", "[2001:db8::1]/app:1", "[2001:db8::1]/app:1", false),
    ("ghcr.io/a/b/c/d:v1", "ghcr.io/a/b/c/d:v1", "ghcr.io/a/b/c/d:v1", false),
    ("Host.io/app", "Host.io/app:latest", "Host.io/app:latest", true),
    ("Host:5000/app", "Host:5000/app:latest", "Host:5000/app:latest", true),
    ("xn--7o8h.com/app", "xn--7o8h.com/app:latest", "xn--7o8h.com/app:latest", true),
    ("a-b.c--d.e/app", "a-b.c--d.e/app:latest", "a-b.c--d.e/app:latest", true),
    ("a.b_c__d---e", "docker.io/library/a.b_c__d---e:latest", "a.b_c__d---e:latest", true),
    ("app:_X-.1", "docker.io/library/app:_X-.1", "app:_X-.1", false),
    ("docker.io/a.b/c", "docker.io/a.b/c:latest", "docker.io/a.b/c:latest", true),
    ("docker.io/localhost/c", "docker.io/localhost/c:latest", "docker.io/localhost/c:latest", true),
];

#[test]
fn references_are_read_as_docker_reads_them() {
    for &(given, canonical, familiar, defaulted) in GOOD {
        let (reference, default) = Reference::parse_with_default(given).unwrap();
        assert_eq!(reference.to_string(), canonical, "{given}");
        assert_eq!(reference.familiar(), familiar, "{given}");
        assert_eq!(default, defaulted, "{given}");
        assert_eq!(format!("{reference:?}"), canonical);
    }
}

#[test]
fn a_tag_and_a_digest_may_stand_together() {
    let both: Reference = format!("alpine:3@{DIGEST}").parse().unwrap();
    assert_eq!(both.tag(), Some("3"));
    assert_eq!(both.digest().unwrap().to_string(), DIGEST);
    assert_eq!(both.to_string(), format!("docker.io/library/alpine:3@{DIGEST}"));
    assert_eq!(both.familiar(), format!("alpine:3@{DIGEST}"));
    assert_eq!(both.without_digest().familiar(), "alpine:3");
    let (only, defaulted) =
        Reference::parse_with_default(&format!("[::1]:5000/a@{DIGEST}")).unwrap();
    assert_eq!((only.tag(), defaulted), (None, false));
    assert_eq!((only.domain(), only.path()), ("[::1]:5000", "a"));
}

/// Given, and what the reason must say.
const BAD: &[(&str, &str)] = &[
    ("", "at least one component"),
    ("Alpine", "repository name (Alpine) must be lowercase"),
    ("docker/Docker:1", "must be lowercase"),
    ("Upper/app", "repository name (Upper/app) must be lowercase"),
    ("docker.io/Upper/app", "must be lowercase"),
    ("host:5000/Uppercase/app", "must be lowercase"),
    ("a3f5e7d9c1b3a5f7e9d1c3b5a7f9e1d3c5b7a9f1e3d5d7c9b1a3f5e7d9c1b3ab", "64-byte hexadecimal"),
    (DIGEST, "64-byte hexadecimal"),
    ("https://github.com/a/b", "no scheme"),
    (" alpine", "white space"),
    ("alpine\n", "white space"),
    ("alpine\0", "control"),
    ("/alpine", "empty component"),
    ("alpine/", "empty component"),
    ("a//b", "empty component"),
    ("a///b", "empty component"),
    ("docker.io/", "empty component"),
    ("docker.io/a//b", "empty component"),
    (":5000", "empty component"),
    (":1/app", "domain"),
    ("..", "component \"..\""),
    ("../etc/passwd", "domain"),
    ("ghcr.io/../x", "component \"..\""),
    ("ghcr.io/a/./x", "component \".\""),
    ("a..b", "component"),
    ("a___b", "component"),
    ("a._b", "component"),
    ("-a", "component"),
    ("a-", "component"),
    ("-a/b", "component"),
    ("-a.io/b", "domain"),
    ("a-.io/b", "domain"),
    ("a.io./b", "domain"),
    ("a_b.io/c", "domain"),
    ("müller.de/a", "domain"),
    ("mü/a", "component"),
    ("a%2fb", "component"),
    ("user@host.io/a", "digest"),
    ("host.io:/a", "port"),
    ("host.io:0/a", "port"),
    ("host.io:+80/a", "port"),
    ("host.io:65536/a", "port"),
    ("host.io:http/a", "port"),
    ("[fc00::1]", "component"),
    ("[fc00::1]:5000", "component"),
    ("fc00::1:5000/debian", "port"),
    ("[fe80::1%eth0]:5000/debian", "IPv6"),
    ("[2001:db8:3:4::192.0.2.33]:5000/debian", "IPv6"),
    ("[1:2]/debian", "IPv6"),
    ("[]/debian", "component"),
    ("[::1]x/debian", "port"),
    ("a:", "tag is empty"),
    ("a:.x", "tag must be"),
    ("a:-x", "tag must be"),
    ("a:x:y", "tag must be"),
    ("a:x/y", "port"),
    ("a:ü", "tag must be"),
    ("a@", "digest"),
    ("a@sha256:abc", "64 hex digits"),
    ("a@sha512:00", "only sha256"),
    ("a@sha256:FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF", "lower-case"),
];

#[test]
fn a_text_that_is_no_reference_is_refused_with_the_reason() {
    for &(given, why) in BAD {
        let error = given.parse::<Reference>().unwrap_err();
        assert_eq!(error.kind(), crate::Kind::InvalidArgument);
        assert!(error.message().contains(why), "{given:?}: {error}");
    }
}

#[test]
fn the_limits_of_length_are_kept_to_the_byte() {
    let reads = |text: String| text.parse::<Reference>().is_ok();
    assert!(reads(format!("x.io/{}", "a".repeat(255))));
    assert!(!reads(format!("x.io/{}", "a".repeat(256))));
    assert!(reads("a".repeat(247)), "library/ counts");
    assert!(!reads("a".repeat(248)));
    assert!(reads(format!("a:{}", "t".repeat(128))));
    assert!(!reads(format!("a:{}", "t".repeat(129))));
    assert!(reads(format!("{}.io/a", "a".repeat(252))));
    assert!(!reads(format!("{}.io/a", "a".repeat(253))));
    for long in ["a", "@", "a/", "A:", "é."].map(|part| part.repeat(1 << 20)) {
        let error = long.parse::<Reference>().unwrap_err();
        assert!(error.message().len() < 2000, "a message repeats no megabyte");
    }
}

#[test]
fn tags_and_digests_are_replaced_and_taken_away() {
    let alpine: Reference = "alpine".parse().unwrap();
    assert_eq!(alpine.with_tag("3").unwrap().to_string(), "docker.io/library/alpine:3");
    assert!(alpine.with_tag("no/tag").unwrap_err().message().contains("docker.io/library/alpine"));
    assert!(alpine.with_tag("").is_err());
    let digest: Digest = DIGEST.parse().unwrap();
    let pinned = alpine.without_tag().with_digest(digest);
    assert_eq!(pinned.to_string(), format!("docker.io/library/alpine@{DIGEST}"));
    assert_eq!(alpine.without_tag().to_string(), alpine.repository());
    assert_eq!(alpine.familiar_repository(), "alpine");
}

#[test]
fn an_image_named_like_a_digest_is_never_shown_as_one() {
    let text = format!("docker.io/library/{DIGEST}");
    let reference: Reference = text.parse().unwrap();
    assert_eq!(reference.familiar(), text);
}

#[test]
fn serde_reads_and_writes_the_canonical_form() {
    let json = "\"docker.io/library/alpine:latest\"";
    let reference: Reference = serde_json::from_str("\"alpine\"").unwrap();
    assert_eq!(serde_json::to_string(&reference).unwrap(), json);
    assert!(serde_json::from_str::<Reference>("\"Alpine\"").is_err());
}

/// Texts that are nearly references: random ones hardly ever get past the first check.
fn nearly() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-zA-Z0-9._:/@\\[\\]-]{0,40}",
        "([a-c.]{1,4}(:[0-9]{1,5})?/)?[a-c._-]{1,6}(/[a-c._-]{1,6}){0,3}(:[a-zA-Z._-]{1,4})?",
        "(docker.io/|index.docker.io/|localhost/)?(library/)?[a-c.]{1,4}(/[a-c]{1,3})?(@sha256:[0-9a-f]{64})?",
    ]
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic_and_what_it_means_reads_back(text in nearly()) {
        if let Ok(reference) = text.parse::<Reference>() {
            prop_assert_eq!(&reference.to_string().parse::<Reference>().unwrap(), &reference);
            prop_assert_eq!(&reference.familiar().parse::<Reference>().unwrap(), &reference);
            prop_assert!(!reference.path().contains("..") && !reference.domain().is_empty());
        }
    }
}
