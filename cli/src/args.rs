//! The command line: what is global, and the list of commands. Each command's own words stand beside
//! what it does, in `commands`.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand};
use varve_core::{Namespace, Result};
use varve_rpc::Address;

use crate::progress::Style;

use crate::commands::{
    check, completion, container, content, daemon, df, gc, health, history, images, import,
    inspect, leases, load, login, logout, mount, plan, prune, pull, push, rm, save, search,
    snapshots, system, tag, unmount, version, why,
};

/// Pull container images, keep them, and stack them into root file systems.
#[derive(Parser, Debug)]
#[command(name = "varve", version, max_term_width = 100)]
#[command(after_help = "Example:\n  varve pull alpine\n  varve mount alpine /mnt")]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Where everything is kept [default: /var/lib/varve for root, otherwise varve in
    /// $XDG_DATA_HOME or ~/.local/share]
    #[arg(long, global = true, value_name = "DIR", env = "VARVE_ROOT", hide_env_values = true)]
    pub root: Option<PathBuf>,
    /// The daemon to work with: unix:///PATH, or http://127.0.0.1:PORT [default: whoever owns the
    /// root, else this process]
    #[arg(
        long,
        global = true,
        value_name = "ADDRESS",
        env = "VARVE_ADDRESS",
        hide_env_values = true
    )]
    pub address: Option<Address>,
    /// A file with an address for each service, where they run apart
    #[arg(long, global = true, value_name = "FILE", env = "VARVE_CONFIG", hide_env_values = true)]
    pub config: Option<PathBuf>,
    /// Where mirrors and certificates of registries are configured, for the services of this process;
    /// may be given again [default: /etc/varve/certs.d, then containerd's, then Docker's]
    #[arg(long = "hosts-dir", global = true, value_name = "DIR", env = "VARVE_HOSTS_DIR")]
    #[arg(value_delimiter = ':', hide_env_values = true)]
    pub hosts_dirs: Vec<PathBuf>,
    /// A file with limits for talking to registries, as [registry] in deploy/config/fetcher.toml has them,
    /// for the services of this process
    #[arg(long, global = true, value_name = "FILE", env = "VARVE_REGISTRY_CONFIG")]
    #[arg(hide_env_values = true)]
    pub registry_config: Option<PathBuf>,
    /// The namespace to work in: its images, blobs, leases and snapshots are its own
    #[arg(long, short, global = true, value_name = "NAME", env = "VARVE_NAMESPACE")]
    #[arg(default_value = varve_core::scope::DEFAULT_NAMESPACE, hide_env_values = true)]
    pub namespace: Namespace,
    /// How to print what there is to print: text or json [default: text]
    // A string, as `varve save --output FILE` has its own meaning for the same word.
    #[arg(long, short, global = true, value_name = "FORMAT")]
    #[arg(value_parser = PossibleValuesParser::new(["text", "json"]), hide_possible_values = true)]
    output: Option<String>,
    /// How to show progress: auto, plain, or json (an object a line on stderr, as Docker's API has them)
    #[arg(long, global = true, value_name = "STYLE", value_enum, default_value_t)]
    #[arg(env = "VARVE_PROGRESS", hide_env_values = true, hide_possible_values = true)]
    pub progress: Style,
    /// What to log on stderr: error, warn, info, debug, trace, or a filter such as varve=debug
    #[arg(long, global = true, value_name = "LEVEL", env = "VARVE_LOG", default_value = "warn")]
    #[arg(hide_env_values = true)]
    pub log: String,
}

impl Global {
    /// How to print.
    pub fn format(&self) -> Format {
        match self.output.as_deref() {
            Some("json") => Format::Json,
            _ => Format::Text,
        }
    }

    /// How this process talks to registries.
    pub fn registry(&self) -> Result<varve_registry::Config> {
        let mut config = match &self.registry_config {
            Some(file) => varve_rpc::config::load(file)?,
            None => varve_registry::Config::default(),
        };
        if !self.hosts_dirs.is_empty() {
            config.hosts_dirs.clone_from(&self.hosts_dirs);
        }
        Ok(config)
    }
}

