//! Images that would reach out of their container, were they let (THREATS: config to running container).

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::json;
use varve_tests::busybox;
use varve_tests::container::{Told, Yard};
use varve_tests::layer::Layer;

fn run(yard: &Yard, image: &str, words: &[&str], program: &[&str]) -> Told {
    let words = [&["run", "--rm"], words, &[image], program].concat();
    Told::of(yard.varve.output(&words).unwrap())
}

/// The usual layer, and another on it.
fn on_base(yard: &Yard, name: &str, layer: Layer, run: serde_json::Value) -> String {
    let layers = [busybox::base(&yard.program).finish(), layer.finish()];
    yard.push(name, &busybox::image(&layers, run))
}

/// All that is below a directory of the machine.
fn names(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn accounts_that_are_links_to_the_machines_are_not_read() {
    let Some(yard) = Yard::new("accounts_that_are_links").unwrap() else { return };
    let dir = tempfile::tempdir().unwrap();
    let passwd = dir.path().join("passwd");
    fs::write(&passwd, "ghost:x:4242:4242::/:/bin/sh\n").unwrap();
    let absolute = passwd.to_str().unwrap();
    for (n, target) in
        [absolute.to_owned(), format!("../../../../../../../..{absolute}")].iter().enumerate()
    {
        let layer = Layer::new().symlink("etc/passwd", target);
        let run_with = json!({"Cmd": ["true"], "User": "ghost", "Env": ["PATH=/bin"]});
        let image = on_base(&yard, &format!("link{n}"), layer, run_with);
        let told = run(&yard, &image, &[], &["true"]);
        assert_eq!(told.status, Some(125), "{target}");
        assert!(told.err.contains("unable to find user ghost"), "{}", told.err);
        let told = run(&yard, &image, &["-u", "0"], &["true"]);
        assert_eq!(told.status, Some(0), "{}", told.err);
    }
    assert!(yard.all().unwrap().is_empty());
}

#[test]
fn an_id_that_would_wrap_around_to_root_is_refused() {
    let Some(yard) = Yard::new("an_id_that_would_wrap").unwrap() else { return };
    for (n, user) in ["4294967296", "2147483648", "1:4294967296"].iter().enumerate() {
        let run_with = json!({"Cmd": ["id", "-u"], "User": user, "Env": ["PATH=/bin"]});
        let image = on_base(&yard, &format!("wrap{n}"), Layer::new(), run_with);
        let told = run(&yard, &image, &[], &[]);
        assert_eq!((told.status, told.out.as_str()), (Some(125), ""), "{user}");
        assert!(told.err.contains("at most 2147483647"), "{}", told.err);
    }
}

#[test]
fn mount_points_that_are_links_lead_nowhere_on_the_machine() {
    let Some(yard) = Yard::new("mount_points_that_are_links").unwrap() else { return };
    let dir = tempfile::tempdir().unwrap();
    let out = |name: &str| {
        let target = dir.path().join(name);
        fs::create_dir(&target).unwrap();
        target.to_str().unwrap().to_owned()
    };
    let (dev, proc, sys) = (out("dev"), out("proc"), out("sys"));
    fs::write(dir.path().join("hosts"), "the machine's\n").unwrap();
    let layer = Layer::new()
        .symlink("dev", &dev)
        .symlink("proc", &format!("../../../../../..{proc}"))
        .symlink("sys", &sys)
        .symlink("etc/hosts", dir.path().join("hosts").to_str().unwrap())
        .symlink("out", dir.path().to_str().unwrap());
    let image = on_base(&yard, "links", layer, json!({"Cmd": ["true"], "Env": ["PATH=/bin"]}));
    let see = [
        "sh",
        "-c",
        "test -c /dev/null && test -d /proc/self && ls /sys | grep -q kernel && echo fine",
    ];
    let told = run(&yard, &image, &[], &see);
    assert_eq!((told.status, told.out.as_str()), (Some(0), "fine\n"), "{}", told.err);
    let told = run(&yard, &image, &["-w", "/out/made"], &["true"]);
    assert_eq!(told.status, Some(125), "the link leads out of the container");
    assert_eq!(names(dir.path()), ["dev", "hosts", "proc", "sys"]);
    for below in ["dev", "proc", "sys"] {
        assert!(names(&dir.path().join(below)).is_empty(), "{below}");
    }
    assert_eq!(fs::read_to_string(dir.path().join("hosts")).unwrap(), "the machine's\n");
}

#[test]
fn no_program_begins_at_a_descriptor_of_the_runtime() {
    let Some(yard) = Yard::new("descriptor_of_the_runtime").unwrap() else { return };
    for (n, dir) in ["/proc/self/fd/7", "/proc/self/fd/8/../../..", "/dev/fd/9"].iter().enumerate()
    {
        let run_with = json!({"Cmd": ["ls", "/"], "WorkingDir": dir, "Env": ["PATH=/bin"]});
        let image = on_base(&yard, &format!("cwd{n}"), Layer::new(), run_with);
        let told = run(&yard, &image, &[], &["true"]);
        assert_eq!(told.status, Some(125), "{dir}");
        assert!(told.err.contains("no program begins below"), "{dir}: {}", told.err);
    }
}

#[test]
fn labels_of_an_image_that_an_engine_acts_by_are_not_taken_over() {
    let Some(yard) = Yard::new("labels").unwrap() else { return };
    let labels = json!({
        "varve.image": "sha256:00", "containerd.io/gc.root": "x", "containerd.io/restart.status": "running",
        "harmless": "yes",
    });
    let run_with = json!({"Cmd": ["true"], "Labels": labels, "Env": ["PATH=/bin"]});
    let image = on_base(&yard, "labels", Layer::new(), run_with);
    yard.varve.run(&["create", "--name", "one", &image]).unwrap();
    let format = "{{json .Config.Labels}}";
    let said = yard.varve.run(&["container", "inspect", "--format", format, "one"]).unwrap();
    let labels: serde_json::Value = serde_json::from_str(&said).unwrap();
    let keys: Vec<_> = labels.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["harmless", "varve.image"]);
    assert_eq!(labels["varve.image"].as_str().unwrap().len(), "sha256:".len() + 64);
    let error = yard.varve.fail(&["rmi", &image]).unwrap();
    assert!(error.contains("is using its referenced image"), "{error}");
}

