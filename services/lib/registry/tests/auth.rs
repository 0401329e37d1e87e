//! Logins and tokens: what is sent to whom, how often it is asked for, and what is said when it
//! does not do.

#![allow(clippy::unwrap_used, reason = "clippy takes helpers of tests for code")]

use std::time::{Duration, Instant};

use varve_core::remotes::{Credential, Login, Secret};
use varve_core::{Descriptor, Error, Kind, MediaType};
use varve_registry::testsuite::{Fault, Gate, On, Record, Rule, TestRegistry};
use varve_registry::{Client, Config, Repository};

const REPO: &str = "lab/app";

fn password(host: &str, password: &str) -> Credential {
    let login = Login::Basic { username: "me".into(), password: Secret::new(password) };
    Credential { host: host.into(), login }
}

async fn guarded(gate: Gate) -> (TestRegistry, Descriptor) {
    let registry = TestRegistry::start().await;
    let blob = registry.push_blob(REPO, "bytes");
    registry.push_manifest(REPO, Some("1"), &MediaType::OciManifest, "{}");
    registry.guard(gate);
    (registry, blob)
}

fn seen(registry: &TestRegistry, credentials: &[Credential]) -> Repository {
    let client = Client::new(Config::impatient());
    client.repository(registry.address(), REPO, false, credentials).unwrap()
}

async fn get(repository: &Repository, blob: &Descriptor) -> Result<(), Error> {
    let mut budget = repository.budget();
    let mut stream = repository.blob(blob, 0, &mut budget).await?;
    while stream.chunk().await.map_err(varve_registry::Failure::into_error)?.is_some() {}
    Ok(())
}

fn tokens(registry: &TestRegistry) -> Vec<Record> {
    registry.requests().into_iter().filter(|asked| asked.path == "/token").collect()
}

#[tokio::test]
async fn anybodys_token_is_asked_for_once_and_used_for_all() {
    let (registry, blob) = guarded(Gate::anonymous()).await;
    let repository = seen(&registry, &[]);
    let mut budget = repository.budget();
    repository.head_manifest("1", &mut budget).await.unwrap();
    for _ in 0..3 {
        get(&repository, &blob).await.unwrap();
    }
    let asked = tokens(&registry);
    assert_eq!(asked.len(), 1);
    assert!(asked[0].query.contains("scope=repository%3Alab%2Fapp%3Apull"), "{}", asked[0].query);
    assert_eq!(asked[0].authorization, None);
    // One that was turned away, the token, and four that were let in.
    assert_eq!(registry.requests().len(), 6);
}

#[tokio::test]
async fn many_who_wait_for_a_token_cause_one_request() {
    let (registry, blob) = guarded(Gate::anonymous()).await;
    registry.faults([Rule::new(On::Token, Fault::Slow(1, std::time::Duration::from_millis(5)))]);
    let repository = seen(&registry, &[]);
    let all = (0..20).map(|_| get(&repository, &blob));
    for done in futures_util::future::join_all(all).await {
        done.unwrap();
    }
    assert_eq!(tokens(&registry).len(), 1);
}

#[tokio::test]
async fn a_token_that_is_no_longer_good_is_replaced_once() {
    let (registry, blob) = guarded(Gate::anonymous()).await;
    let repository = seen(&registry, &[]);
    get(&repository, &blob).await.unwrap();
    registry.revoke();
    get(&repository, &blob).await.unwrap();
    assert_eq!(tokens(&registry).len(), 2);
}

#[tokio::test]
async fn a_token_that_ends_is_renewed_before_it_does() {
    let Gate::Bearer { login, identity, scope, realm, .. } = Gate::anonymous() else { panic!() };
    let gate = Gate::Bearer { login, identity, expires_in: 1, scope, realm };
    let (registry, blob) = guarded(gate).await;
    let repository = seen(&registry, &[]);
    get(&repository, &blob).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(800)).await;
    get(&repository, &blob).await.unwrap();
    assert_eq!(tokens(&registry).len(), 2);
    let refused = registry.requests().into_iter().filter(|asked| asked.status == 401).count();
    assert_eq!(refused, 1, "only the very first request comes without a token");
}

