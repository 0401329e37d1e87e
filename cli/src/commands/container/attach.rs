//! `varve attach`.

use clap::{ArgAction, Args};
use varve_core::{Error, Result};

use super::stay;
use crate::args::Global;
use crate::container::attach::{self, Keys, Signals};
use crate::container::find::{self, Found};
use crate::container::place::Base;
use crate::container::settings::Settings;
use crate::container::state::{State, Status};
use crate::container::stop;
use crate::container::terminal;
use crate::container::wire::{Frame, Started};
use crate::failure;
use crate::life;
use crate::session::Session;

/// Come to a program that runs already
///
/// Its output comes here from now on, and what is typed here goes there, where its input is open. This command ends as
/// the program does. On a terminal, ctrl-p ctrl-q leaves it running.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  varve attach web\n  varve attach --no-stdin --sig-proxy=false web"
)]
pub struct Attach {
    /// By name, by ID or the start of one
    #[arg(value_name = "CONTAINER")]
    container: String,
    /// Bring nothing that is typed here to the program
    #[arg(long)]
    no_stdin: bool,
    /// Whether signals are passed on; else they end this command alone
    #[arg(long, value_name = "BOOL", action = ArgAction::Set)]
    #[arg(default_value_t = true, default_missing_value = "true", num_args = 0..=1, require_equals = true)]
    sig_proxy: bool,
    /// The keys that leave the program, such as ctrl-a,d
    #[arg(long, value_name = "KEYS", default_value = "ctrl-p,ctrl-q")]
    detach_keys: Keys,
}

impl Attach {
    pub async fn run(self, global: &Global) -> failure::Result<()> {
        let base = Base::of(global)?;
        let find = async |session: &Session| Ok(find::find(session, &base, &self.container).await?);
        let found = life::with(global, find).await?;
        let started = running(&found)?;
        let typed = found.settings.open_stdin && !self.no_stdin;
        if found.settings.tty && typed {
            terminal::need()?;
        }
        let stream = stop::connect(&found.place.control()).map_err(|error| {
            Error::io(format!("the monitor of container {}", self.container), error)
        })?;
        let say =
            |frame: Frame| frame.write(&mut &stream).map_err(|error| Error::io("a monitor", error));
        say(Frame::Attach)?;
        if found.settings.tty
            && let Some((rows, columns)) = terminal::size()
        {
            say(Frame::Resize(rows, columns))?;
        }
        let settings = Settings { open_stdin: typed, ..found.settings.clone() };
        if self.sig_proxy {
            let signals = Signals::listen()?;
            let staying = attach::attach(stream, &started, &settings, signals, &self.detach_keys);
            return stay::leave(staying.await?);
        }
        let staying =
            attach::attach(stream, &started, &settings, Signals::none(), &self.detach_keys);
        tokio::select! {
            outcome = staying => stay::leave(outcome?),
            _ = tokio::signal::ctrl_c() => Err(failure::Failure::Interrupted { resumes: false }),
        }
    }
}

/// The program of a container that runs.
fn running(found: &Found) -> Result<Started> {
    match (found.status(), State::load(&found.place)) {
        (Status::Running { watched: true, .. }, Some(state)) => {
            Ok(Started { pid: state.pid, identity: state.program })
        }
        (Status::Running { .. }, _) => Err(Error::precondition(format!(
            "container {} has lost its monitor, and with it its output; stop it and start it again",
            found.settings.name
        ))),
        _ => Err(Error::precondition("You cannot attach to a stopped container, start it first")),
    }
}