/// Content, mode, owner and number of names of all that is below a directory.
fn facts(dir: &Path) -> Vec<String> {
    let mut facts = Vec::new();
    let mut left = vec![dir.to_owned()];
    while let Some(path) = left.pop() {
        let about = path.symlink_metadata().unwrap();
        let content = if about.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
        let (mode, owner, names) = (about.mode(), (about.uid(), about.gid()), about.nlink());
        facts.push(format!("{} {mode:o} {owner:?} {names} {content:?}", path.display()));
        if about.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    facts.sort();
    facts
}

#[test]
fn what_an_image_says_of_volumes_and_directories_reaches_nothing_of_the_machine() {
    let Some(yard) = Yard::new("volumes_and_directories").unwrap() else { return };
    let dir = tempfile::tempdir().unwrap();
    let canary = dir.path().join("canary");
    fs::create_dir(&canary).unwrap();
    fs::write(canary.join("secret"), "untouched\n").unwrap();
    let (before, path) = (facts(dir.path()), canary.to_str().unwrap());
    let up = format!("/../../../../../../../..{path}");
    let layer =
        || Layer::new().symlink("data", path).symlink("etc/group", &format!("{path}/group"));
    let program = ["sh", "-c", "ls -a / /data 2>&1; cat /data/secret 2>&1; true"];
    for (n, run_with) in [
        json!({"Cmd": ["true"], "Env": ["PATH=/bin"], "Volumes": {up.as_str(): {}, "/data": {}, "/../../etc": {}}}),
        json!({"Cmd": ["true"], "Env": ["PATH=/bin"], "WorkingDir": "/data"}),
        json!({"Cmd": ["true"], "Env": ["PATH=/bin"], "WorkingDir": format!("{up}/made")}),
        json!({"Cmd": ["true"], "Env": ["PATH=/bin"], "WorkingDir": "/data/made"}),
    ]
    .into_iter()
    .enumerate()
    {
        let image = on_base(&yard, &format!("v{n}"), layer(), run_with);
        let told = run(&yard, &image, &[], &program);
        assert!(!told.out.contains("untouched"), "{}", told.out);
        assert_eq!(facts(dir.path()), before, "{n}: {}", told.err);
    }
    // A volume of the user's goes where the container's own link leads, which is inside.
    let given = tempfile::tempdir().unwrap();
    let volume = format!("{}:/data", given.path().display());
    let image = on_base(&yard, "given", layer(), json!({"Cmd": ["true"], "Env": ["PATH=/bin"]}));
    let told = run(&yard, &image, &["-v", &volume], &["sh", "-c", "touch /data/x"]);
    assert_eq!(facts(dir.path()), before, "{}", told.err);
    // And over /proc it goes by no name.
    let image = on_base(
        &yard,
        "proc",
        Layer::new().symlink("p", "/proc").symlink("q", "proc/sys"),
        json!({"Cmd": ["true"], "Env": ["PATH=/bin"]}),
    );
    for target in ["/proc", "//proc/", "/./proc/sys", "/p", "/q"] {
        let volume = format!("{}:{target}", given.path().display());
        let told = run(&yard, &image, &["-v", &volume], &["true"]);
        assert_ne!(told.status, Some(0), "{target}");
    }
}

#[test]
fn a_group_of_the_machine_is_no_group_of_a_user() {
    let Some(yard) = Yard::new("a_group_of_the_machine").unwrap() else { return };
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("group"), "wheel:x:4343:app\n").unwrap();
    let target = dir.path().join("group");
    let layer = Layer::new().symlink("etc/group", target.to_str().unwrap());
    let run_with = json!({"Cmd": ["id", "-G"], "User": "app", "Env": ["PATH=/bin"]});
    let image = on_base(&yard, "groups", layer, run_with);
    let told = run(&yard, &image, &[], &[]);
    assert!(!told.out.contains("4343"), "{}{}", told.out, told.err);
    let told = run(&yard, &image, &["-u", "app:wheel"], &["id", "-G"]);
    assert_eq!(told.status, Some(125), "{}", told.out);
}

#[test]
fn no_name_of_a_container_is_a_path() {
    let Some(yard) = Yard::new("no_name_of_a_container").unwrap() else { return };
    yard.varve.run(&["pull", "--quiet", &yard.image]).unwrap();
    let outside = yard.varve.root().join("run/canary");
    fs::create_dir_all(&outside).unwrap();
    fs::write(outside.join("state.json"), "{}").unwrap();
    let before = facts(&outside);
    for name in ["../canary", "../../run/canary", "/etc", ".", "..", "a/b", "-x"] {
        let made = yard.varve.output(&["create", &format!("--name={name}"), &yard.image]).unwrap();
        assert!(!made.status.success(), "{name}");
        for word in ["rm", "kill", "stop", "logs", "wait", "start", "diff", "export"] {
            let told = yard.varve.output(&[word, "--", name]).unwrap();
            assert!(!told.status.success(), "{word} {name}");
        }
        assert_eq!(facts(&outside), before, "{name}");
    }
}
