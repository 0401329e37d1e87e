//! Who gets which login, and what is said where one is missing.

use varve_core::Kind;
use varve_core::remotes::{Credential, Login, Secret};
use varve_registry::testsuite::{Fault, Gate, On, Rule};

use crate::house;

fn password(host: &str) -> Credential {
    let login = Login::Basic { username: "me".into(), password: Secret::new("hunter2") };
    Credential { host: host.into(), login }
}

fn basic() -> Gate {
    Gate::Basic("me".into(), "hunter2".into())
}

#[tokio::test]
async fn a_login_is_only_sent_to_the_host_that_it_is_for() {
    let house = house("").await;
    house.mirror.guard(basic());
    house.upstream.guard(basic());
    house.read(&[password(house.upstream.address())]).await.unwrap();
    assert!(house.mirror.requests().iter().all(|asked| asked.authorization.is_none()));
    house.read(&[password(house.mirror.address())]).await.unwrap();
    assert!(house.mirror.requests().last().unwrap().authorization.is_some());
    let bare = |gate| {
        house.mirror.guard(gate);
        house.mirror.requests().len()
    };
    let before = bare(Gate::tokens("me", "hunter2"));
    house.read(&[password(house.upstream.address())]).await.unwrap();
    let asked = &house.mirror.requests()[before..];
    assert!(asked.iter().all(|asked| asked.authorization.is_none()), "{asked:?}");
}

#[tokio::test]
async fn the_host_of_a_missing_login_is_named() {
    let house = house("").await;
    house.mirror.guard(basic());
    house.write(&format!("server = \"http://{}\"", house.mirror.address()));
    let error = house.read(&[]).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unauthenticated);
    assert_eq!(error.login_at(), Some(house.mirror.address()));
    let wrong = Login::Basic { username: "me".into(), password: Secret::new("wrong") };
    let wrong = Credential { host: house.mirror.address().into(), login: wrong };
    let error = house.read(&[wrong]).await.unwrap_err();
    assert_eq!((error.kind(), error.login_at()), (Kind::Unauthenticated, None));
}

#[tokio::test]
async fn where_the_upstream_fails_too_the_mirrors_login_is_told_of() {
    let house = house("").await;
    house.mirror.guard(basic());
    house.upstream.faults([Rule::new(On::Everything, Fault::Status(404, None))]);
    let error = house.read(&[]).await.unwrap_err();
    assert_eq!((error.kind(), error.login_at()), (Kind::NotFound, Some(house.mirror.address())));
    assert!(error.message().contains("without a login at its mirror"), "{error}");
    house.read(&[password(house.mirror.address())]).await.unwrap();
}
