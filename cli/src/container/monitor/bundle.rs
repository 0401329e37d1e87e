//! The bundle of one start: the root file system, mounted and made ready, and config.json beside it.

use std::fs;
use std::path::Path;

use varve_core::{Error, Result};
use varve_snapshotter::mounting;

use crate::container::below::Below;
use crate::container::init;
use crate::container::job::Job;
use crate::container::place::{self, Place};
use crate::container::settings::{Network, Settings};
use crate::container::spec::{self, Files, Start};
use crate::container::users;

/// Below these, links lead out of the container: no program begins there (CVE-2024-21626).
const NO_WORKING_DIR: [&str; 2] = ["/proc", "/dev/fd"];
const LOCALHOST: &str = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";

/// Makes it. What it leaves where it fails, [`super::ending::clear`] takes away.
pub fn make(job: &Job) -> Result<()> {
    let (place, settings) = (&job.place, &job.settings);
    let rootfs = place.rootfs();
    place::make_dir(&rootfs)?;
    settings.volumes.iter().try_for_each(|volume| volume.prepare())?;
    mounting::mount(&job.mounts, &rootfs)?;
    let below = Below::open(&rootfs)?;
    // Once more: the last program may have put a link there.
    init::places(&below)?;
    let user = users::resolve(&below, &settings.user)?;
    let working_dir = working_dir(&below, &settings.working_dir)?;
    let hostname = hostname(settings, place.id());
    files(place, settings, &hostname)?;
    let start = Start {
        id: place.id(),
        user: &user,
        working_dir: &working_dir,
        hostname: &hostname,
        files: Files { dir: &place.bundle() },
        unified: Path::new("/sys/fs/cgroup/cgroup.controllers").exists(),
        size: job.size,
    };
    let text = spec::spec(settings, &start).to_string();
    write(&place.bundle().join("config.json"), &text)
}

/// The directory where the program begins, made if need be.
pub fn working_dir(below: &Below, wanted: &str) -> Result<String> {
    let really = below.make_dir(wanted)?;
    let lexically = Path::new("/").join(wanted);
    for dir in NO_WORKING_DIR {
        if really.starts_with(dir) || lexically.starts_with(dir) {
            let message = format!("working directory {wanted}: no program begins below {dir}");
            return Err(Error::invalid(message));
        }
    }
    match really.to_str() {
        Some(text) => Ok(text.to_owned()),
        None => Err(Error::invalid(format!("working directory {wanted}: must be UTF-8"))),
    }
}

/// As asked; else the machine's where its network is shared, and the start of the id where it is not.
pub fn hostname(settings: &Settings, id: &str) -> String {
    match (&settings.hostname, settings.network) {
        (Some(name), _) => name.clone(),
        (None, Network::Host) => rustix::system::uname().nodename().to_string_lossy().into_owned(),
        (None, Network::None) => id[..id.len().min(12)].to_owned(),
    }
}

/// What the container sees in place of the image's own files.
fn files(place: &Place, settings: &Settings, hostname: &str) -> Result<()> {
    let of_machine = |name| fs::read_to_string(Path::new("/etc").join(name)).unwrap_or_default();
    let hosts = match settings.network {
        Network::Host => of_machine("hosts"),
        Network::None => String::new(),
    };
    let hosts = if hosts.is_empty() { LOCALHOST.to_owned() } else { hosts };
    let files = [
        ("resolv.conf", of_machine("resolv.conf")),
        ("hosts", hosts),
        ("hostname", format!("{hostname}\n")),
    ];
    files.iter().try_for_each(|(name, text)| write(&place.bundle().join(name), text))
}

fn write(path: &Path, text: &str) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let failed = |error| Error::io(path.display(), error);
    fs::write(path, text).map_err(failed)?;
    // Read inside by whoever runs there.
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::settings::tests::example;

    #[test]
    fn no_program_begins_where_links_lead_out_of_the_container() {
        let root = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/proc/self/fd/7", root.path().join("x")).unwrap();
        let below = Below::open(root.path()).unwrap();
        assert_eq!(working_dir(&below, "/srv/app").unwrap(), "/srv/app");
        fs::create_dir_all(root.path().join("proc/self/fd/7")).unwrap();
        for bad in ["/proc/self/fd/7", "/x", "/srv/../proc", "/dev/fd/3"] {
            assert!(working_dir(&below, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn without_a_network_a_container_is_called_by_its_id() {
        let id = "ab".repeat(32);
        let settings = Settings { network: Network::None, ..example() };
        assert_eq!(hostname(&settings, &id), "abababababab");
        let settings = Settings { hostname: Some("box".into()), ..settings };
        assert_eq!(hostname(&settings, &id), "box");
    }
}
