//! Reference counts: the number of stored edges, at every moment.

use super::Services;
use super::collect::{collect, edges, image, leased_pair, lives, refers};
use super::kit::{blob, labels, mask, put, room, some};
use crate::containers::Container;
use crate::images::Image;
use crate::leases::Resource;
use crate::oci::{Descriptor, MediaType};

/// The promises of [`crate::collect::Collector`] about counts.
#[macro_export]
macro_rules! references_contract {
    ($fresh:expr) => {
        $crate::contract_tests!(
            references_contract,
            references,
            $fresh,
            [
                references_are_counted_per_namespace,
                references_follow_every_change,
                a_recount_agrees_after_all_of_it,
            ]
        );
    };
}

pub async fn references_are_counted_per_namespace(s: &Services) {
    let (here, there, (bytes, digest)) = (room(), room(), blob(10));
    put(&*s.content, &here, &bytes, labels(&[])).await;
    put(&*s.content, &there, &bytes, labels(&[])).await;
    assert_eq!(s.collector.references(&here, &digest).await.unwrap(), 0);
    image(s, &here, "i", digest, labels(&[])).await;
    refers(s, &here, &[digest]).await;
    refers(s, &here, &[digest]).await;
    assert_eq!(s.collector.references(&here, &digest).await.unwrap(), 3);
    assert_eq!(s.collector.references(&there, &digest).await.unwrap(), 0);
    assert_eq!(s.collector.recount().await.unwrap(), [""; 0]);
}

pub async fn references_follow_every_change(s: &Services) {
    let scope = room();
    let digest = some(&*s.content, &scope, labels(&[])).await;
    let other = some(&*s.content, &scope, labels(&[])).await;
    let counts = async |wanted: u64| {
        assert_eq!(s.collector.references(&scope, &digest).await.unwrap(), wanted);
        assert_eq!(s.collector.recount().await.unwrap(), [""; 0]);
    };
    let parent = refers(s, &scope, &[digest]).await;
    counts(1).await;
    s.content.update(&scope, &parent, &edges(&[other]), &mask(&["labels"])).await.unwrap();
    counts(0).await;
    s.content.update(&scope, &parent, &edges(&[digest]), &mask(&["labels"])).await.unwrap();
    s.content.delete(&scope, &parent).await.unwrap();
    counts(0).await;
    let resource = Resource::content(&digest);
    s.leases.create(&scope, "l", &labels(&[])).await.unwrap();
    s.leases.add_resource(&scope, "l", &resource).await.unwrap();
    s.leases.add_resource(&scope, "l", &resource).await.unwrap();
    counts(1).await;
    image(s, &scope, "i", digest, labels(&[])).await;
    counts(2).await;
    s.leases.delete(&scope, "l").await.unwrap();
    counts(1).await;
    let moved = Image::new("i", Descriptor::new(MediaType::OciManifest, other, 64));
    s.images.update(&scope, &moved, &mask(&["target"])).await.unwrap();
    counts(0).await;
    assert_eq!(s.collector.references(&scope, &other).await.unwrap(), 1);
}

pub async fn a_recount_agrees_after_all_of_it(s: &Services) {
    let scope = room();
    let pair = leased_pair(s, &scope, "l", labels(&[])).await;
    image(s, &scope, "i", pair[0], edges(&pair)).await;
    let container = Container { labels: edges(&pair), ..super::containers::plain("c") };
    s.containers.create(&scope, &container).await.unwrap();
    refers(s, &scope, &pair).await;
    assert_eq!(s.collector.recount().await.unwrap(), [""; 0]);
    collect(s).await;
    assert_eq!(s.collector.recount().await.unwrap(), [""; 0]);
    s.containers.delete(&scope, "c").await.unwrap();
    s.images.delete(&scope, "i").await.unwrap();
    s.leases.delete(&scope, "l").await.unwrap();
    collect(s).await;
    assert_eq!(s.collector.recount().await.unwrap(), [""; 0]);
    lives(s, &scope, &[], &pair).await;
}
