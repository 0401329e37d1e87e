//! Mirrors: who is asked, in which order, with what, and what happens when one fails.

use tokio::net::TcpListener;
use varve_core::{Digest, Error, Kind, MediaType};
use varve_registry::testsuite::{Fault, On, Rule};

use crate::{MANIFEST, REPO, bytes, house, read};

const PULL: &str = r#"capabilities = ["pull"]"#;

#[tokio::test]
async fn a_mirror_is_asked_first_and_told_what_it_mirrors() {
    let house = house("").await;
    house.head().await.unwrap();
    assert_eq!(house.read(&[]).await.unwrap(), bytes(5000));
    assert_eq!(house.asked(), (0, 2));
    let port = house.upstream.address().rsplit(':').next().unwrap();
    let told = format!("ns=127.0.0.1%3A{port}");
    assert!(house.mirror.requests().iter().all(|asked| asked.query == told), "{told}");
}

#[tokio::test]
async fn the_registry_itself_is_never_told_who_it_is() {
    let house = house("").await;
    let server = format!("server = \"http://{}\"", house.upstream.address());
    for text in [&server, ""] {
        house.write(text);
        house.read(&[]).await.unwrap();
    }
    assert_eq!(house.asked(), (2, 0));
    assert!(house.upstream.requests().iter().all(|asked| asked.query.is_empty()));
}

#[tokio::test]
async fn a_tag_is_not_resolved_where_it_may_not_be() {
    let house = house(PULL).await;
    let other = house.mirror.push_manifest(REPO, Some("1"), &MediaType::OciManifest, "{ }");
    assert_eq!(house.head().await.unwrap(), Some(Digest::of(MANIFEST.as_bytes())));
    let repository = house.repository(&[]);
    let tags = repository.tags(&mut repository.budget()).await.unwrap();
    assert_eq!((tags, house.asked()), (vec!["1".to_owned()], (2, 0)));
    // What has a digest is verified, and may come from there.
    let mut budget = repository.budget();
    assert_eq!(repository.manifest(&other.to_string(), &mut budget).await.unwrap().digest, other);
    assert_eq!(house.asked(), (2, 1));
}

#[tokio::test]
async fn where_nobody_may_resolve_the_file_is_named() {
    let house = house(PULL).await;
    house.write(&format!("server = \"http://{}\"\n{PULL}", house.mirror.address()));
    let error = house.head().await.unwrap_err();
    assert_eq!(error.kind(), Kind::FailedPrecondition);
    assert!(error.message().contains("may resolve: see its hosts.toml"), "{error}");
    assert_eq!(house.asked(), (0, 0));
}

#[tokio::test]
async fn what_a_mirror_does_not_have_or_does_not_give_is_asked_of_the_next() {
    for fault in [Fault::Status(404, None), Fault::Status(503, Some("3600".into()))] {
        let house = house("").await;
        house.mirror.faults([Rule::new(On::Everything, fault)]);
        house.head().await.unwrap();
        assert_eq!(house.read(&[]).await.unwrap(), bytes(5000));
        assert_eq!(house.asked(), (2, 2));
    }
}

#[tokio::test]
async fn a_body_that_a_mirror_breaks_off_is_resumed_at_the_next_host() {
    for fault in [Fault::Cut(1000), Fault::Stall(1000)] {
        let house = house("").await;
        house.mirror.faults([Rule::new(On::Blobs, fault)]);
        assert_eq!(house.read(&[]).await.unwrap(), bytes(5000));
        assert_eq!(house.asked(), (1, 1));
        assert_eq!(house.upstream.requests()[0].range.as_deref(), Some("bytes=1000-"));
    }
}

#[tokio::test]
async fn a_mirror_does_not_use_up_the_budget() {
    let house = house("").await;
    house.mirror.faults([Rule::new(On::Everything, Fault::Status(503, None))]);
    house.upstream.faults([Rule::new(On::Everything, Fault::Status(503, None)).times(3)]);
    assert_eq!(house.read(&[]).await.unwrap(), bytes(5000));
    assert_eq!(house.asked(), (4, 1));
}

#[tokio::test]
async fn a_mirror_that_sends_other_bytes_is_not_asked_for_them_again() {
    let house = house("").await;
    let repository = house.repository(&[]);
    let mut budget = repository.budget();
    house.mirror.faults([Rule::new(On::Everything, Fault::OtherBytes)]);
    assert_ne!(read(&repository, &house.blob, &mut budget).await.unwrap(), bytes(5000));
    budget.survive_deceit(Error::precondition("another digest")).await.unwrap();
    assert_eq!(read(&repository, &house.blob, &mut budget).await.unwrap(), bytes(5000));
    let digest = Digest::of(MANIFEST.as_bytes()).to_string();
    repository.manifest(&digest, &mut repository.budget()).await.unwrap();
    assert_eq!(house.asked(), (2, 2));
}

#[tokio::test]
async fn a_mirror_that_nobody_answers_at_is_left_alone_for_a_while() {
    let house = house("").await;
    let away = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    house.write(&format!("[host.\"http://{away}\"]"));
    house.head().await.unwrap();
    // It is back, and nobody looks yet.
    let mirror = TcpListener::bind(away).await.unwrap();
    tokio::select! {
        _ = mirror.accept() => panic!("the mirror is asked again at once"),
        head = house.head() => head.map(drop).unwrap(),
    }
    assert_eq!(house.asked(), (2, 0));
}

#[tokio::test]
async fn without_a_server_to_fall_back_to_the_mirror_is_tried_as_hard_as_any() {
    let house = house("").await;
    house.write(&format!("server = \"http://{}\"", house.mirror.address()));
    house.mirror.faults([Rule::new(On::Everything, Fault::Status(503, None)).times(3)]);
    assert_eq!(house.read(&[]).await.unwrap(), bytes(5000));
    assert_eq!(house.asked(), (0, 4));
}

#[tokio::test]
async fn tags_come_from_one_host_alone() {
    let house = house("").await;
    house.mirror.push_manifest(REPO, Some("0"), &MediaType::OciManifest, MANIFEST);
    let paged = Rule::new(On::Tags, Fault::PageSize(1));
    house.mirror.faults([paged, Rule::new(On::Tags, Fault::Status(500, None)).after(1)]);
    let repository = house.repository(&[]);
    let tags = repository.tags(&mut repository.budget()).await.unwrap();
    assert_eq!((tags, house.asked()), (vec!["1".to_owned()], (1, 2)));
    let last = house.mirror.requests().pop().unwrap();
    assert!(last.query.contains("last=0") && last.query.contains("ns="), "{}", last.query);
}
