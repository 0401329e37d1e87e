//! A list of many images is right. `just bench many` measures how fast it is.

#![allow(clippy::unwrap_used, reason = "of tests")]

use varve_tests::cluster::Topology;
use varve_tests::many::filled;

const MANY: usize = 200;

#[test]
fn a_list_of_many_images_has_each_with_its_id_and_the_newest_first() {
    let varve = filled(Topology::from_env().unwrap(), MANY).unwrap();
    let rows = varve.json(&["images", "ls"]).unwrap();
    let rows = rows.as_array().unwrap();
    let (images, odd): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row["id"].is_string());
    assert_eq!((images.len(), odd.len()), (MANY, 1));
    assert!(images.iter().all(|row| row["labels"]["number"].is_string()));
    let created: Vec<&str> = images.iter().map(|row| row["created"].as_str().unwrap()).collect();
    assert!(created.is_sorted_by(|a, b| a >= b));
    let again = varve.json(&["images", "ls"]).unwrap();
    assert_eq!(again.as_array().unwrap(), rows, "what was kept of the first list is the same");
    let error = varve.fail(&["inspect", "a"]).unwrap();
    assert!(error.contains("several images begin so: a"), "{error}");
    assert!(error.contains(" (registry.example/many/"), "{error}");
}
