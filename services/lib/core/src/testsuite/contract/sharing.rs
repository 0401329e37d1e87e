//! Namespaces share bytes and nothing else.

use bytes::Bytes;

use super::Services;
use super::kit::{blob, expect, get, labels, put, refused, room};
use crate::content::Commit;
use crate::digest::Digest;
use crate::error::Kind;
use crate::mask::Mask;

/// The promises of [`crate::content::Content`] about blobs that several namespaces have.
#[macro_export]
macro_rules! sharing_contract {
    ($fresh:expr) => {
        $crate::contract_tests!(
            sharing_contract,
            sharing,
            $fresh,
            [
                a_blob_is_here_only_once_this_namespace_has_it,
                a_blob_of_another_namespace_is_linked_and_not_written,
                appending_to_a_linked_blob_makes_another,
                labels_are_each_namespaces_own,
                a_blob_deleted_in_one_namespace_stays_in_the_other,
                a_link_that_is_not_committed_is_no_blob,
            ]
        );
    };
}

pub async fn a_blob_is_here_only_once_this_namespace_has_it(s: &Services) {
    let (here, there, (bytes, digest)) = (room(), room(), blob(100));
    put(&*s.content, &here, &bytes, labels(&[])).await;
    refused(s.content.info(&there, &digest).await, Kind::NotFound);
    refused(s.content.reader(&there, &digest).await, Kind::NotFound);
    refused(s.content.delete(&there, &digest).await, Kind::NotFound);
    assert!(s.content.list(&there, &[]).await.unwrap().is_empty());
    // Who has the bytes may write them, and is not told that they were here.
    put(&*s.content, &there, &bytes, labels(&[])).await;
    assert_eq!(get(&*s.content, &there, &digest).await, bytes);
}

pub async fn a_blob_of_another_namespace_is_linked_and_not_written(s: &Services) {
    let (here, there, (bytes, digest)) = (room(), room(), blob(1000));
    put(&*s.content, &here, &bytes, labels(&[])).await;
    let mut writer = expect(&*s.content, &there, "link", digest).await.unwrap();
    assert_eq!((writer.status().offset, writer.status().total), (1000, 1000));
    assert_eq!(writer.digest().await.unwrap(), digest);
    let commit = Commit { size: 1000, expected: Some(digest), labels: labels(&[("l", "1")]) };
    assert_eq!(writer.commit(commit).await.unwrap(), digest);
    for scope in [&here, &there] {
        assert_eq!(s.content.info(scope, &digest).await.unwrap().size, 1000);
        assert_eq!(get(&*s.content, scope, &digest).await, bytes);
    }
    refused(expect(&*s.content, &there, "link", digest).await, Kind::AlreadyExists);
}

pub async fn appending_to_a_linked_blob_makes_another(s: &Services) {
    let (here, there, (bytes, digest)) = (room(), room(), blob(1000));
    put(&*s.content, &here, &bytes, labels(&[])).await;
    let mut writer = expect(&*s.content, &there, "append", digest).await.unwrap();
    writer.write(Bytes::from_static(b"appended")).await.unwrap();
    let all = [&bytes[..], b"appended"].concat();
    let longer = Digest::of(&all);
    assert_eq!((writer.status().offset, writer.digest().await.unwrap()), (1008, longer));
    let commit = Commit { size: 1008, expected: Some(longer), labels: labels(&[]) };
    assert_eq!(writer.commit(commit).await.unwrap(), longer);
    assert_eq!(get(&*s.content, &there, &longer).await, all);
    assert_eq!(get(&*s.content, &here, &digest).await, bytes);
    refused(s.content.info(&there, &digest).await, Kind::NotFound);
    refused(s.content.info(&here, &longer).await, Kind::NotFound);
}

pub async fn labels_are_each_namespaces_own(s: &Services) {
    let (here, there, (bytes, digest)) = (room(), room(), blob(10));
    put(&*s.content, &here, &bytes, labels(&[("of", "here")])).await;
    put(&*s.content, &there, &bytes, labels(&[("of", "there")])).await;
    let new = labels(&[("of", "nobody")]);
    s.content.update(&here, &digest, &new, &Mask::all()).await.unwrap();
    let other = s.content.info(&there, &digest).await.unwrap();
    assert_eq!(other.labels, labels(&[("of", "there")]));
}

pub async fn a_blob_deleted_in_one_namespace_stays_in_the_other(s: &Services) {
    let (here, there, (bytes, digest)) = (room(), room(), blob(10));
    put(&*s.content, &here, &bytes, labels(&[])).await;
    put(&*s.content, &there, &bytes, labels(&[])).await;
    s.content.delete(&here, &digest).await.unwrap();
    refused(s.content.info(&here, &digest).await, Kind::NotFound);
    assert_eq!(get(&*s.content, &there, &digest).await, bytes);
    s.content.delete(&there, &digest).await.unwrap();
    // With the last one went the bytes: there is nothing to link.
    let writer = expect(&*s.content, &here, "again", digest).await.unwrap();
    assert_eq!(writer.status().offset, 0);
}

pub async fn a_link_that_is_not_committed_is_no_blob(s: &Services) {
    let (here, there, (bytes, digest)) = (room(), room(), blob(77));
    put(&*s.content, &here, &bytes, labels(&[])).await;
    drop(expect(&*s.content, &there, "half", digest).await.unwrap());
    refused(s.content.info(&there, &digest).await, Kind::NotFound);
    let mut writer = expect(&*s.content, &there, "half", digest).await.unwrap();
    assert_eq!(writer.status().offset, 77);
    assert_eq!(writer.commit(Commit::default()).await.unwrap(), digest);
    assert_eq!(get(&*s.content, &there, &digest).await, bytes);
}
