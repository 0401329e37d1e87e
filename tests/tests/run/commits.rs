//! What a container changed: listed, and made an image.

use serde_json::Value;
use varve_tests::container::{Yard, until};

/// Adds, changes and deletes.
const CHANGES: &str = "mkdir -p /new && echo data > /new/file && chmod 700 /etc && rm /etc/group; \
                       ln -s file /new/link; echo more >> /etc/passwd";

#[test]
fn what_a_container_changed_is_listed() {
    let Some(yard) = Yard::new("changed").unwrap() else { return };
    let varve = &yard.varve;
    varve.run(&["run", "--name", "worker", &yard.image, "sh", "-c", CHANGES]).unwrap();
    let listed = varve.run(&["diff", "worker"]).unwrap();
    let lines: Vec<&str> = listed.lines().collect();
    for line in ["C /etc", "D /etc/group", "C /etc/passwd", "A /new", "A /new/file", "A /new/link"]
    {
        assert!(lines.contains(&line), "{line} in {listed}");
    }
    assert!(
        lines.iter().position(|line| *line == "A /new")
            < lines.iter().position(|line| *line == "A /new/file")
    );
    let rows = varve.json(&["container", "diff", "worker"]).unwrap();
    let deleted = serde_json::json!({"kind": "deleted", "path": "/etc/group"});
    assert!(rows.as_array().unwrap().contains(&deleted), "{rows}");
    let error = varve.fail(&["diff", "nobody"]).unwrap();
    assert!(error.contains("No such container: nobody"), "{error}");
}