#[tokio::test]
async fn the_challenges_own_scope_is_asked_for() {
    let Gate::Bearer { login, identity, realm, .. } = Gate::anonymous() else { panic!() };
    let scope = Some("repository:prefix/lab/app:pull".to_owned());
    let gate = Gate::Bearer { login, identity, expires_in: 60, scope, realm };
    let (registry, blob) = guarded(gate).await;
    get(&seen(&registry, &[]), &blob).await.unwrap();
    assert!(tokens(&registry)[0].query.contains("prefix%2Flab%2Fapp"));
}

#[tokio::test]
async fn a_password_goes_to_the_token_server_and_not_to_the_registry() {
    let (registry, blob) = guarded(Gate::tokens("me", "hunter2")).await;
    let repository = seen(&registry, &[password(registry.address(), "hunter2")]);
    get(&repository, &blob).await.unwrap();
    assert!(tokens(&registry)[0].authorization.as_ref().unwrap().starts_with("Basic "));
    for asked in registry.requests().into_iter().filter(|asked| asked.path != "/token") {
        let sent = asked.authorization.unwrap_or_default();
        assert!(!sent.starts_with("Basic"), "{} got {sent}", asked.path);
    }
}

#[tokio::test]
async fn an_identity_token_is_exchanged_by_post() {
    let gate = Gate::Bearer {
        login: Some(("nobody".into(), "x".into())),
        identity: Some("identity".into()),
        expires_in: 60,
        scope: None,
        realm: None,
    };
    let (registry, blob) = guarded(gate).await;
    let login = Login::IdentityToken(Secret::new("identity"));
    let credential = Credential { host: registry.address().into(), login };
    get(&seen(&registry, &[credential]), &blob).await.unwrap();
    let asked = &tokens(&registry)[0];
    assert_eq!((asked.method.as_str(), asked.query.as_str()), ("POST", ""));
}

#[tokio::test]
async fn a_password_is_sent_only_when_it_is_asked_for() {
    let (registry, blob) = guarded(Gate::Basic("me".into(), "hunter2".into())).await;
    let repository = seen(&registry, &[password(registry.address(), "hunter2")]);
    get(&repository, &blob).await.unwrap();
    get(&repository, &blob).await.unwrap();
    let sent: Vec<_> =
        registry.requests().iter().map(|asked| asked.authorization.is_some()).collect();
    assert_eq!(sent, [false, true, true]);
}

#[tokio::test]
async fn a_login_for_another_host_is_not_used() {
    let (registry, blob) = guarded(Gate::Basic("me".into(), "hunter2".into())).await;
    let repository = seen(&registry, &[password("other.example", "hunter2")]);
    let error = get(&repository, &blob).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unauthenticated);
    assert!(error.message().contains(registry.address()), "{error}");
    assert!(registry.requests().iter().all(|asked| asked.authorization.is_none()));
}

#[tokio::test]
async fn a_bad_password_is_told_as_such_and_never_shown() {
    for gate in [Gate::tokens("me", "right"), Gate::Basic("me".into(), "right".into())] {
        let (registry, blob) = guarded(gate).await;
        let repository = seen(&registry, &[password(registry.address(), "hunter2")]);
        let error = get(&repository, &blob).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Unauthenticated);
        assert!(error.message().contains("does not accept the login"), "{error}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        assert!(registry.requests().len() <= 3);
    }
}

#[tokio::test]
async fn one_login_never_uses_the_token_of_another() {
    let (registry, blob) = guarded(Gate::tokens("me", "right")).await;
    let client = Client::new(Config::impatient());
    let host = registry.address();
    let good = client.repository(host, REPO, false, &[password(host, "right")]).unwrap();
    let bad = client.repository(host, REPO, false, &[password(host, "wrong")]).unwrap();
    let none = client.repository(host, REPO, false, &[]).unwrap();
    get(&good, &blob).await.unwrap();
    for other in [bad, none] {
        assert_eq!(get(&other, &blob).await.unwrap_err().kind(), Kind::Unauthenticated);
    }
}

#[tokio::test]
async fn a_token_for_one_repository_is_not_sent_to_another() {
    let (registry, blob) = guarded(Gate::anonymous()).await;
    registry.push_blob("lab/other", "bytes");
    let client = Client::new(Config::impatient());
    for name in [REPO, "lab/other"] {
        let repository = client.repository(registry.address(), name, false, &[]).unwrap();
        get(&repository, &blob).await.unwrap();
    }
    assert_eq!(tokens(&registry).len(), 2);
    let other: Vec<_> =
        registry.requests().into_iter().filter(|asked| asked.path.contains("other")).collect();
    assert_eq!(other[0].authorization, None);
}

