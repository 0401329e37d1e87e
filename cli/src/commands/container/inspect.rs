//! All there is to tell of a container, in Docker's JSON.

use clap::Args;
use serde_json::{Value, json};
use varve_core::Result;

use crate::args::Global;
use crate::commands::inspect::shown;
use crate::container::find::{self, Found};
use crate::container::monitor::hostname;
use crate::container::place::Base;
use crate::container::state::Status;
use crate::failure;
use crate::life;
use crate::output;
use crate::session::Session;
use crate::template::Template;

/// Tell all about containers, as JSON
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  varve container inspect web\n  \
    varve container inspect --format '{{.State.Status}} {{.State.ExitCode}}' web")]
pub struct Inspect {
    /// By name, by ID or the start of one
    #[arg(value_name = "CONTAINER", required = true)]
    containers: Vec<String>,
    /// A Go template, or json
    #[arg(long, short, value_name = "FORMAT")]
    format: Option<String>,
}

impl Inspect {
    pub async fn run(self, global: &Global) -> failure::Result<()> {
        let template = Template::asked(self.format.as_deref())?;
        let base = Base::of(global)?;
        let work = async |session: &Session| {
            let (mut told, mut failures) = (Vec::new(), Vec::new());
            for text in &self.containers {
                match find::find(session, &base, text).await {
                    Ok(found) => told.push(tell(&found)?),
                    Err(error) => failures.push(error),
                }
            }
            output::write(shown(&told, template.as_ref())?.as_bytes())?;
            super::each::end(failures)
        };
        life::with(global, work).await
    }
}

/// The document.
pub fn tell(found: &Found) -> Result<Value> {
    let Found { container, settings, place, .. } = found;
    let (path, args) = settings.args.split_first().map_or(("", &[][..]), |(a, b)| (a.as_str(), b));
    let (entrypoint, command) = settings.args.split_at(settings.entrypoint);
    let binds = settings.volumes.iter().map(|volume| {
        let mode = if volume.read_only { "ro" } else { "rw" };
        format!("{}:{}:{mode}", volume.source, volume.target)
    });
    let mounts = settings.volumes.iter().map(|volume| {
        json!({
            "Type": "bind", "Source": volume.source, "Destination": volume.target,
            "Mode": if volume.read_only { "ro" } else { "" }, "RW": !volume.read_only,
            "Propagation": "rprivate",
        })
    });
    Ok(json!({
        "Id": container.id,
        "Created": container.created_at.to_string(),
        "Path": path,
        "Args": args,
        "State": state(&found.status()),
        "Image": settings.image_id,
        "LogPath": place.log().display().to_string(),
        "Name": format!("/{}", settings.name),
        "Driver": container.snapshotter,
        "Platform": "linux",
        "HostConfig": {
            "AutoRemove": settings.auto_remove,
            "Binds": binds.collect::<Vec<_>>(),
            "NetworkMode": settings.network.as_str(),
            "ReadonlyRootfs": settings.read_only,
            "Runtime": settings.runtime,
            "SecurityOpt": security(found),
        },
        "GraphDriver": {
            "Name": container.snapshotter,
            "Data": {"Snapshot": container.snapshot_key, "Root": place.rootfs().display().to_string()},
        },
        "Mounts": mounts.collect::<Vec<_>>(),
        "Config": {
            "Hostname": hostname(settings, &container.id),
            "User": settings.user,
            "Tty": settings.tty,
            "OpenStdin": settings.open_stdin,
            "Env": settings.env,
            "Cmd": command,
            "Image": settings.image,
            "WorkingDir": settings.working_dir,
            "Entrypoint": entrypoint,
            "Labels": container.labels,
            "StopSignal": settings.stop_signal,
        },
    }))
}

fn security(found: &Found) -> Vec<String> {
    let filter = (!found.settings.seccomp).then(|| "seccomp=unconfined".to_owned());
    let privileges = format!("no-new-privileges={}", found.settings.no_new_privileges);
    filter.into_iter().chain([privileges]).collect()
}

fn state(status: &Status) -> Value {
    const NEVER: &str = "0001-01-01T00:00:00Z";
    let (pid, code, started, finished) = match status {
        Status::Created => (0, 0, NEVER.to_owned(), NEVER.to_owned()),
        Status::Running { pid, since, .. } => (*pid, 0, since.to_string(), NEVER.to_owned()),
        Status::Exited { end, started } => (0, end.status, started.to_string(), end.at.to_string()),
    };
    json!({
        "Status": status.word(), "Running": status.is_running(), "Paused": false, "Restarting": false,
        "Dead": false, "Pid": pid, "ExitCode": code, "Error": "", "StartedAt": started,
        "FinishedAt": finished,
    })
}
