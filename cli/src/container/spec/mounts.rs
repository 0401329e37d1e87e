//! What is mounted in a container: the kernel's own file systems, a few files of the machine, and volumes.

use std::path::Path;

use serde_json::{Value, json};

use super::Start;
use crate::container::settings::Settings;

/// Files that are mounted over the image's, by their names in the bundle and in `/etc`.
pub const FILES: [&str; 3] = ["resolv.conf", "hosts", "hostname"];

/// Where they are.
#[derive(Clone, Copy)]
pub struct Files<'a> {
    pub dir: &'a Path,
}

/// All of them, in their order: what is below another comes after it.
pub fn mounts(settings: &Settings, start: &Start<'_>) -> Vec<Value> {
    let mut all = kernel();
    let covered = |target: &str| settings.volumes.iter().any(|volume| volume.target == target);
    for name in FILES {
        let target = format!("/etc/{name}");
        // A volume in that place is what its user wants to see there.
        if !covered(&target) {
            all.push(bind(&start.files.dir.join(name).display().to_string(), &target, false));
        }
    }
    let mut volumes: Vec<_> = settings.volumes.iter().collect();
    volumes.sort_by_key(|volume| Path::new(&volume.target).components().count());
    all.extend(volumes.iter().map(|it| bind(&it.source, &it.target, it.read_only)));
    all
}

fn bind(source: &str, target: &str, read_only: bool) -> Value {
    let mode = if read_only { "ro" } else { "rw" };
    mount(target, "bind", source, &["rbind", "rprivate", mode])
}

fn kernel() -> Vec<Value> {
    let closed = ["nosuid", "noexec", "nodev"];
    let and = |more: &[&'static str]| [&closed[..], more].concat();
    vec![
        mount("/proc", "proc", "proc", &closed),
        mount("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        mount(
            "/dev/pts",
            "devpts",
            "devpts",
            &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        ),
        mount("/sys", "sysfs", "sysfs", &and(&["ro"])),
        mount("/sys/fs/cgroup", "cgroup", "cgroup", &and(&["ro"])),
        mount("/dev/mqueue", "mqueue", "mqueue", &closed),
        mount("/dev/shm", "tmpfs", "shm", &and(&["mode=1777", "size=65536k"])),
    ]
}

fn mount(target: &str, kind: &str, source: &str, options: &[&str]) -> Value {
    json!({"destination": target, "type": kind, "source": source, "options": options})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::settings::tests::example;
    use crate::container::users::User;

    #[test]
    fn a_volume_takes_the_place_of_a_file_and_comes_before_what_is_below_it() {
        let volumes = ["/a:/srv/data/deep:ro", "/b:/srv", "/c:/etc/hosts"];
        let volumes = volumes.iter().map(|text| text.parse().unwrap()).collect();
        let settings = Settings { volumes, ..example() };
        let user = User { uid: 0, gid: 0, groups: Vec::new(), home: "/".into() };
        let start = Start {
            id: "ab",
            user: &user,
            working_dir: "/",
            hostname: "box",
            files: Files { dir: Path::new("/bundle") },
            unified: false,
            size: None,
        };
        let all = mounts(&settings, &start);
        let target = |mount: &Value| mount["destination"].as_str().unwrap().to_owned();
        let targets: Vec<String> = all.iter().map(target).collect();
        let want = ["/etc/resolv.conf", "/etc/hostname", "/srv", "/etc/hosts", "/srv/data/deep"];
        assert_eq!(targets[7..], want);
        assert!(all.last().unwrap()["options"].to_string().contains("\"ro\""));
    }
}
