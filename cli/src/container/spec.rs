//! config.json: what the runtime is told (OCI runtime spec, config.md), with Docker's defaults.

mod mounts;
mod seccomp;

use serde_json::{Value, json};

use super::settings::{Network, Settings};
use super::users::User;

pub use mounts::{FILES, Files};

const OCI_VERSION: &str = "1.0.2";
const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What Docker lets root in a container do.
const CAPABILITIES: [&str; 14] = [
    "CAP_AUDIT_WRITE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];
/// What of the kernel is hidden, and what can only be read.
const MASKED: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];
const READ_ONLY: [&str; 5] =
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// What is only known when the container starts.
pub struct Start<'a> {
    pub id: &'a str,
    pub user: &'a User,
    /// Where the program begins: a directory that is there.
    pub working_dir: &'a str,
    pub hostname: &'a str,
    /// Files of the bundle that are mounted over the image's.
    pub files: Files<'a>,
    /// Whether the machine has control groups of version 2 alone.
    pub unified: bool,
    /// Rows and columns of the terminal, if they are known.
    pub size: Option<(u16, u16)>,
}

/// The document.
pub fn spec(settings: &Settings, start: &Start<'_>) -> Value {
    let seccomp = settings.seccomp.then(|| seccomp::profile(&CAPABILITIES));
    json!({
        "ociVersion": OCI_VERSION,
        "process": program(settings, start),
        "root": {"path": "rootfs", "readonly": settings.read_only},
        "hostname": start.hostname,
        "mounts": mounts::mounts(settings, start),
        "linux": {
            "namespaces": namespaces(settings, start.unified),
            "cgroupsPath": format!("/varve/{}", start.id),
            // Those that every container has the runtime lets through itself.
            "resources": {"devices": [{"allow": false, "access": "rwm"}]},
            "maskedPaths": MASKED,
            "readonlyPaths": READ_ONLY,
            "seccomp": seccomp,
        },
    })
}

fn program(settings: &Settings, start: &Start<'_>) -> Value {
    let what = Program {
        args: &settings.args,
        env: env(settings, start.user, start.hostname),
        working_dir: start.working_dir,
        user: start.user,
        tty: settings.tty,
        size: start.size,
        no_new_privileges: settings.no_new_privileges,
    };
    process(&what)
}

/// A program that a runtime starts.
pub struct Program<'a> {
    pub args: &'a [String],
    pub env: Vec<String>,
    pub working_dir: &'a str,
    pub user: &'a User,
    pub tty: bool,
    /// Rows and columns of its terminal, if they are known.
    pub size: Option<(u16, u16)>,
    pub no_new_privileges: bool,
}

/// The spec's *process*. Whoever is not root has no capability in effect; a program with setuid can have no
/// other than these.
pub fn process(program: &Program<'_>) -> Value {
    let effective: &[&str] = if program.user.uid == 0 { &CAPABILITIES } else { &[] };
    let User { uid, gid, groups, .. } = program.user;
    let mut process = json!({
        "terminal": program.tty,
        "user": {"uid": uid, "gid": gid, "additionalGids": groups},
        "args": program.args,
        "env": program.env,
        "cwd": program.working_dir,
        "capabilities": {
            "bounding": CAPABILITIES, "effective": effective, "permitted": effective,
        },
        "noNewPrivileges": program.no_new_privileges,
    });
    if let (true, Some((rows, columns))) = (program.tty, program.size) {
        process["consoleSize"] = json!({"height": rows, "width": columns});
    }
    process
}

/// Docker's: a path, the host's name, a terminal's kind and the user's home, unless they are set.
pub fn env(settings: &Settings, user: &User, hostname: &str) -> Vec<String> {
    let terminal = settings.tty.then(|| "TERM=xterm".to_owned());
    let before = [DEFAULT_PATH.to_owned(), format!("HOSTNAME={hostname}")].into_iter();
    let before = before.chain(terminal);
    let mut env = Settings::merge_env(before.chain(settings.env.iter().cloned()));
    if !env.iter().any(|pair| pair.starts_with("HOME=")) {
        env.push(format!("HOME={}", user.home));
    }
    env
}

