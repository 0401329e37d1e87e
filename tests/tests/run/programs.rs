//! What a program sees, and how it ends.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use serde_json::json;
use varve_tests::busybox;
use varve_tests::container::{Told, Yard};

#[test]
fn output_and_exit_status_are_the_programs_and_the_image_is_pulled_beside_them() {
    let Some(yard) = Yard::new("output_and_exit_status").unwrap() else { return };
    let told = yard.run(&[], &["sh", "-c", "echo out; echo err >&2; exit 7"]).unwrap();
    assert_eq!((told.status, told.out.as_str()), (Some(7), "out\n"));
    let first = format!("Unable to find image '{}' locally\n", yard.image);
    assert!(told.err.starts_with(&first), "{}", told.err);
    assert!(told.err.contains(": Pull complete\n") && told.err.ends_with("err\n"), "{}", told.err);

    let told = yard.run(&[], &["sh", "-c", "echo out; kill -9 $$"]).unwrap();
    assert!(told.out == "out\n" && !told.err.contains("Unable to find"), "{}", told.err);
    assert_eq!(yard.run(&[], &["true"]).unwrap().status, Some(0));
    assert_eq!(yard.run(&[], &["no-such-program"]).unwrap().status, Some(127));
    assert_eq!(yard.run(&[], &["/etc/passwd"]).unwrap().status, Some(126));
    let told = yard.run(&["--user", "nobody-here"], &["true"]).unwrap();
    assert!(told.err.contains("unable to find user nobody-here"), "{}", told.err);
    assert_eq!(told.status, Some(125));
    let never = yard.varve.output(&["run", "--rm", "--pull", "never", "no/such:1"]).unwrap();
    assert_eq!(never.status.code(), Some(125));
    let blobs = yard.varve.json(&["leases", "ls"]).unwrap();
    assert_eq!((yard.all().unwrap().len(), yard.mounts().unwrap()), (0, 0), "--rm removes");
    assert!(blobs.as_array().unwrap().is_empty(), "{blobs}");
    assert_eq!(yard.varve.json(&["snapshots", "ls"]).unwrap().as_array().unwrap().len(), 1);
}

#[test]
fn words_after_the_image_are_the_programs() {
    let Some(yard) = Yard::new("words_after_the_image").unwrap() else { return };
    let told = yard.run(&[], &["echo", "-n", "a", "--rm", "-e", "-o", "json", "--help"]).unwrap();
    assert_eq!(told.out, "a --rm -e -o json --help");
    let told = yard.run(&["--entrypoint", "echo"], &["x"]).unwrap();
    assert_eq!(told.out, "x\n");
    let told = yard.run(&[], &[]).unwrap();
    assert_eq!((told.status, told.out.as_str()), (Some(0), ""), "a shell without input");
}

#[test]
fn variables_come_from_the_image_the_files_and_the_words_in_this_order() {
    let Some(yard) = Yard::new("variables").unwrap() else { return };
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "# none\nA=file\nB=file\n").unwrap();
    let words = ["--env-file", file.path().to_str().unwrap(), "-e", "B=word", "-e", "HANDED"];
    let words = [&words[..], &["--hostname", "box", "--workdir", "/srv/new"]].concat();
    let mut command =
        yard.command(&[&["run", "--rm"], &words[..]].concat(), &["sh", "-c", "env; pwd"]);
    let told = Told::of(command.env("HANDED", "on").output().unwrap());
    let mut lines: Vec<&str> =
        told.out.lines().filter(|line| !line.starts_with("SHLVL=")).collect();
    lines.sort_unstable();
    let want = [
        "/srv/new",
        "A=file",
        "B=word",
        "GREETING=good day",
        "HANDED=on",
        "HOME=/root",
        "HOSTNAME=box",
        "PATH=/bin",
        "PWD=/srv/new",
    ];
    assert_eq!(lines, want, "{}", told.err);
}

#[test]
fn users_and_groups_are_those_of_the_image() {
    let Some(yard) = Yard::new("users_and_groups").unwrap() else { return };
    let id = |words: &[&str]| {
        let told = yard.run(words, &["sh", "-c", "id; echo $HOME"]).unwrap();
        assert_eq!(told.status, Some(0), "{}", told.err);
        told.out
    };
    assert_eq!(id(&[]), "uid=0(root) gid=0(root) groups=0(root),10(wheel)\n/root\n");
    let app = id(&["-u", "app"]);
    assert!(app.starts_with("uid=1000(app) gid=1001(app) groups="), "{app}");
    assert!(app.contains("29(audio)") && app.ends_with("\n/home/app\n"), "{app}");
    assert_eq!(id(&["-u", "1000"]), app);
    assert_eq!(id(&["-u", "4242:10"]), "uid=4242 gid=10(wheel) groups=10(wheel)\n/\n");
    let run = json!({"Cmd": ["id", "-u"], "User": "app", "Env": ["PATH=/bin"]});
    let image = yard.push("app", &busybox::image(&[busybox::base(&yard.program).finish()], run));
    assert_eq!(yard.varve.run(&["run", "--rm", &image]).unwrap(), "1000\n");
}

