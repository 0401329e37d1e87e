//! What comes to the socket for a containerd's proxy plugins is in one namespace, whoever says what, and stays
//! until it is removed there.

#![allow(clippy::unwrap_used, reason = "of tests")]

use std::process::Command;

use bytes::Bytes;
use tonic::Code;
use varve_core::content::{Commit, Content, OpenWriter};
use varve_core::labels::GC_ROOT;
use varve_core::snapshots::{NewSnapshot, Snapshots};
use varve_core::{Digest, Labels, Mask, Namespace, Scope};
use varve_proto::containerd::services::content::v1::content_client::ContentClient;
use varve_proto::containerd::services::content::v1::{WriteAction, WriteContentRequest as Message};
use varve_rpc::channel::{Channel, channel};
use varve_rpc::{Address, content, scope, snapshots};
use varve_tests::cluster::Topology;
use varve_tests::command::{Varve, binary, text};

/// A daemon, and both of its doors.
struct Bench {
    varve: Varve,
    proxy: Channel,
    usual: Channel,
}

impl Bench {
    fn start() -> Self {
        let mut varve = Varve::over(Topology::Daemon, binary().unwrap()).unwrap();
        let proxy = channel(&Address::Unix(varve.cluster().proxy("content-store")));
        let usual = channel(&Address::Unix(varve.root().join("varve.sock")));
        Self { varve, proxy, usual }
    }

    fn gc(&self) {
        self.varve.run(&["gc"]).unwrap();
    }
}

/// What a proxied containerd may send, none of which is known here.
fn theirs() -> Scope {
    Scope::of("k8s.io".parse().unwrap()).leased("a-lease-of-theirs")
}

fn kept_in() -> Scope {
    Scope::of("containerd".parse().unwrap())
}

/// As Varve's own commands write.
async fn put(usual: &dyn Content, bytes: &'static [u8]) -> Digest {
    let open = OpenWriter { ingest: Digest::of(bytes).to_string(), ..OpenWriter::default() };
    let mut writer = usual.writer(&kept_in(), open).await.unwrap();
    writer.write(Bytes::from_static(bytes)).await.unwrap();
    writer.commit(Commit::default()).await.unwrap()
}

/// As containerd writes.
async fn push(proxy: &Channel, bytes: &'static [u8]) -> Result<Digest, Code> {
    let message = Message {
        action: WriteAction::Commit.into(),
        r#ref: Digest::of(bytes).to_string(),
        expected: Digest::of(bytes).to_string(),
        data: Bytes::from_static(bytes),
        ..Message::default()
    };
    let request = scope::request(&theirs(), tokio_stream::once(message));
    let answers = ContentClient::new(proxy.clone()).write(request).await;
    let told = answers.map_err(|status| status.code())?.into_inner().message().await;
    let told = told.map_err(|status| status.code())?.unwrap();
    Ok(told.digest.parse().unwrap())
}

async fn here(content: &dyn Content, scope: &Scope, digest: &Digest) -> bool {
    content.info(scope, digest).await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_stay_until_they_are_deleted_there() {
    let bench = Bench::start();
    let (proxied, usual) =
        (content::Client::new(bench.proxy.clone()), content::Client::new(bench.usual.clone()));
    let blob = push(&bench.proxy, b"theirs").await.unwrap();
    let loose = put(&usual, b"loose").await;

    // One that was there and that nothing kept is theirs as soon as they hear of it.
    let taken = put(&usual, b"taken").await;
    assert_eq!(push(&bench.proxy, b"taken").await, Err(Code::AlreadyExists));

    // What keeps it is not shown, and cannot be taken away; the rest of the labels is theirs.
    assert_eq!(proxied.info(&theirs(), &blob).await.unwrap().labels, Labels::new());
    let one = Labels::from([("a".to_owned(), "1".to_owned())]);
    let keys = [GC_ROOT.to_owned()];
    for (labels, mask) in [(one.clone(), Mask::all()), (Labels::new(), Mask::labels(&keys))] {
        let info = proxied.update(&theirs(), &blob, &labels, &mask).await.unwrap();
        assert_eq!(info.labels, one);
    }
    assert_eq!(proxied.list(&theirs(), &[]).await.unwrap().len(), 3);

    bench.gc();
    for digest in [blob, taken] {
        assert!(
            here(&proxied, &Scope::default(), &digest).await,
            "it is the same for all who come"
        );
        assert!(
            !here(&usual, &theirs(), &digest).await
                && !here(&usual, &Scope::default(), &digest).await
        );
    }
    assert!(!here(&proxied, &theirs(), &loose).await);

    proxied.delete(&theirs(), &blob).await.unwrap();
    proxied.delete(&theirs(), &taken).await.unwrap();
    let left = std::fs::read_dir(bench.varve.layout().join("blobs/sha256")).unwrap().count();
    assert_eq!(left, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_stay_until_they_are_removed_there() {
    let bench = Bench::start();
    let proxied = snapshots::Client::new(bench.proxy.clone(), "a-name-of-theirs");
    let new = |key: &str, parent: Option<&str>| NewSnapshot {
        key: key.to_owned(),
        parent: parent.map(str::to_owned),
        labels: Labels::new(),
    };
    let mounts = proxied.prepare(&theirs(), new("k8s.io/1/work", None)).await.unwrap();
    assert_eq!(mounts.len(), 1);
    proxied.commit(&theirs(), "k8s.io/2/base", "k8s.io/1/work", &Labels::new()).await.unwrap();
    proxied.view(&theirs(), new("k8s.io/3/seen", Some("k8s.io/2/base"))).await.unwrap();
    proxied.prepare(&theirs(), new("default/4/work", Some("k8s.io/2/base"))).await.unwrap();

    // containerd's own update replaces all labels that it may, also with none.
    let changed = proxied.update(&theirs(), "k8s.io/2/base", &Labels::new(), &Mask::all()).await;
    assert_eq!(changed.unwrap().labels, Labels::new());
    bench.gc();
    let there = proxied.list(&Scope::default(), &[]).await.unwrap();
    let names: Vec<_> = there.iter().map(|info| info.name.as_str()).collect();
    assert_eq!(names, ["default/4/work", "k8s.io/2/base", "k8s.io/3/seen"]);
    assert!(there.iter().all(|info| info.labels.is_empty()));

    for key in ["default/4/work", "k8s.io/3/seen", "k8s.io/2/base"] {
        proxied.remove(&theirs(), key).await.unwrap();
    }
    bench.gc();
    assert_eq!(
        bench.varve.json(&["-n", "containerd", "snapshots", "ls"]).unwrap().to_string(),
        "[]"
    );
}

/// Its collector would remove every image of Varve's.
#[test]
fn the_namespace_of_varves_own_images_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let mut daemon = Command::new(binary().unwrap());
    daemon.arg("--root").arg(root.path()).arg("daemon");
    let socket = format!("unix://{}/proxy.sock", root.path().display());
    let namespace = Namespace::default();
    daemon.args(["--proxy", &socket, "--proxy-namespace", namespace.as_str()]);
    let output = daemon.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("give a proxied containerd another"), "{output:?}");
}