#[test]
fn an_image_is_made_of_a_container_and_outlives_it() {
    let Some(yard) = Yard::new("outlives").unwrap() else { return };
    let varve = &yard.varve;
    let words = ["run", "--name", "worker", "-e", "GREETING=hi", "-w", "/new", &yard.image];
    varve.run(&[&words[..], &["sh", "-c", CHANGES]].concat()).unwrap();
    let words =
        ["commit", "-a", "somebody", "-m", "with data", "-c", "CMD cat /new/file; echo $GREETING"];
    let id = varve.run(&[&words[..], &["worker", "site:2"]].concat()).unwrap();
    let id = id.trim();
    assert!(id.starts_with("sha256:") && id.len() == 71, "{id}");
    varve.run(&["rm", "worker"]).unwrap();
    varve.run(&["gc"]).unwrap();

    let told = varve.run(&["run", "--rm", "site:2"]).unwrap();
    assert_eq!(told, "data\nhi\n");
    let seen = "test ! -e /etc/group && stat -c %a /etc && readlink /new/link && tail -n 1 /etc/passwd; pwd";
    let told = varve.run(&["run", "--rm", "site:2", "sh", "-c", seen]).unwrap();
    assert_eq!(told, "700\nfile\nmore\n/new\n");
    let format = "{{.Id}} {{.Author}} {{.Comment}} {{len .RootFS.Layers}} {{.Config.WorkingDir}}";
    let told = varve.run(&["inspect", "--type", "image", "--format", format, "site:2"]);
    let layers: Value = varve.json(&["inspect", &yard.image]).unwrap();
    let layers = layers[0]["RootFS"]["Layers"].as_array().unwrap().len() + 1;
    assert_eq!(told.unwrap().trim(), format!("{id} somebody with data {layers} /new"));
    let steps =
        varve.run(&["history", "--format", "{{.CreatedBy}}|{{.Comment}}", "site:2"]).unwrap();
    assert!(steps.lines().next().unwrap().ends_with("|with data"), "{steps}");
    let listed = varve.run(&["images", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"]).unwrap();
    assert!(listed.contains(&format!("site:2 {}", &id[7..19])), "{listed}");
    // The layers below are the image's own.
    varve.run(&["rmi", &yard.image]).unwrap();
    assert_eq!(varve.run(&["run", "--rm", "site:2"]).unwrap(), "data\nhi\n");
    varve.run(&["check", "site:2"]).unwrap();
}

#[test]
fn a_program_stands_still_while_it_is_committed_and_goes_on_whatever_becomes_of_that() {
    let Some(yard) = Yard::new("stands_still").unwrap() else { return };
    let varve = &yard.varve;
    // Two files that are never apart for one who looks at a moment.
    let script = "n=0; while true; do n=$((n+1)); echo $n > /a; echo $n > /b; done";
    yard.detached(&["--name", "busy"], &["sh", "-c", script]).unwrap();
    let mut last = 0;
    for round in 0..3 {
        let name = format!("moment:{round}");
        varve.run(&["commit", "busy", &name]).unwrap();
        let told = varve.run(&["run", "--rm", &name, "sh", "-c", "cat /a /b"]).unwrap();
        let numbers: Vec<u64> = told.lines().map(|line| line.parse().unwrap_or(0)).collect();
        let (a, b) = (numbers[0], numbers.get(1).copied().unwrap_or(0));
        assert!(a == b || a == b + 1 || b == 0 || a == 0, "{told}");
        assert!(a.max(b) > last, "it went on: {told}");
        last = a.max(b);
    }
    let refused = varve.fail(&["commit", "--change", "FROM x", "busy"]).unwrap();
    assert!(refused.contains("there is no instruction FROM"), "{refused}");
    yard.detached(&["--name", "idle"], &["sleep", "1000"]).unwrap();
    let without = varve.run(&["commit", "--pause=false", "idle"]).unwrap();
    let dangling = varve.run(&["images", "--no-trunc", "-q", "--filter", "dangling=true"]).unwrap();
    assert_eq!(dangling, without, "it has no name");
    let before = varve.run(&["exec", "busy", "cat", "/a"]).unwrap();
    until("it goes on", || Ok(varve.run(&["exec", "busy", "cat", "/a"])? != before)).unwrap();
    assert_eq!(yard.status("busy").unwrap(), "running 0");
    let error = varve.fail(&["commit", "nobody", "x:1"]).unwrap();
    assert!(error.contains("No such container: nobody"), "{error}");
    let error = varve.fail(&["commit", "busy", &format!("x@sha256:{}", "a".repeat(64))]).unwrap();
    assert!(error.contains("a digest names itself"), "{error}");
}

#[test]
fn volumes_and_what_is_mounted_are_no_part_of_an_image() {
    let Some(yard) = Yard::new("no_part").unwrap() else { return };
    let (varve, dir) = (&yard.varve, tempfile::tempdir().unwrap());
    let volume = format!("{}:/given", dir.path().display());
    let script = "echo secret > /given/file; echo 1.2.3.4 evil > /etc/hosts; echo own > /own";
    let words = ["run", "--name", "worker", "-v", &volume, &yard.image, "sh", "-c", script];
    varve.run(&words).unwrap();
    assert!(dir.path().join("file").exists());
    varve.run(&["commit", "worker", "kept:1"]).unwrap();
    let seen = "ls -A /given; cat /own; grep -c evil /etc/hosts";
    let told = varve.output(&["run", "--rm", "kept:1", "sh", "-c", seen]).unwrap();
    assert_eq!(String::from_utf8_lossy(&told.stdout), "own\n0\n");
}

#[test]
fn the_whole_tree_is_exported_and_imported_again() {
    let Some(yard) = Yard::new("exported").unwrap() else { return };
    let (varve, dir) = (&yard.varve, tempfile::tempdir().unwrap());
    varve.run(&["run", "--name", "worker", &yard.image, "sh", "-c", CHANGES]).unwrap();
    let file = dir.path().join("tree.tar").display().to_string();
    assert_eq!(varve.run(&["export", "--output", &file, "worker"]).unwrap(), "");
    let piped = varve.output(&["export", "worker"]).unwrap().stdout;
    assert_eq!(piped, std::fs::read(&file).unwrap(), "the same tree, the same bytes");
    varve.run(&["rm", "worker"]).unwrap();
    varve.run(&["import", "--change", "ENV PATH=/bin", &file, "again:1"]).unwrap();
    let seen = "test ! -e /etc/group && stat -c %a /etc && cat /new/link";
    assert_eq!(varve.run(&["run", "--rm", "again:1", "sh", "-c", seen]).unwrap(), "700\ndata\n");
    let blobs = varve.json(&["content", "ls"]).unwrap();
    let tar = blobs.as_array().unwrap().iter().filter(|blob| blob["size"] == piped.len());
    assert_eq!(tar.count(), 1, "the import's alone: {blobs}");
    let error = varve.fail(&["export", "nobody"]).unwrap();
    assert!(error.contains("No such container: nobody"), "{error}");
    // A program that runs stands still meanwhile, and goes on.
    yard.detached(&["--name", "busy"], &["sh", "-c", "while true; do echo x >> /log; done"])
        .unwrap();
    varve.run(&["export", "--output", &file, "busy"]).unwrap();
    assert_eq!(yard.status("busy").unwrap(), "running 0");
}
