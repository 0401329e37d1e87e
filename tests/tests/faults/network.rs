//! What threatens the network and the credentials around a registry, on the whole way of a pull. What one request
//! is enough for is tested where the client is (services/lib/registry/tests); docs/threats-network.md names all.

use serde_json::json;
use varve_core::remotes::{Credential, Login, Secret};
use varve_core::{Kind, MediaType};
use varve_registry::testsuite::{Fault, Gate, On, Record, Rule, TestRegistry};

use super::pipeline::House;
use super::scene::REPO;

const PASSWORD: &str = "hunter2";

fn login(registry: &TestRegistry) -> Credential {
    let login = Login::Basic { username: "me".into(), password: Secret::new(PASSWORD) };
    Credential { host: registry.address().into(), login }
}

/// The password, its base64 form, or a token of the other's.
fn is_secret(asked: &Record) -> bool {
    asked.authorization.is_some() || asked.query.contains(PASSWORD)
}

/// Names the first layer of the image by `urls` too, and has its registry not know it.
fn with_urls(house: &House, urls: &[String]) {
    let scene = house.scene();
    let mut layer = json!({"digest": scene.layer, "size": 10, "urls": urls});
    layer["mediaType"] = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip".into();
    let config = house.registry.push_blob(
        REPO,
        json!({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers",
               "diff_ids": [scene.layer]}})
        .to_string(),
    );
    let manifest = json!({"schemaVersion": 2, "mediaType": MediaType::OciManifest, "layers": [layer],
        "config": {"mediaType": MediaType::OciConfig, "digest": config.digest, "size": config.size}});
    let bytes = manifest.to_string();
    house.registry.push_manifest(REPO, Some("1"), &MediaType::OciManifest, bytes);
    let missing = Rule::new(On::Path(scene.path()), Fault::Status(404, None));
    house.registry.faults([missing]);
}

#[tokio::test]
async fn a_layers_urls_are_never_asked_and_get_no_login() {
    let mut house = House::open().await;
    house.credentials = vec![login(&house.registry), login(&house.other)];
    house.registry.guard(Gate::tokens("me", PASSWORD));
    // One that asks for a login, as ContainerDrip's did.
    house.other.guard(Gate::Basic("me".into(), PASSWORD.into()));
    let other = house.other.address().to_owned();
    let urls = [
        format!("http://{other}/v2/{REPO}/blobs/x"),
        format!("http://{other}/layer"),
        "http://169.254.169.254/latest/meta-data/iam/".into(),
        "http://localhost/".into(),
        "http+unix://%2Frun%2Fdocker.sock/info".into(),
        "file:///etc/passwd".into(),
    ];
    with_urls(&house, &urls);
    let error = house.pull().await.unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound, "{}", error.chain());
    assert!(error.chain().contains(house.registry.address()), "{}", error.chain());
    assert_eq!(house.other.requests().len(), 0, "a url of the layer was asked");
}

#[tokio::test]
async fn manifests_and_blobs_that_are_elsewhere_are_fetched_there_without_a_login() {
    for gate in [Gate::Basic("me".into(), PASSWORD.into()), Gate::tokens("me", PASSWORD)] {
        let mut house = House::open().await;
        house.credentials = vec![login(&house.registry)];
        house.registry.guard(gate);
        let to = format!("http://{}*", house.other.address());
        let led = [On::Heads, On::Documents, On::Blobs].map(|on| {
            // The first request brings the challenge.
            Rule::new(on, Fault::Redirect(to.clone())).after(1)
        });
        house.registry.faults(led);
        house.pull().await.unwrap();
        let there = house.other.requests();
        assert!(there.iter().any(|asked| asked.path.contains("/manifests/")), "{there:?}");
        assert!(there.iter().any(|asked| asked.path.contains("/blobs/")), "{there:?}");
        let told: Vec<_> = there.iter().filter(|asked| is_secret(asked)).collect();
        assert!(told.is_empty(), "{told:?}");
    }
}

