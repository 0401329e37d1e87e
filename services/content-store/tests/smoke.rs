//! The whole store, once through.

use bytes::Bytes;
use varve_content_store::{Config, open};
use varve_core::content::{Commit, Content, OpenWriter};
use varve_core::{Digest, Scope};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_committed_is_read_back_after_a_reopen() {
    let dir = tempfile::tempdir().unwrap();
    let scope = Scope::default();
    let digest = Digest::of(b"hello");
    {
        let store = open(Config::new(dir.path())).await.unwrap();
        let open = OpenWriter { ingest: "a".into(), expected: Some(digest), total: 5 };
        let mut writer = store.writer(&scope, open).await.unwrap();
        writer.write(Bytes::from_static(b"hel")).await.unwrap();
        drop(writer);
        store.close().await.unwrap();
    }
    let store = open(Config::new(dir.path())).await.unwrap();
    assert_eq!(store.status(&scope, "a").await.unwrap().offset, 3);
    let open = OpenWriter { ingest: "a".into(), ..OpenWriter::default() };
    let mut writer = store.writer(&scope, open).await.unwrap();
    let mut follower = store.follow(&scope, &digest).await.unwrap();
    assert_eq!(&follower.next().await.unwrap().unwrap()[..], b"hel");
    writer.write(Bytes::from_static(b"lo")).await.unwrap();
    assert_eq!(&follower.next().await.unwrap().unwrap()[..], b"lo");
    assert_eq!(writer.commit(Commit::default()).await.unwrap(), digest);
    assert_eq!(follower.next().await.unwrap(), None);
    let reader = store.reader(&scope, &digest).await.unwrap();
    assert_eq!(&reader.read_all(10).await.unwrap()[..], b"hello");
    store.close().await.unwrap();
}
