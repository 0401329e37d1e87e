//! From https nothing leads down to http: no token server, no redirect, no upload.

use std::sync::Arc;

use varve_core::remotes::{Credential, Login, Secret};
use varve_core::{Descriptor, Error, Kind, MediaType};
use varve_registry::testsuite::{Gate, TestRegistry};
use varve_registry::{Client, Config, Repository};

use super::server;

const REPO: &str = "lab/app";

/// A registry that speaks TLS, is trusted, and gives every request this answer; and who has a login for it.
fn registry(directory: &tempfile::TempDir, answer: &str) -> Option<(Repository, String)> {
    if !server::certificate(directory.path(), "cert") {
        varve_core::testsuite::skipped("no openssl that makes a certificate");
        return None;
    }
    let host = server::serve_answer(directory.path(), None, answer);
    let hosts = directory.path().join("hosts");
    std::fs::create_dir_all(hosts.join(&host)).unwrap();
    let trusted = hosts.join(&host).join("ca.crt");
    std::fs::copy(directory.path().join("cert.pem"), trusted).unwrap();
    let config = Config { hosts_dirs: vec![hosts], attempts: 2, ..Config::impatient() };
    let login = Login::Basic { username: "me".into(), password: Secret::new("hunter2") };
    let credential = Credential { host: host.clone(), login };
    let repository = Client::new(config).repository(&host, REPO, false, &[credential]).unwrap();
    Some((repository, host))
}

async fn plain() -> TestRegistry {
    let plain = TestRegistry::start().await;
    plain.guard(Gate::tokens("me", "hunter2"));
    plain
}

fn refused(error: &Error, plain: &TestRegistry, why: &str) {
    assert_eq!(error.kind(), Kind::FailedPrecondition, "{}", error.chain());
    assert!(error.chain().contains(why), "{}", error.chain());
    assert_eq!(plain.requests(), [], "it was asked all the same");
}

#[tokio::test]
async fn a_token_server_that_speaks_http_gets_no_login_of_a_registry_that_speaks_https() {
    let (directory, plain) = (tempfile::tempdir().unwrap(), plain().await);
    let realm = format!("http://{}/token", plain.address());
    let answer = format!(
        "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\
         WWW-Authenticate: Bearer realm=\"{realm}\",service=\"s\"\r\n\r\n"
    );
    let Some((repository, _)) = registry(&directory, &answer) else { return };
    let error = repository.manifest("1", &mut repository.budget()).await.unwrap_err();
    refused(&error, &plain, "it does not speak https");
}

#[tokio::test]
async fn a_manifest_and_a_blob_are_not_fetched_by_http_where_https_was_asked() {
    let (directory, plain) = (tempfile::tempdir().unwrap(), plain().await);
    let answer = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nContent-Length: 0\r\nConnection: close\r\n\
         Location: http://{}/v2/x\r\n\r\n",
        plain.address()
    );
    let Some((repository, _)) = registry(&directory, &answer) else { return };
    let error = repository.manifest("1", &mut repository.budget()).await.unwrap_err();
    refused(&error, &plain, "it leads from https to http");
    let kind = MediaType::from("application/octet-stream");
    let blob = Descriptor::new(kind, varve_core::Digest::of(b"x"), 1);
    let error = repository.blob(&blob, 0, &mut repository.budget()).await.err().unwrap();
    refused(&error, &plain, "it leads from https to http");
}

#[tokio::test]
async fn an_upload_does_not_go_on_by_http_at_another_host() {
    let (directory, plain) = (tempfile::tempdir().unwrap(), plain().await);
    let answer = format!(
        "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\
         Location: http://{}/v2/lab/app/blobs/uploads/1\r\n\r\n",
        plain.address()
    );
    let Some((repository, _)) = registry(&directory, &answer) else { return };
    let pusher = repository.pusher().await.unwrap();
    let (store, scope) =
        (varve_core::testsuite::memory::Store::new(), varve_core::Scope::default());
    let reader = put(&store, &scope).await;
    let kind = MediaType::from("application/octet-stream");
    let blob = Descriptor::new(kind, varve_core::Digest::of(b"bytes"), 5);
    let sent: varve_registry::Sent = Arc::new(|_| {});
    let mut budget = repository.budget();
    let error = pusher.upload(&blob, reader, None, sent, &mut budget).await.unwrap_err();
    refused(&error, &plain, "it leads from https to http");
}

async fn put(
    store: &varve_core::testsuite::memory::Store,
    scope: &varve_core::Scope,
) -> Arc<dyn varve_core::content::Reader> {
    use varve_core::content::{Commit, Content, OpenWriter};
    let open = OpenWriter { ingest: "blob".into(), ..OpenWriter::default() };
    let mut writer = store.writer(scope, open).await.unwrap();
    writer.write("bytes".into()).await.unwrap();
    let digest = writer.commit(Commit::default()).await.unwrap();
    store.reader(scope, &digest).await.unwrap()
}