#[tokio::test]
async fn where_a_redirect_leads_nobodys_challenge_is_met() {
    let mut house = House::open().await;
    house.credentials = vec![login(&house.registry), login(&house.other)];
    house.other.guard(Gate::tokens("me", PASSWORD));
    let to = format!("http://{}*", house.other.address());
    house.registry.faults([Rule::new(On::Blobs, Fault::Redirect(to))]);
    let error = house.pull().await.unwrap_err();
    assert_eq!(error.kind(), Kind::PermissionDenied, "{}", error.chain());
    let there = house.other.requests();
    assert!(!there.is_empty() && !there.iter().any(is_secret), "{there:?}");
    assert!(there.iter().all(|asked| asked.path != "/token"), "{there:?}");
}

#[tokio::test]
async fn a_token_of_one_registry_is_not_shown_to_another() {
    let mut house = House::open().await;
    house.credentials = vec![login(&house.registry)];
    house.registry.guard(Gate::tokens("me", PASSWORD));
    house.pull().await.unwrap();
    let tokens: Vec<_> =
        house.registry.requests().into_iter().filter_map(|asked| asked.authorization).collect();
    assert!(tokens.iter().any(|token| token.starts_with("Bearer ")), "{tokens:?}");
    // The same client, the same repository, another registry, and no login for that.
    house.other.guard(Gate::tokens("me", PASSWORD));
    let error = house.pull_of(house.other.address()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unauthenticated, "{}", error.chain());
    assert!(house.other.requests().iter().all(|asked| !is_secret(asked)));
}

#[tokio::test]
async fn what_is_no_digest_is_never_part_of_a_request() {
    let good = "0123456789abcdef".repeat(4);
    let crafted = [
        "sha256:../../../../v2/other/private/blobs/x".to_owned(),
        format!("sha256:{}", good.to_uppercase()),
        format!("sha256:{}", &good[..63]),
        format!("sha256:{good}/../../x"),
        format!("sha256:{good}?ns=evil"),
        format!("md5:{}", &good[..32]),
        "../../../etc/passwd".to_owned(),
        format!("sha256:{good}%2f.."),
        String::new(),
    ];
    for digest in &crafted {
        for place in ["config", "layer", "child"] {
            let mut house = House::open().await;
            house.credentials = vec![login(&house.registry)];
            house.registry.guard(Gate::tokens("me", PASSWORD));
            let (kind, bytes) = document(digest, place);
            house.registry.push_manifest(REPO, Some("1"), &kind, bytes);
            let error = house.pull().await.unwrap_err();
            assert_eq!(error.kind(), Kind::InvalidArgument, "{place} {digest}: {}", error.chain());
            let asked = house.registry.requests();
            let strange = |asked: &&Record| {
                asked.path != "/token" && !asked.path.starts_with(&format!("/v2/{REPO}/manifests/"))
            };
            assert!(asked.iter().find(strange).is_none(), "{place} {digest}: {asked:?}");
            assert!(asked.iter().all(|asked| !asked.path.contains("..")), "{asked:?}");
        }
    }
}

/// A manifest or an index that names something by `digest`.
fn document(digest: &str, place: &str) -> (MediaType, String) {
    let named = |kind: MediaType| json!({"mediaType": kind, "digest": digest, "size": 7});
    let good = varve_core::Digest::of(b"{}");
    let config = match place {
        "config" => named(MediaType::OciConfig),
        _ => json!({"mediaType": MediaType::OciConfig, "digest": good, "size": 2}),
    };
    let (kind, key, of) = match place {
        "child" => (MediaType::OciIndex, "manifests", MediaType::OciManifest),
        _ => (MediaType::OciManifest, "layers", "application/vnd.oci.image.layer.v1.tar".into()),
    };
    let named = if place == "config" { json!([]) } else { json!([named(of)]) };
    let mut document = json!({"schemaVersion": 2, "mediaType": kind, key: named});
    if place != "child" {
        document["config"] = config;
    }
    (kind, document.to_string())
}