#[tokio::test]
async fn a_realm_that_redirects_gets_no_login_to_the_new_place() {
    let thief = TestRegistry::start().await;
    let (registry, blob) = guarded(Gate::tokens("me", "hunter2")).await;
    let elsewhere =
        format!("http://localhost:{}/token", thief.address().rsplit(':').next().unwrap());
    registry.faults([Rule::new(On::Token, Fault::Redirect(elsewhere))]);
    let repository = seen(&registry, &[password(registry.address(), "hunter2")]);
    assert!(get(&repository, &blob).await.is_err());
    assert!(thief.requests().iter().all(|asked| asked.authorization.is_none()));
    assert_eq!(thief.requests().len(), 1);
}

#[tokio::test]
async fn an_identity_token_is_not_posted_to_where_a_realm_redirects() {
    let thief = TestRegistry::start().await;
    let (registry, blob) = guarded(Gate::anonymous()).await;
    let elsewhere = format!("http://{}/token", thief.address());
    registry.faults([Rule::new(On::Token, Fault::Redirect(elsewhere))]);
    let login = Login::IdentityToken(Secret::new("identity"));
    let credential = Credential { host: registry.address().into(), login };
    let error = get(&seen(&registry, &[credential]), &blob).await.unwrap_err();
    assert!(error.message().contains("redirects a login"), "{error}");
    assert_eq!(thief.requests().len(), 0);
}

#[tokio::test]
async fn a_token_server_that_is_busy_is_asked_again() {
    let (registry, blob) = guarded(Gate::anonymous()).await;
    registry.faults([Rule::new(On::Token, Fault::Status(503, None)).times(2)]);
    get(&seen(&registry, &[]), &blob).await.unwrap();
    assert_eq!(tokens(&registry).len(), 3);
}

#[tokio::test]
async fn a_token_without_end_is_refused() {
    let (registry, blob) = guarded(Gate::anonymous()).await;
    registry.faults([Rule::new(On::Token, Fault::Endless)]);
    let error = get(&seen(&registry, &[]), &blob).await.unwrap_err();
    assert!(error.message().contains("a token of more than 65536 bytes"), "{error}");
}

#[tokio::test]
async fn forbidden_is_permission_denied() {
    let (registry, blob) = guarded(Gate::Open).await;
    registry.faults([Rule::new(On::Blobs, Fault::Status(403, None))]);
    let error = get(&seen(&registry, &[]), &blob).await.unwrap_err();
    assert_eq!(error.kind(), Kind::PermissionDenied);
}

#[tokio::test]
async fn who_waits_while_there_is_no_token_has_had_that_answer() {
    let (registry, blob) = guarded(Gate::anonymous()).await;
    registry.faults([Rule::new(On::Token, Fault::Silent)]);
    let config = Config { attempts: 1, stall: Duration::from_millis(300), ..Config::impatient() };
    let client = Client::new(Config { per_host: 64, ..config });
    let repository = client.repository(registry.address(), REPO, false, &[]).unwrap();
    let began = Instant::now();
    let all = (0..20).map(|_| {
        let (repository, blob) = (repository.clone(), blob.clone());
        tokio::spawn(async move { get(&repository, &blob).await })
    });
    let all: Vec<_> = all.collect();
    for one in all {
        assert_eq!(one.await.unwrap().unwrap_err().kind(), Kind::DeadlineExceeded);
    }
    assert_eq!(tokens(&registry).len(), 1, "one was asked for, for all of them");
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    registry.faults([]);
    get(&repository, &blob).await.unwrap();
}

#[tokio::test]
async fn a_token_that_ends_in_the_middle_is_renewed_whatever_the_challenge_says_of_it() {
    for told in [true, false] {
        let (registry, blob) = guarded(Gate::anonymous()).await;
        let repository = seen(&registry, &[]);
        get(&repository, &blob).await.unwrap();
        registry.faults([Rule::new(On::Blobs, Fault::Revoke(told)).times(1)]);
        get(&repository, &blob).await.unwrap();
        assert_eq!(tokens(&registry).len(), 2, "invalid_token: {told}");
        // One that gives tokens which are never good is not asked for ever.
        registry.faults([Rule::new(On::Blobs, Fault::Revoke(told))]);
        assert_eq!(get(&repository, &blob).await.unwrap_err().kind(), Kind::Unauthenticated);
        assert!(tokens(&registry).len() <= 4, "{}", tokens(&registry).len());
    }
}
