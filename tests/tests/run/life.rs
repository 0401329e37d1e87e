//! How containers live: left alone, stopped, started again, removed; and what they keep.

use serde_json::Value;
use varve_tests::cluster::Topology;
use varve_tests::container::{Yard, until};

/// A program that says when it is asked to stop.
const POLITE: [&str; 3] = [
    "sh",
    "-c",
    "trap 'echo bye; exit 4' TERM; trap 'echo hup' HUP; echo up; echo err >&2; \
     while true; do sleep 0.05; done",
];

#[test]
fn a_container_is_left_alone_watched_stopped_and_started_again() {
    let Some(yard) = Yard::new("left_alone").unwrap() else { return };
    let varve = &yard.varve;
    let id = yard.detached(&["--name", "web", "-l", "role=front"], &POLITE).unwrap();
    assert_eq!(id.len(), 64, "{id}");
    assert_eq!(yard.status("web").unwrap(), "running 0");
    until("it is up", || Ok(varve.run(&["logs", "web"])? == "up\n")).unwrap();
    let error = varve.fail(&["start", "web"]).unwrap();
    assert!(error.contains("is running"), "{error}");
    let error = varve.fail(&["rm", "web"]).unwrap();
    assert!(error.contains("You cannot remove a running container"), "{error}");
    let error = varve.fail(&["run", "-d", "--name", "web", &yard.image, "true"]).unwrap();
    assert!(error.contains("The container name \"/web\" is already in use"), "{error}");
    varve.run(&["kill", "-s", "HUP", "web"]).unwrap();
    until("it was told", || Ok(varve.run(&["logs", "web"])?.contains("hup"))).unwrap();

    let mut waiting = varve.command(&["wait", "web"]);
    let waiting = waiting.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut following = varve.command(&["logs", "--follow", "web"]);
    let following = following
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    assert_eq!(varve.run(&["stop", &id[..8]]).unwrap(), format!("{}\n", &id[..8]));
    assert_eq!(waiting.wait_with_output().unwrap().stdout, b"4\n");
    let followed = following.wait_with_output().unwrap();
    assert_eq!(followed.stdout, b"up\nhup\nbye\n");
    assert!(followed.stderr.ends_with(b"err\n"));
    assert_eq!(yard.status("web").unwrap(), "exited 4");
    assert_eq!(yard.mounts().unwrap(), 0);
    assert_eq!(varve.run(&["wait", "web"]).unwrap(), "4\n", "it has ended already");

    assert_eq!(varve.run(&["start", "web"]).unwrap(), "web\n");
    assert_eq!(yard.status("web").unwrap(), "running 0");
    assert_eq!(varve.run(&["kill", "web"]).unwrap(), "web\n");
    assert_eq!(yard.status("web").unwrap(), "exited 137");
    assert_eq!(varve.run(&["rm", "web"]).unwrap(), "web\n");
    assert!(varve.fail(&["rm", "web"]).unwrap().contains("No such container: web"));
    assert!(yard.all().unwrap().is_empty());
}

#[test]
fn who_does_not_end_when_asked_is_ended() {
    let Some(yard) = Yard::new("ended").unwrap() else { return };
    let id = yard.detached(&[], &["sh", "-c", "trap '' TERM; while true; do sleep 0.05; done"]);
    let id = id.unwrap();
    yard.varve.run(&["stop", "--time", "1", &id]).unwrap();
    assert_eq!(yard.status(&id).unwrap(), "exited 137");
    let id = yard.detached(&["--rm"], &["sleep", "1000"]).unwrap();
    yard.varve.run(&["rm", "--force", &id]).unwrap();
    assert_eq!((yard.all().unwrap().len(), yard.mounts().unwrap()), (1, 0));
    yard.varve.run(&["container", "prune", "--force"]).unwrap();
    assert!(yard.all().unwrap().is_empty());
}

#[test]
fn one_that_is_to_go_goes_when_its_program_ends() {
    let Some(yard) = Yard::new("goes").unwrap() else { return };
    let id = yard.detached(&["--rm"], &["sh", "-c", "sleep 1; exit 5"]).unwrap();
    assert_eq!(yard.varve.run(&["wait", &id]).unwrap(), "5\n");
    assert!(yard.all().unwrap().is_empty());
    assert_eq!(yard.mounts().unwrap(), 0);
    assert!(!yard.varve.root().join("run/containers").join(&id).exists());
}

