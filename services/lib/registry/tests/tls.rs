//! TLS: spoken where it is spoken, on the loopback too, and trusted only as far as the system does.

#![allow(clippy::unwrap_used, reason = "clippy takes helpers of tests for code")]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use varve_core::{Digest, Error, Kind};
use varve_registry::{Client, Config};

const ROLE: &str = "VARVE_TEST_TLS";
const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\
    Content-Type: application/vnd.oci.image.manifest.v1+json\r\n\r\n{}";

/// The environment belongs to the process: this test runs itself again with other certificates.
#[test]
fn a_registry_on_the_loopback_that_speaks_tls_is_spoken_to_by_tls() {
    if let Ok(role) = std::env::var(ROLE) {
        let (host, trusted) = role.split_once(' ').unwrap();
        return check(host, trusted == "yes");
    }
    let directory = tempfile::tempdir().unwrap();
    if !certificate(directory.path()) {
        return varve_core::testsuite::skipped("no openssl that makes a certificate");
    }
    let host = serve(directory.path());
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

/// Makes cert.pem, cert.der and key.der.
fn certificate(directory: &Path) -> bool {
    let run = |line: &str| {
        let mut openssl = Command::new("openssl");
        openssl.args(line.split(' ')).current_dir(directory).stderr(std::process::Stdio::null());
        openssl.status().is_ok_and(|status| status.success())
    };
    run("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj \
         /CN=varve-test -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -addext \
         basicConstraints=critical,CA:FALSE -keyout key.pem -out cert.pem")
        && run("x509 -in cert.pem -outform DER -out cert.der")
        && run("pkcs8 -topk8 -nocrypt -in key.pem -outform DER -out key.der")
}

/// Answers every request alike, until the process ends.
fn serve(directory: &Path) -> String {
    let cert = CertificateDer::from(std::fs::read(directory.join("cert.der")).unwrap());
    let key = PrivatePkcs8KeyDer::from(std::fs::read(directory.join("key.der")).unwrap());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert], PrivateKeyDer::Pkcs8(key))
        .unwrap();
    let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0").unwrap());
    let host = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(connection, stream.unwrap());
            if stream.read(&mut [0; 4096]).is_ok() {
                let _ = stream.write_all(ANSWER.as_bytes());
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        }
    });
    host
}
