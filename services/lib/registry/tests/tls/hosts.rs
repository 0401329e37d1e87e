//! Certificates in a host's own directory: containerd's keys and Docker's layout.

use std::fs;
use std::path::Path;

use tempfile::TempDir;
use varve_core::{Digest, Error, Kind};
use varve_registry::{Client, Config};

use crate::server::{certificate, certificate_of, openssl, serve};

/// A directory with certificates; `None` without openssl.
fn certificates() -> Option<TempDir> {
    let directory = tempfile::tempdir().unwrap();
    let made = certificate(directory.path(), "cert") && certificate(directory.path(), "client");
    if !made {
        varve_core::testsuite::skipped("no openssl that makes a certificate");
    }
    made.then_some(directory)
}

/// Files in the directory of `host`, below `certs.d`.
fn write(directory: &Path, host: &str, name: &str, text: impl AsRef<[u8]>) {
    let directory = directory.join("certs.d").join(host);
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join(name), text).unwrap();
}

fn client(directory: &Path) -> Client {
    let hosts_dirs = vec![directory.join("certs.d")];
    Client::new(Config { hosts_dirs, ..Config::impatient() })
}

async fn get(client: &Client, host: &str) -> Result<Digest, Error> {
    let repository = client.repository(host, "lab/app", false, &[])?;
    Ok(repository.manifest("1", &mut repository.budget()).await?.digest)
}

fn untrusted(result: Result<Digest, Error>) -> bool {
    let error = result.unwrap_err();
    error.kind() == Kind::FailedPrecondition && error.message().contains("is not trusted")
}

#[tokio::test]
async fn an_authority_of_the_hosts_own_is_trusted_beside_the_systems() {
    let Some(directory) = certificates() else { return };
    let directory = directory.path();
    let host = serve(directory, None);
    let client = client(directory);
    assert!(untrusted(get(&client, &host).await));
    for keys in ["ca = \"../../cert.pem\"", "ca = [\"../../client.pem\", \"../../cert.pem\"]"] {
        write(directory, &host, "hosts.toml", keys);
        get(&client, &host).await.unwrap();
    }
    write(directory, &host, "hosts.toml", "ca = \"../../client.pem\"");
    assert!(untrusted(get(&client, &host).await));
}

#[tokio::test]
async fn what_is_not_verified_is_so_for_that_host_alone() {
    let Some(directory) = certificates() else { return };
    let directory = directory.path();
    let (host, other) = (serve(directory, None), serve(directory, None));
    let client = client(directory);
    write(directory, &host, "hosts.toml", "skip_verify = true");
    get(&client, &host).await.unwrap();
    assert!(untrusted(get(&client, &other).await));
    let mirror = format!("[host.\"https://{host}\"]\nskip_verify = true");
    write(directory, &other, "hosts.toml", mirror);
    get(&client, &other).await.unwrap();
    let plain = format!("[host.\"http://{host}\"]\nskip_verify = true");
    write(directory, &other, "hosts.toml", plain);
    get(&client, &other).await.unwrap();
}

#[tokio::test]
async fn a_mirror_that_is_not_trusted_is_passed_over() {
    let Some(directory) = certificates() else { return };
    let directory = directory.path();
    let (host, mirror) = (serve(directory, None), serve(directory, None));
    let keys = format!("ca = \"../../cert.pem\"\n[host.\"https://{mirror}\"]");
    write(directory, &host, "hosts.toml", keys);
    get(&client(directory), &host).await.unwrap();
    let both = format!("ca = \"../../client.pem\"\n[host.\"https://{mirror}\"]");
    write(directory, &host, "hosts.toml", both);
    assert!(untrusted(get(&client(directory), &host).await));
}

#[tokio::test]
async fn a_certificate_is_shown_whatever_form_its_key_has() {
    let Some(directory) = certificates() else { return };
    let directory = directory.path();
    let made = openssl(directory, "ec -in client.key -out sec1.key")
        && openssl(directory, "genrsa -traditional -out pkcs1.key 2048")
        && certificate_of(directory, "rsa", "pkcs1.key");
    assert!(made);
    let read = |name: &str| fs::read_to_string(directory.join(name)).unwrap();
    assert!(read("sec1.key").contains("EC PRIVATE") && read("pkcs1.key").contains("RSA PRIVATE"));
    fs::write(directory.join("both.pem"), read("client.key") + &read("client.pem")).unwrap();
    let host = serve(directory, Some(&["client.pem", "rsa.pem"]));
    let client = client(directory);
    for pair in [
        "[[\"../../client.pem\", \"../../client.key\"]]",
        "[[\"../../client.pem\", \"../../sec1.key\"]]",
        "[[\"../../rsa.pem\", \"../../pkcs1.key\"]]",
        "[[\"../../both.pem\", \"\"]]",
        "[\"../../both.pem\"]",
        "[\"../../client.pem\", \"../../client.key\"]",
        "\"../../both.pem\"",
    ] {
        let keys = format!("ca = \"../../cert.pem\"\nclient = {pair}");
        write(directory, &host, "hosts.toml", keys);
        get(&client, &host).await.unwrap();
    }
}

#[tokio::test]
async fn dockers_layout_of_certificates_is_read() {
    let Some(directory) = certificates() else { return };
    let directory = directory.path();
    let host = serve(directory, Some(&["client.pem"]));
    let client = client(directory);
    let read = |name: &str| fs::read(directory.join(name)).unwrap();
    write(directory, &host, "ca.crt", read("cert.pem"));
    let error = get(&client, &host).await.unwrap_err();
    assert!(error.message().contains("does not accept this client's certificate"), "{error}");
    write(directory, &host, "client.cert", read("client.pem"));
    write(directory, &host, "client.key", read("client.key"));
    get(&client, &host).await.unwrap();
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_is_named() {
    let Some(directory) = certificates() else { return };
    let directory = directory.path();
    let client = client(directory);
    for (pair, told) in [
        ("[\"../../client.pem\", \"../../cert.key\"]", "cert.key: is not the key of"),
        ("[\"../../client.pem\", \"\"]", "client.pem: has no private key"),
        ("[\"../../client.key\", \"\"]", "client.key: has no certificate"),
        ("[\"gone.pem\", \"\"]", "gone.pem"),
    ] {
        write(directory, "h", "hosts.toml", format!("client = [{pair}]"));
        let error = get(&client, "h").await.unwrap_err();
        assert!(error.message().contains(told), "{pair}: {error}");
        assert!(!error.chain().contains("PRIVATE KEY"), "{error}");
    }
}