fn namespaces(settings: &Settings, unified: bool) -> Value {
    let mut kinds = vec!["mount", "pid", "ipc", "uts"];
    // There is no bridge here: a program sees the machine's network, or none.
    if settings.network == Network::None {
        kinds.push("network");
    }
    if unified {
        kinds.push("cgroup");
    }
    kinds.into_iter().map(|kind| json!({"type": kind})).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use oci_spec::runtime::{Capability, LinuxNamespaceType, Spec};

    use super::*;
    use crate::container::settings::tests::example;

    fn told(settings: &Settings, user: &User) -> Spec {
        let files = Files { dir: Path::new("/run/bundle") };
        let start = Start {
            id: "ab",
            user,
            working_dir: "/srv",
            hostname: "box",
            files,
            unified: true,
            size: Some((24, 80)),
        };
        let text = spec(settings, &start).to_string();
        // The oracle: fields that it does not know would be lost, and wrong ones refused.
        let read: Spec = serde_json::from_str(&text).unwrap();
        read
    }

    fn root() -> User {
        User { uid: 0, gid: 0, groups: vec![0, 10], home: "/root".into() }
    }

    #[test]
    fn what_the_runtime_is_told_is_what_the_spec_defines() {
        let spec = told(&example(), &root());
        let process = spec.process().as_ref().unwrap();
        assert_eq!(process.args().as_deref(), Some(&["/bin/sh".to_owned()][..]));
        assert_eq!(process.cwd(), Path::new("/srv"));
        assert_eq!(process.user().additional_gids().as_deref(), Some(&[0, 10][..]));
        assert_eq!(process.no_new_privileges(), Some(true));
        let held = process.capabilities().as_ref().unwrap();
        assert_eq!(held.effective().as_ref().unwrap().len(), CAPABILITIES.len());
        assert!(!held.bounding().as_ref().unwrap().contains(&Capability::SysAdmin));
        let linux = spec.linux().as_ref().unwrap();
        assert_eq!(linux.masked_paths().as_ref().unwrap().len(), MASKED.len());
        assert!(linux.seccomp().as_ref().unwrap().syscalls().as_ref().unwrap().len() > 30);
        let mounts = spec.mounts().as_ref().unwrap();
        assert!(mounts.iter().any(|mount| mount.destination() == Path::new("/etc/resolv.conf")));
    }

    #[test]
    fn who_is_not_root_has_no_capability_in_effect() {
        let user = User { uid: 1000, ..root() };
        let spec = told(&example(), &user);
        let held = spec.process().as_ref().unwrap().capabilities().clone().unwrap();
        assert!(held.effective().as_ref().unwrap().is_empty());
        assert!(held.permitted().as_ref().unwrap().is_empty());
        assert!(held.ambient().is_none() && held.inheritable().is_none());
    }

    #[test]
    fn only_without_the_machines_network_there_is_a_network_namespace() {
        let network = |network| {
            let spec = told(&Settings { network, ..example() }, &root());
            let kinds = spec.linux().as_ref().unwrap().namespaces().clone().unwrap();
            kinds.iter().any(|one| one.typ() == LinuxNamespaceType::Network)
        };
        assert!(!network(Network::Host) && network(Network::None));
    }

    #[test]
    fn what_the_image_or_the_user_sets_stays() {
        let settings = Settings {
            env: ["PATH=/x", "HOME=/y", "A=b"].map(str::to_owned).to_vec(),
            tty: true,
            ..example()
        };
        let want = ["PATH=/x", "HOSTNAME=box", "TERM=xterm", "HOME=/y", "A=b"];
        assert_eq!(env(&settings, &root(), "box"), want);
        let env = env(&example(), &root(), "box");
        assert_eq!(env, [DEFAULT_PATH, "HOSTNAME=box", "HOME=/root"]);
    }
}