#[test]
fn a_program_that_runs_keeps_nobody_from_the_store() {
    let Some(yard) = Yard::new("keeps_nobody").unwrap() else { return };
    let mut command = yard.command(&["run", "--rm", "--name", "long"], &["sleep", "1000"]);
    let mut child = command.stderr(std::process::Stdio::null()).spawn().unwrap();
    until("it runs", || Ok(yard.status("long").is_ok_and(|status| status == "running 0"))).unwrap();
    let lock = std::fs::File::open(yard.varve.root().join("lock"));
    if let (Ok(lock), true) = (lock, Topology::from_env().unwrap() == Topology::Embedded) {
        until("the root is free", || Ok(lock.try_lock().is_ok())).unwrap();
        lock.unlock().unwrap();
    }
    yard.varve.run(&["images"]).unwrap();
    yard.varve.run(&["rm", "-f", "long"]).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(137));
}

#[test]
fn containers_of_one_image_write_apart() {
    let Some(yard) = Yard::new("write_apart").unwrap() else { return };
    yard.varve.run(&["pull", "--quiet", &yard.image]).unwrap();
    let script = "test ! -e /own && echo $NUMBER > /own && rm /etc/group && sleep 0.5 && cat /own";
    let start = |n: usize| {
        let number = format!("NUMBER={n}");
        let words = ["run", "--rm", "--env", &number];
        let mut command = yard.command(&words, &["sh", "-c", script]);
        command.stdout(std::process::Stdio::piped()).spawn().unwrap()
    };
    let children: Vec<_> = (0..8).map(start).collect();
    for (n, child) in children.into_iter().enumerate() {
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.stdout, format!("{n}\n").into_bytes());
    }
    let told = yard.run(&[], &["cat", "/etc/group"]).unwrap();
    assert!(told.out.contains("wheel"), "the image is as it was: {}", told.out);
    assert!(yard.all().unwrap().is_empty());
}

#[test]
fn what_a_program_wrote_is_there_when_it_starts_again() {
    let Some(yard) = Yard::new("wrote").unwrap() else { return };
    let script = "echo x >> /count; cat /count | while read l; do echo $l; done";
    let varve = &yard.varve;
    let words = ["create", "--name", "counter", &yard.image, "sh", "-c", script];
    varve.run(&words).unwrap();
    assert_eq!(yard.status("counter").unwrap(), "created 0");
    assert_eq!(varve.run(&["start", "--attach", "counter"]).unwrap(), "x\n");
    assert_eq!(varve.run(&["start", "--attach", "counter"]).unwrap(), "x\nx\n");
    assert_eq!(varve.run(&["logs", "--tail", "2", "counter"]).unwrap(), "x\nx\n");
    assert_eq!(varve.run(&["logs", "counter"]).unwrap(), "x\nx\nx\n");
}

#[test]
fn an_image_is_not_removed_while_a_container_running_or_not_was_made_of_it() {
    let Some(yard) = Yard::new("image_used").unwrap() else { return };
    let varve = &yard.varve;
    let id = yard.detached(&[], &["sleep", "1000"]).unwrap();
    for _ in 0..2 {
        let error = varve.fail(&["rmi", &yard.image]).unwrap();
        assert!(
            error.contains(&format!("(must force) - container {} is using", &id[..12])),
            "{error}"
        );
        varve.run(&["stop", "--time", "0", &id]).unwrap();
    }
    let pruned = varve.run(&["image", "prune", "--all", "--force"]).unwrap();
    assert_eq!(pruned, "Total reclaimed space: 0B\n");
    varve.run(&["start", &id]).unwrap();
    varve.run(&["rm", "-f", &id]).unwrap();
    let said = varve.run(&["rmi", &yard.image]).unwrap();
    assert!(said.contains("Deleted: sha256:"), "{said}");
    assert!(varve.json(&["snapshots", "ls"]).unwrap().as_array().unwrap().is_empty());
}

