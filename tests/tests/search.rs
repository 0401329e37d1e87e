//! `varve search`: at a registry that has a search, and at Docker's own, which has none.

#![allow(clippy::unwrap_used, reason = "of tests")]

use serde_json::json;
use varve_tests::command::{Varve, text};
use varve_tests::demo;
use varve_tests::fake::Fake;
use varve_tests::peers::have;
use varve_tests::registry::Registry;

#[test]
fn results_are_filtered_limited_and_sorted_by_stars() {
    let (varve, registry) = (Varve::new().unwrap(), Fake::start().unwrap());
    let hit = |name: &str, stars: u64| {
        json!({"name": name, "description": "of a test", "star_count": stars,
            "is_official": stars > 50, "is_automated": false})
    };
    registry.searchable((1..=60).map(|n| hit(&format!("lab/app{n}"), n)).collect());
    let term = format!("{}/app", registry.address());
    let rows = varve.json(&["search", &term, "--filter", "stars=40", "--limit", "3"]).unwrap();
    let names: Vec<_> = rows.as_array().unwrap().iter().map(|row| &row["stars"]).collect();
    assert_eq!(names, [60, 59, 58]);
    assert_eq!(rows[0]["name"], format!("{}/lab/app60", registry.address()));
    let table = varve.run(&["search", "--filter", "is-official=true", &term]).unwrap();
    assert_eq!(table.lines().count(), 11, "{table}");
    assert!(table.starts_with("NAME ") && table.contains("[OK]"), "{table}");
    let lines = varve.run(&["search", "--format", "{{.Name}} {{.StarCount}}", &term]).unwrap();
    assert_eq!(lines.lines().count(), 25);
    let error = varve.output(&["search", "--limit", "101", &term]).unwrap();
    assert_eq!(error.status.code(), Some(2));
}

#[test]
fn where_there_is_no_search_names_are_filtered_and_that_is_said() {
    if !have(&["docker-registry"], "where_there_is_no_search_names_are_filtered") {
        return;
    }
    let (varve, registry) = (Varve::new().unwrap(), Registry::start().unwrap());
    for name in ["lab/app", "lab/base", "other/app"] {
        registry.push(name, "1", &demo::image()).unwrap();
    }
    let term = format!("{}/app", registry.address());
    let output = varve.output(&["search", &term]).unwrap();
    let (table, told) = (text(&output.stdout), text(&output.stderr));
    assert!(told.contains("has no search") && told.lines().count() == 1, "{told}");
    let names: Vec<_> = table.lines().skip(1).map(str::trim).collect();
    let want = ["lab/app", "other/app"].map(|name| format!("{}/{name}", registry.address()));
    assert!(names.iter().zip(&want).all(|(line, name)| line.starts_with(name)), "{table}");
    assert_eq!(names.len(), 2, "{table}");
}

#[test]
fn what_cannot_be_searched_is_told_in_one_line() {
    let varve = Varve::new().unwrap();
    for (args, want) in [
        (&["search", "127.0.0.1:1/x"][..], "cannot connect to 127.0.0.1:1"),
        (&["search", "docker.io/"], "want a part of a name"),
        (&["search", "--filter", "size=1", "x"], "Invalid filter 'size'"),
    ] {
        let error = varve.fail(args).unwrap();
        assert!(error.contains(want) && error.lines().count() == 1, "{error}");
    }
}
