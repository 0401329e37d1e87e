//! Looking for repositories: with a search, and by the list of all where there is none.

#![allow(clippy::unwrap_used, reason = "clippy takes helpers of tests for code")]

use serde_json::json;
use varve_core::Kind;
use varve_core::remotes::{Credential, Login, Secret};
use varve_registry::testsuite::{Fault, Gate, On, Rule, TestRegistry};
use varve_registry::{Client, Config, Scan};

async fn registry(names: &[&str]) -> TestRegistry {
    let registry = TestRegistry::start().await;
    for name in names {
        registry.push_blob(name, "bytes");
    }
    registry
}

fn scan(registry: &TestRegistry, credentials: &[Credential]) -> Scan {
    Client::new(Config::impatient()).scan(registry.address(), false, credentials).unwrap()
}

#[tokio::test]
async fn a_search_is_asked_in_docker_hubs_words() {
    let registry = registry(&[]).await;
    registry.searchable(vec![
        json!({"name": "lab/app", "star_count": 7, "is_official": true, "description": null}),
        json!({"name": "lab/app", "star_count": 7, "is_official": true, "description": "x"}),
    ]);
    let none = scan(&registry, &[]).search("lab", 3).await.unwrap();
    assert_eq!(none, None, "what cannot be read is no search");
    registry.searchable(vec![json!({"name": "lab/app", "star_count": 7, "description": "x"})]);
    let found = scan(&registry, &[]).search("a & b", 3).await.unwrap().unwrap();
    assert!(found.is_empty());
    let found = scan(&registry, &[]).search("lab", 3).await.unwrap().unwrap();
    assert_eq!((found[0].name.as_str(), found[0].stars, found[0].official), ("lab/app", 7, false));
    let asked = registry.requests();
    assert_eq!(asked[1].query, "q=a+%26+b&n=3");
}

#[tokio::test]
async fn where_there_is_no_search_the_list_is_read_page_by_page() {
    let registry = registry(&["lab/app", "lab/base", "other/app", "z/app"]).await;
    registry.faults([Rule::new(On::Path("_catalog".into()), Fault::PageSize(1))]);
    let scan = scan(&registry, &[]);
    assert_eq!(scan.search("app", 25).await.unwrap(), None);
    let names = scan.names(|name| name.contains("app"), 2).await.unwrap();
    assert_eq!(names, ["lab/app", "other/app"]);
    let pages = registry.requests().iter().filter(|it| it.path == "/v2/_catalog").count();
    assert_eq!(pages, 3, "it is read no further than it has to be");
}

#[tokio::test]
async fn a_list_is_shown_to_who_has_logged_in() {
    let registry = registry(&["lab/app"]).await;
    registry.guard(Gate::tokens("me", "hunter2"));
    let login = Login::Basic { username: "me".into(), password: Secret::new("hunter2") };
    let credential = Credential { host: registry.address().into(), login };
    let names = scan(&registry, &[credential]).names(|_| true, 25).await.unwrap();
    assert_eq!(names, ["lab/app"]);
    let token = registry.requests().into_iter().find(|asked| asked.path == "/token").unwrap();
    assert!(token.query.contains("scope=registry%3Acatalog%3A*"), "{}", token.query);
    let error = scan(&registry, &[]).names(|_| true, 25).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unauthenticated);
    assert!(error.message().contains("varve login"), "{error}");
}

#[tokio::test]
async fn a_list_without_end_or_a_registry_without_one_is_told_as_such() {
    let registry = registry(&["lab/app"]).await;
    let catalog = || On::Path("_catalog".into());
    let circle = r#"</v2/_catalog?n=1000>; rel="next""#;
    registry.faults([Rule::new(catalog(), Fault::Link(circle.into()))]);
    let error = scan(&registry, &[]).names(|_| true, 25).await.unwrap_err();
    assert!(error.message().contains("back to itself"), "{error}");
    registry.faults([Rule::new(catalog(), Fault::Status(404, None))]);
    let error = scan(&registry, &[]).names(|_| true, 25).await.unwrap_err();
    assert!(error.message().contains("neither a search nor a list"), "{error}");
}