#[test]
fn containers_are_listed_and_filtered_as_docker_does() {
    let Some(yard) = Yard::new("listed").unwrap() else { return };
    let varve = &yard.varve;
    yard.detached(&["--name", "front-one", "-l", "role=front"], &["sleep", "1000"]).unwrap();
    varve.output(&["run", "--name", "back-two", &yard.image, "sh", "-c", "exit 3"]).unwrap();
    let table = varve.run(&["ps"]).unwrap();
    let mut lines = table.lines();
    let header = "CONTAINER ID IMAGE COMMAND CREATED STATUS PORTS NAMES";
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(words(lines.next().unwrap()), header);
    let row = words(lines.next().unwrap());
    assert!(row.contains(&format!(" {} \"sleep 1000\" ", yard.image)), "{row}");
    assert!(row.ends_with(" front-one") && row.contains(" Up "), "{row}");
    assert_eq!(lines.next(), None);
    let names = |filters: &[&str]| {
        let mut words = vec!["ps", "-a", "--format", "{{.Names}}"];
        filters.iter().for_each(|filter| words.extend(["--filter", filter]));
        varve.run(&words).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(names(&[]), ["back-two", "front-one"], "the newest first");
    assert_eq!(names(&["status=exited"]), ["back-two"]);
    assert_eq!(names(&["exited=3"]), ["back-two"]);
    assert_eq!(names(&["exited=0"]), [""; 0]);
    assert_eq!(names(&["name=front"]), ["front-one"]);
    assert_eq!(names(&["label=role=front", "status=running"]), ["front-one"]);
    assert_eq!(names(&[&format!("ancestor={}", yard.image)]).len(), 2);
    assert_eq!(names(&["ancestor=no/such:1"]), [""; 0]);
    assert_eq!(varve.run(&["ps", "-q"]).unwrap().trim().len(), 12);
    assert_eq!(varve.json(&["ps", "-a"]).unwrap()[0]["Names"], "back-two");
    assert!(varve.fail(&["ps", "--filter", "frob=1"]).unwrap().contains("Invalid filter 'frob'"));
}

#[test]
fn all_there_is_to_tell_is_told_in_dockers_json() {
    let Some(yard) = Yard::new("told").unwrap() else { return };
    let words =
        ["--name", "one", "-v", "/etc:/e:ro", "-e", "A=b", "-u", "app", "--network", "none"];
    let id = yard.detached(&words, &["sleep", "1000"]).unwrap();
    let said = yard.varve.run(&["inspect", "one"]).unwrap();
    let all: Value = serde_json::from_str(&said).unwrap();
    let one = &all[0];
    assert_eq!((one["Id"].as_str(), one["Name"].as_str()), (Some(id.as_str()), Some("/one")));
    assert_eq!(one["State"]["Running"], true);
    assert!(one["State"]["Pid"].as_u64().unwrap() > 1);
    assert_eq!(one["Config"]["User"], "app");
    assert_eq!(one["Config"]["Labels"]["stage"], "test", "the image's own");
    assert_eq!(one["HostConfig"]["NetworkMode"], "none");
    assert_eq!(one["HostConfig"]["Binds"][0], "/etc:/e:ro");
    let image = yard.varve.run(&["image", "inspect", "--format", "{{.Id}}", &yard.image]).unwrap();
    assert_eq!(one["Image"].as_str(), Some(image.trim()));
    assert!(yard.varve.fail(&["image", "inspect", "one"]).is_ok());
}

#[test]
fn one_more_program_runs_in_a_container_as_its_first_does() {
    let Some(yard) = Yard::new("exec").unwrap() else { return };
    let varve = &yard.varve;
    yard.detached(&["--name", "home", "-e", "A=1"], &["sleep", "1000"]).unwrap();
    let exec = |words: &[&str]| varve.output(&[&["exec"], words].concat()).unwrap();
    let told = exec(&["home", "sh", "-c", "echo $A $GREETING; echo err >&2; exit 3"]);
    assert_eq!((told.status.code(), &told.stdout[..]), (Some(3), &b"1 good day\n"[..]));
    assert_eq!(told.stderr, b"err\n");
    let told =
        exec(&["-u", "app", "-w", "/made", "-e", "A=2", "home", "sh", "-c", "id -u; pwd; echo $A"]);
    assert_eq!(told.stdout, b"1000\n/made\n2\n");
    let told = exec(&["home", "grep", "-E", "^(NoNewPrivs|Seccomp|CapEff):", "/proc/self/status"]);
    let status = String::from_utf8(told.stdout).unwrap();
    assert!(
        status.contains("CapEff:\t00000000a80425fb\nNoNewPrivs:\t1\nSeccomp:\t2\n"),
        "{status}"
    );
    assert_eq!(exec(&["home", "no-such-program"]).status.code(), Some(127));
    assert_eq!(exec(&["home", "/etc/passwd"]).status.code(), Some(126));
    exec(&["--detach", "home", "touch", "/tmp/left"]);
    until("it was made", || Ok(exec(&["home", "ls", "/tmp/left"]).status.success())).unwrap();
    varve.run(&["kill", "home"]).unwrap();
    assert_eq!(exec(&["home", "true"]).status.code(), Some(1), "as with Docker");
}