#[test]
fn nothing_is_written_where_that_was_asked_for_and_volumes_are_the_machines() {
    let Some(yard) = Yard::new("read_only_and_volumes").unwrap() else { return };
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("given"), "of the machine\n").unwrap();
    let (rw, ro) = (
        format!("{}:/data", dir.path().display()),
        format!("{}:/deep/ro:ro", dir.path().display()),
    );
    let words = ["--read-only", "-v", &rw, "-v", &ro];
    let script = "cat /data/given /deep/ro/given; echo made > /data/made; echo x > /deep/ro/x; echo x > /x; \
                  echo x > /dev/shm/x && echo shm";
    let told = yard.run(&words, &["sh", "-c", script]).unwrap();
    assert_eq!(told.out, "of the machine\nof the machine\nshm\n");
    assert_eq!(told.err.matches("Read-only file system").count(), 2, "{}", told.err);
    assert_eq!(fs::read_to_string(dir.path().join("made")).unwrap(), "made\n");
    assert!(!dir.path().join("x").exists());
    let new = dir.path().join("new/dir");
    let volume = format!("{}:/n", new.display());
    yard.run(&["-v", &volume], &["touch", "/n/x"]).unwrap();
    assert!(new.join("x").exists(), "a directory that is missing is made");
}

#[test]
fn a_program_sees_the_machines_network_or_a_loopback_alone() {
    let Some(yard) = Yard::new("network").unwrap() else { return };
    let own = fs::read_link("/proc/self/ns/net").unwrap().display().to_string();
    let see = ["sh", "-c", "readlink /proc/self/ns/net; ls /proc/sys/net/ipv4/conf; hostname"];
    let host = yard.run(&[], &see).unwrap();
    assert!(host.out.starts_with(&format!("{own}\n")), "{}", host.out);
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    assert!(host.out.ends_with(&format!("\n{name}\n")), "{}", host.out);
    let none = yard.run(&["--network", "none"], &see).unwrap();
    assert!(!none.out.contains(&own) && none.out.contains("all\ndefault\nlo\n"), "{}", none.out);
}

#[test]
fn a_program_is_confined_as_dockers_are() {
    let Some(yard) = Yard::new("confinement").unwrap() else { return };
    let script = "grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status; \
                  unshare -m true; mount -t tmpfs x /tmp; chroot / true && echo chroot; \
                  echo 1 > /proc/sys/kernel/printk; cat /proc/kcore | head -c 1; echo done";
    let told = yard.run(&[], &["sh", "-c", script]).unwrap();
    let want = "CapEff:\t00000000a80425fb\nCapBnd:\t00000000a80425fb\nNoNewPrivs:\t1\nSeccomp:\t2\n\
                chroot\ndone\n";
    assert_eq!(told.out, want, "{}", told.err);
    assert!(told.err.contains("unshare") && told.err.contains("mount"), "{}", told.err);
    let told = yard.run(&["-u", "app"], &["grep", "CapEff", "/proc/self/status"]).unwrap();
    assert_eq!(told.out, "CapEff:\t0000000000000000\n");
    let loose =
        ["--security-opt", "no-new-privileges=false", "--security-opt", "seccomp=unconfined"];
    let told = yard.run(&loose, &["grep", "-E", "^(NoNewPrivs|Seccomp):", "/proc/self/status"]);
    assert_eq!(told.unwrap().out, "NoNewPrivs:\t0\nSeccomp:\t0\n");
}

#[test]
fn input_comes_where_it_was_asked_for_and_a_reader_that_goes_ends_the_program() {
    let Some(yard) = Yard::new("input").unwrap() else { return };
    let typed = "x".repeat(300_000) + "\n";
    let mut command = yard.command(&["run", "--rm", "-i"], &["cat"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let (mut stdin, text) = (child.stdin.take().unwrap(), typed.clone());
    let typing = std::thread::spawn(move || stdin.write_all(text.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    typing.join().unwrap();
    assert!(output.status.success() && output.stdout == typed.as_bytes());

    let mut command = yard.command(&["run", "--rm"], &["yes"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = [0; 2];
    std::io::Read::read_exact(&mut child.stdout.take().unwrap(), &mut line).unwrap();
    assert_eq!(&line, b"y\n");
    assert!(!child.wait().unwrap().success(), "it writes to nobody and fails");
    assert!(yard.all().unwrap().is_empty());
}