/// The form of what is printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Lines and tables
    Text,
    /// One JSON document
    Json,
}

/// Which snapshotter a command works with.
#[derive(Args, Clone, Debug, Default)]
pub struct SnapshotterArg {
    /// overlayfs or native [default: overlayfs where it works, otherwise native]
    #[arg(long, global = true, value_name = "NAME", env = "VARVE_SNAPSHOTTER")]
    #[arg(hide_env_values = true)]
    pub snapshotter: Option<String>,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    #[command(flatten)]
    Containers(container::Alone),
    Container(container::Container),
    #[command(hide = true)]
    Monitor(container::monitor::Monitor),
    Pull(pull::Pull),
    Push(push::Push),
    Plan(plan::Plan),
    Image(images::Image),
    Images(images::Images),
    #[command(about = "Remove images; the same as `varve image rm`")]
    Rmi(rm::Rm),
    Prune(prune::Prune),
    Tag(tag::Tag),
    Save(save::Save),
    Load(load::Load),
    Import(import::Import),
    Inspect(inspect::Inspect),
    History(history::History),
    Content(content::Content),
    #[command(visible_alias = "snapshot")]
    Snapshots(snapshots::Snapshots),
    #[command(visible_alias = "lease")]
    Leases(leases::Leases),
    Login(login::Login),
    Logout(logout::Logout),
    Search(search::Search),
    Mount(mount::Mount),
    #[command(visible_alias = "umount")]
    Unmount(unmount::Unmount),
    Df(df::Df),
    System(system::System),
    Why(why::Why),
    Check(check::Check),
    Gc(gc::Gc),
    Daemon(daemon::Daemon),
    Health(health::Health),
    Version(version::Version),
    Completion(completion::Completion),
    #[cfg(any(test, feature = "man"))]
    Man(crate::commands::man::Man),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_command_line_has_no_contradictions_and_each_command_shows_an_example() {
        let mut command = Cli::command();
        command.build();
        command.clone().debug_assert();
        for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
            let help = sub.clone().render_long_help().to_string();
            assert!(help.contains("Example"), "{}", sub.get_name());
        }
    }

    #[test]
    fn global_options_stand_before_and_after_the_command() {
        for line in ["varve -n a -o json images ls", "varve images ls --namespace a -o json"] {
            let cli = parse(line).unwrap();
            assert_eq!((cli.global.namespace.as_str(), cli.global.format()), ("a", Format::Json));
        }
    }

    #[test]
    fn the_output_of_a_save_is_a_file_and_of_all_others_a_format() {
        for line in ["varve save -o x.tar a", "varve save a --output x.tar", "varve save a"] {
            let cli = parse(line).unwrap();
            assert_eq!(cli.global.format(), Format::Text, "{line}");
            let said = format!("{:?}", cli.command);
            assert_eq!(said.contains("Some(\"x.tar\")"), line.contains("x.tar"), "{said}");
        }
        assert!(parse("varve images -o x.tar").is_err());
    }

    #[test]
    fn a_snapshotter_is_named_before_and_after_the_subcommand() {
        for line in
            ["varve snapshots --snapshotter native ls", "varve snapshots ls --snapshotter x"]
        {
            assert!(parse(line).is_ok(), "{line}");
        }
    }

    #[test]
    fn images_lists_with_and_without_ls_and_image_wants_to_know() {
        for line in ["varve images", "varve images ls", "varve images alpine"] {
            assert!(matches!(parse(line).unwrap().command, Command::Images(_)), "{line}");
        }
        assert!(matches!(parse("varve image ls").unwrap().command, Command::Image(_)));
        for line in ["varve image", "varve image remvoe"] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn what_is_no_name_is_a_usage_error() {
        for line in [
            "varve pull Alpine",
            "varve -n a/b images",
            "varve content get sha256:ab",
            "varve pull --platform linux/amd64/v1/x alpine",
        ] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }
}
