//! Logging in: which logins a registry accepts, what it gives for them, and what is said of the others.

#![allow(clippy::unwrap_used, reason = "clippy takes helpers of tests for code")]

use varve_core::remotes::{Credential, Login, Secret};
use varve_core::{Kind, Result};
use varve_registry::testsuite::{Fault, Gate, On, Rule, TestRegistry};
use varve_registry::{Client, Config};

async fn log_in(registry: &TestRegistry, password: &str) -> Result<Option<Secret>> {
    let login = Login::Basic { username: "me".into(), password: Secret::new(password) };
    with(registry, login).await
}

async fn with(registry: &TestRegistry, login: Login) -> Result<Option<Secret>> {
    let credential = Credential { host: registry.address().into(), login };
    Client::new(Config::impatient()).log_in(&credential, false).await
}

fn offering() -> Gate {
    let login = Some(("me".to_owned(), "hunter2".to_owned()));
    let identity = Some("refresh".to_owned());
    Gate::Bearer { login, identity, expires_in: 300, scope: None, realm: None }
}

#[tokio::test]
async fn a_password_is_accepted_where_it_is_right_and_nowhere_else() {
    for gate in [Gate::Basic("me".into(), "hunter2".into()), Gate::tokens("me", "hunter2")] {
        let registry = TestRegistry::start().await;
        registry.guard(gate.clone());
        assert_eq!(log_in(&registry, "hunter2").await.unwrap(), None, "{gate:?}");
        let error = log_in(&registry, "wrong-secret").await.unwrap_err();
        assert_eq!(error.kind(), Kind::Unauthenticated, "{gate:?}");
        let told = error.chain();
        assert!(told.contains("does not accept the login"), "{told}");
        assert!(!told.contains("wrong-secret"), "{told}");
    }
}

#[tokio::test]
async fn an_open_registry_accepts_everybody_and_is_told_no_password() {
    let registry = TestRegistry::start().await;
    assert_eq!(log_in(&registry, "hunter2").await.unwrap(), None);
    assert!(registry.requests().iter().all(|asked| asked.authorization.is_none()));
}

#[tokio::test]
async fn an_identity_token_is_asked_for_and_is_good_for_the_next_time() {
    let registry = TestRegistry::start().await;
    registry.guard(offering());
    let token = log_in(&registry, "hunter2").await.unwrap().unwrap();
    assert_eq!(token.expose(), "refresh");
    assert_eq!(with(&registry, Login::IdentityToken(token)).await.unwrap(), None);
    let bad = Login::IdentityToken(Secret::new("other"));
    assert_eq!(with(&registry, bad).await.unwrap_err().kind(), Kind::Unauthenticated);
}

#[tokio::test]
async fn a_login_asks_for_no_scope_and_sends_the_password_to_the_token_server_alone() {
    let registry = TestRegistry::start().await;
    registry.guard(Gate::tokens("me", "hunter2"));
    log_in(&registry, "hunter2").await.unwrap();
    let asked = registry.requests();
    let paths: Vec<_> = asked.iter().map(|asked| asked.path.as_str()).collect();
    assert_eq!(paths, ["/v2/", "/token", "/v2/"]);
    assert!(!asked[1].query.contains("scope"), "{}", asked[1].query);
    assert!(asked[2].authorization.as_ref().unwrap().starts_with("Bearer "));
}

#[tokio::test]
async fn a_registry_that_is_busy_is_asked_again() {
    let registry = TestRegistry::start().await;
    registry.guard(Gate::Basic("me".into(), "hunter2".into()));
    registry.faults([Rule::new(On::Everything, Fault::Status(503, None)).times(1)]);
    log_in(&registry, "hunter2").await.unwrap();
}

#[tokio::test]
async fn what_is_no_registry_is_told_as_such() {
    let registry = TestRegistry::start().await;
    registry.faults([Rule::new(On::Everything, Fault::Status(404, None))]);
    let error = log_in(&registry, "hunter2").await.unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    registry.stop().await;
    let gone = Credential {
        host: "127.0.0.1:1".into(),
        login: Login::RegistryToken(Secret::new("hunter2")),
    };
    let error = Client::new(Config::impatient()).log_in(&gone, false).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
}

#[tokio::test]
async fn who_a_registry_leads_to_gets_no_password_for_its_own_challenge() {
    let (registry, other) = (TestRegistry::start().await, TestRegistry::start().await);
    other.guard(Gate::tokens("me", "hunter2"));
    let to = format!("http://{}/v2/", other.address());
    registry.faults([Rule::new(On::Everything, Fault::Redirect(to))]);
    let error = log_in(&registry, "hunter2").await.unwrap_err();
    let asked = other.requests();
    assert!(asked.iter().all(|asked| asked.authorization.is_none()), "{asked:?}");
    assert!(asked.iter().all(|asked| asked.path == "/v2/"), "no token was asked for: {asked:?}");
    let told = error.chain();
    assert!(told.contains(&format!("it leads to {}", other.address())), "{told}");
}
