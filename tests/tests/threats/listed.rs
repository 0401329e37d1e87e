//! docs/threats.md names the test of each threat: each is in the tree.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Names of all functions that are tests.
fn tests() -> HashSet<String> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for dir in ["services", "cli", "tests"] {
        sources(&top.join(dir), &mut files);
    }
    let mut names = HashSet::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let mut marked = false;
        for line in text.lines().map(str::trim) {
            let function = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
            match function.and_then(|rest| rest.split(['(', '<']).next()) {
                Some(name) if marked => {
                    names.insert(name.to_owned());
                }
                _ => {}
            }
            let attribute = line.starts_with("#[") || line.starts_with("//");
            marked = line.starts_with("#[test]")
                || line.starts_with("#[tokio::test")
                || (marked && attribute);
        }
    }
    names
}

#[test]
fn each_test_that_the_list_of_threats_names_is_there() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/threats.md");
    let (text, tests) = (fs::read_to_string(file).unwrap(), tests());
    let rows = text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| Threat"));
    let mut named = 0;
    for row in rows {
        let cells: Vec<_> = row.split(" | ").collect();
        assert_eq!(cells.len(), 3, "no threat, test and what is done: {row}");
        let names: Vec<_> = cells[1].split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test: {row}");
        for name in names {
            assert!(tests.contains(name), "there is no test {name}: {row}");
            named += 1;
        }
    }
    assert!(named > 100, "{named} tests are named");
}
