//! TLS: spoken where it is spoken, on the loopback too, and trusted only as far as the system does, or
//! a host's own files.

#![allow(clippy::unwrap_used, reason = "clippy takes helpers of tests for code")]

mod downgrade;
mod hosts;
mod server;

use std::process::Command;

use varve_core::{Digest, Error, Kind};
use varve_registry::{Client, Config};

const ROLE: &str = "VARVE_TEST_TLS";

/// The environment belongs to the process: this test runs itself again with other certificates.
#[test]
fn a_registry_on_the_loopback_that_speaks_tls_is_spoken_to_by_tls() {
    if let Ok(role) = std::env::var(ROLE) {
        let (host, trusted) = role.split_once(' ').unwrap();
        return check(host, trusted == "yes");
    }
    let directory = tempfile::tempdir().unwrap();
    if !server::certificate(directory.path(), "cert") {
        return varve_core::testsuite::skipped("no openssl that makes a certificate");
    }
    let host = server::serve(directory.path(), None);
    let empty = directory.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let cert = directory.path().join("cert.pem");
    for (file, trusted) in [(&cert, "yes"), (&empty, "no")] {
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_registry_on_the_loopback_that_speaks_tls_is_spoken_to_by_tls"])
            .env(ROLE, format!("{host} {trusted}"))
            .env("SSL_CERT_FILE", file)
            .env("SSL_CERT_DIR", directory.path().join("none"))
            .status();
        assert!(status.unwrap().success(), "trusted: {trusted}");
    }
}

fn check(host: &str, trusted: bool) {
    let result = tokio::runtime::Runtime::new().unwrap().block_on(get(host));
    match result {
        Ok(digest) => assert!(trusted && digest == Digest::of(b"{}")),
        Err(error) => {
            assert!(!trusted, "{}", error.chain());
            assert_eq!(error.kind(), Kind::FailedPrecondition);
            assert!(error.message().contains(&format!("certificate of {host} is not trusted")));
        }
    }
}

async fn get(host: &str) -> Result<Digest, Error> {
    let client = Client::new(Config::impatient());
    let repository = client.repository(host, "lab/app", false, &[])?;
    Ok(repository.manifest("1", &mut repository.budget()).await?.digest)
}
