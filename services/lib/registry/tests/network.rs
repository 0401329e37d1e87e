//! Connections: who is dialed, by what, and what is said when nobody is there.

#![allow(clippy::unwrap_used, reason = "clippy takes helpers of tests for code")]

use std::process::Command;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use varve_core::{Kind, MediaType};
use varve_registry::testsuite::{Fault, Gate, On, Rule, TestRegistry};
use varve_registry::{Client, Config};

async fn head(client: &Client, host: &str, plain_http: bool) -> Result<(), varve_core::Error> {
    let repository = client.repository(host, "lab/app", plain_http, &[])?;
    let mut budget = repository.budget();
    repository.head_manifest("1", &mut budget).await.map(|_| ())
}

#[tokio::test]
async fn a_plain_registry_on_the_loopback_is_found_fast_by_any_name() {
    let registry = TestRegistry::start().await;
    registry.push_manifest("lab/app", Some("1"), &MediaType::OciManifest, "{}");
    let port = registry.address().rsplit(':').next().unwrap();
    for host in [registry.address().to_owned(), format!("localhost:{port}")] {
        let began = Instant::now();
        head(&Client::new(Config::default()), &host, false).await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(1), "{host}: {:?}", began.elapsed());
    }
}

#[tokio::test]
async fn what_was_made_ready_is_not_done_again() {
    const HANDSHAKE: u8 = 22;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    // The first byte of each who comes; what comes then is what a server of plain http makes of a handshake.
    let (told, mut firsts) = tokio::sync::mpsc::unbounded_channel();
    let server = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = told.send(stream.read_u8().await.unwrap());
            let _ =
                stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
        }
    });
    let repository =
        Client::new(Config::impatient()).repository(&host, "lab/app", false, &[]).unwrap();
    repository.prepare().await;
    assert_eq!(firsts.recv().await, Some(HANDSHAKE));
    assert!(firsts.is_empty(), "no request was made");
    assert!(repository.head_manifest("1", &mut repository.budget()).await.is_err());
    assert_eq!(firsts.recv().await, Some(b'H'), "it is known to speak http");
    server.abort();
}

#[tokio::test]
async fn where_nobody_listens_the_host_is_named_soon() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    drop(listener);
    let began = Instant::now();
    let error = head(&Client::new(Config::default()), &host, false).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    let told =
        format!("failed 3 times: cannot connect to {host}: Connection refused (os error 111)");
    assert_eq!(error.chain(), told);
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_server_that_never_answers_is_left() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let began = Instant::now();
    let error = head(&Client::new(Config::impatient()), &host, true).await.unwrap_err();
    assert_eq!(error.kind(), Kind::DeadlineExceeded);
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn headers_without_end_are_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let server = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nx: ").await;
                while stream.write_all(&[b'a'; 65536]).await.is_ok() {}
            });
        }
    });
    assert!(head(&Client::new(Config::impatient()), &host, true).await.is_err());
    server.abort();
}

#[tokio::test]
async fn fifty_pulls_at_once_have_the_connections_of_one() {
    const PLACES: usize = 3;
    let registry = TestRegistry::start().await;
    let blob = registry.push_blob("lab/app", vec![7; 50_000]);
    registry.guard(Gate::anonymous());
    let slow = Fault::Slow(20_000, Duration::from_millis(2));
    registry.faults([Rule::new(On::Blobs, slow)]);
    let client = Client::new(Config { per_host: PLACES, ..Config::impatient() });
    let pull = async || {
        let repository = client.repository(registry.address(), "lab/app", false, &[]).unwrap();
        let mut stream = repository.blob(&blob, 0, &mut repository.budget()).await.unwrap();
        while stream.chunk().await.unwrap().is_some() {}
    };
    futures_util::future::join_all((0..50).map(|_| pull())).await;
    // As many again may be idle for a moment, or on their way to it.
    let most = registry.most_connections();
    assert!(most <= 3 * PLACES, "{most} connections");
}

/// The environment belongs to the process: this test runs itself again with another.
#[test]
fn proxies_of_the_environment_are_used_but_never_for_the_loopback() {
    const ROLE: &str = "VARVE_TEST_PROXY";
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let Ok(proxy) = std::env::var(ROLE) {
        runtime.block_on(behind_a_proxy(&proxy));
        return;
    }
    runtime.block_on(async {
        let proxy = TestRegistry::start().await;
        let address = proxy.address().to_owned();
        let status = tokio::task::spawn_blocking(move || {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "proxies_of_the_environment_are_used_but_never_for_the_loopback"])
                .env(ROLE, &address)
                .env("HTTP_PROXY", format!("http://{address}"))
                .env("http_proxy", format!("http://{address}"))
                .env("NO_PROXY", "direct.invalid")
                .env_remove("REQUEST_METHOD")
                .status()
                .unwrap()
        });
        assert!(status.await.unwrap().success());
        let hosts: Vec<_> = proxy
            .requests()
            .iter()
            .map(|asked| asked.headers["host"].to_str().unwrap().to_owned())
            .collect();
        assert!(
            !hosts.is_empty() && hosts.iter().all(|host| host == "registry.invalid"),
            "{hosts:?}"
        );
    });
}

async fn behind_a_proxy(proxy: &str) {
    let client = Client::new(Config::impatient());
    // The proxy knows no such manifest; that it was asked is what is looked at.
    let error = head(&client, "registry.invalid", true).await.unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound, "{proxy}: {}", error.chain());
    let error = head(&client, "direct.invalid", true).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable, "{}", error.chain());
    let registry = TestRegistry::start().await;
    registry.push_manifest("lab/app", Some("1"), &MediaType::OciManifest, "{}");
    head(&client, registry.address(), false).await.unwrap();
}
