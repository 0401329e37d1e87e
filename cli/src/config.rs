//! What `--config` names: where services are, or how those of this process are opened.
//!
//! A file with addresses is a client's (deploy/config/client.toml); any other is for whoever owns a root,
//! a daemon or a command that has all services in itself (deploy/config/varve.toml). Its tables are those
//! of the services' own files. What is left out has its default.

use serde::Deserialize;
use serde::de::IgnoredAny;
use varve_core::oci::Bounds;
use varve_core::{Error, Result};
use varve_registry::Client;
use varve_rpc::Address;
use varve_rpc::config::load;
use varve_snapshotter::apply::Limits;

use crate::args::Global;
use crate::services::remote::Addresses;

/// All of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// Of the services, where they are elsewhere.
    pub addresses: Option<Addresses>,
    pub store: varve_content_store::Config,
    pub snapshotter: varve_snapshotter::Config,
    pub fetcher: varve_fetcher::Config,
    /// A daemon's, in the background.
    pub scrub: varve_content_store::Scrub,
    pub registry: varve_registry::Config,
    /// What is read of images, here and by the services of this process.
    pub images: Bounds,
}

/// A client's file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Elsewhere {
    content_store: Address,
    snapshotter: Address,
    resolver: Address,
    fetcher: Address,
    #[serde(default)]
    registry: varve_registry::Config,
    #[serde(default)]
    images: Bounds,
    #[serde(default)]
    limits: Limits,
}

/// A root's.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Here {
    store: varve_content_store::Config,
    snapshotter: varve_snapshotter::Config,
    fetcher: varve_fetcher::Config,
    scrub: varve_content_store::Scrub,
    registry: varve_registry::Config,
    images: Bounds,
}

/// Whether a file has addresses.
#[derive(Deserialize)]
struct Probe {
    content_store: Option<IgnoredAny>,
}

impl Config {
    /// The file that `global` names, and what its other options say.
    ///
    /// # Errors
    /// InvalidArgument naming the file, the line and the key for what cannot be understood or is out of
    /// its bounds.
    pub fn of(global: &Global) -> Result<Self> {
        let mut config = match &global.config {
            None => Self::default(),
            Some(file) if load::<Probe>(file)?.content_store.is_some() => {
                load::<Elsewhere>(file)?.into()
            }
            Some(file) => load::<Here>(file)?.into(),
        };
        if !global.hosts_dirs.is_empty() {
            config.registry.hosts_dirs = global.hosts_dirs.clone();
        }
        config.store.images = config.images;
        config.registry.images = config.images;
        Ok(config)
    }

    /// The same, where this process is to own a root.
    ///
    /// # Errors
    /// InvalidArgument where the file says that the services are elsewhere, too.
    pub fn of_owner(global: &Global) -> Result<Self> {
        let config = Self::of(global)?;
        if let (Some(_), Some(file)) = (&config.addresses, &global.config) {
            return Err(Error::invalid(format!(
                "configuration {}: says where services are, and a daemon has its own; give it a file like \
                 deploy/config/varve.toml",
                file.display()
            )));
        }
        Ok(config)
    }

    /// A client of registries.
    pub fn registry(&self) -> Client {
        Client::new(self.registry.clone())
    }
}

impl From<Elsewhere> for Config {
    fn from(from: Elsewhere) -> Self {
        let Elsewhere { content_store, snapshotter, resolver, fetcher, registry, images, limits } =
            from;
        let addresses = Some(Addresses { content_store, snapshotter, resolver, fetcher });
        let snapshotter = varve_snapshotter::Config { limits, ..Default::default() };
        Self { addresses, snapshotter, registry, images, ..Self::default() }
    }
}

impl From<Here> for Config {
    fn from(from: Here) -> Self {
        let Here { store, snapshotter, fetcher, scrub, registry, images } = from;
        Self { addresses: None, store, snapshotter, fetcher, scrub, registry, images }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;
    use std::path::{Path, PathBuf};

    use super::*;

    fn deployed(name: &str) -> String {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/config");
        std::fs::read_to_string(dir.join(name)).unwrap()
    }

    /// With every value that is commented out put in.
    fn shown(text: &str) -> String {
        let value = |line: &str| line.starts_with("# ") && line.contains(" = ");
        let lines: Vec<_> =
            text.lines().map(|line| if value(line) { &line[2..] } else { line }).collect();
        lines.join("\n")
    }

    fn of(text: &str) -> Result<Config> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let mut global = global(&[]);
        global.config = Some(PathBuf::from(file.path()));
        Config::of(&global)
    }

    fn global(words: &[&str]) -> Global {
        use clap::Parser;
        crate::args::Cli::parse_from([&["varve"], words, &["version"]].concat()).global
    }

    /// A table and its lines, up to the next one.
    fn table<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
        let head = format!("[{name}]");
        let after = text.lines().skip_while(|line| *line != head);
        after.skip(1).take_while(|line| !line.is_empty()).collect()
    }

    fn fields(of: &impl Debug) -> Vec<String> {
        let printed = format!("{of:#?}");
        let names = printed.lines().filter_map(|line| line.strip_prefix("    ")?.split_once(": "));
        let names = names.map(|(name, _)| name.to_owned());
        names.filter(|name| name.bytes().all(|it| it.is_ascii_lowercase() || it == b'_')).collect()
    }

    #[test]
    fn the_values_that_the_files_show_are_the_defaults() {
        let mut defaults = Config::of(&global(&[])).unwrap();
        // It follows the machine.
        defaults.snapshotter.extractions = 4;
        assert_eq!(of(&shown(&deployed("varve.toml"))).unwrap(), defaults);
        assert_eq!(of(&deployed("varve.toml")).unwrap(), Config::of(&global(&[])).unwrap());
        let client = of(&shown(&deployed("client.toml"))).unwrap();
        assert!(client.addresses.is_some());
        assert_eq!((client.registry, client.images), (defaults.registry, defaults.images));
        assert_eq!(client.snapshotter.limits, defaults.snapshotter.limits);
    }

    #[test]
    fn each_bound_is_in_the_files_and_with_the_same_words_in_all_of_them() {
        let all = deployed("varve.toml");
        let config = Config::default();
        let tables = [
            ("store", fields(&config.store), &["dir", "images"][..]),
            ("snapshotter", fields(&config.snapshotter), &["root", "boot_id", "limits"]),
            ("snapshotter.limits", fields(&config.snapshotter.limits), &[]),
            ("registry", fields(&config.registry), &["images"]),
            ("images", fields(&config.images), &[]),
            ("fetcher", fields(&config.fetcher), &[]),
            ("scrub", fields(&config.scrub), &[]),
        ];
        for (name, fields, elsewhere) in tables {
            let lines = table(&all, name);
            for field in fields.iter().filter(|field| !elsewhere.contains(&field.as_str())) {
                let head = format!("# {field} = ");
                assert!(lines.iter().any(|line| line.starts_with(&head)), "[{name}] {field}");
            }
            for file in ["content-store", "snapshotter", "resolver", "fetcher", "client"] {
                let other = deployed(&format!("{file}.toml"));
                let told = table(&other, name);
                assert!(told.is_empty() || told == lines, "[{name}] of {file}.toml");
            }
        }
    }

    #[test]
    fn what_is_no_configuration_is_told_with_its_line_and_key() {
        for (text, why) in [
            ("[store]\nmax_writers = 0", "max_writers is 0, and must be from 1 to 65536"),
            ("[snapshotter.limits]\npath = 5000", "path is 5000, and must be from 1 to 4095"),
            ("[snapshotter.limits]\nentries = 0", "entries is 0"),
            ("[images]\nlayers = 0", "layers is 0"),
            ("[registry]\nstall = -1", "line 2"),
            ("[fetcher]\nbatch = 1", "batch is 1"),
            ("[snapshoter]", "snapshoter"),
            ("content_store = \"unix:///x\"", "snapshotter"),
        ] {
            let error = of(text).unwrap_err().chain();
            assert!(error.contains("line ") && error.contains(why), "{error}");
        }
    }

    #[test]
    fn words_go_before_the_file_and_bounds_reach_whoever_reads() {
        let config = of("[images]\nlayers = 7\n[registry]\nattempts = 2").unwrap();
        assert_eq!((config.store.images.layers, config.registry.images.layers), (7, 7));
        let with_words = Config::of(&global(&["--hosts-dir", "/a:/b"])).unwrap();
        assert_eq!(with_words.registry.hosts_dirs, ["/a", "/b"].map(PathBuf::from));
    }

    #[test]
    fn a_daemon_takes_no_file_of_a_client() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), deployed("client.toml")).unwrap();
        let global = global(&["--config", file.path().to_str().unwrap()]);
        let error = Config::of_owner(&global).unwrap_err();
        assert!(error.message().contains("says where services are"), "{error}");
        assert!(Config::of(&global).unwrap().addresses.is_some());
    }
}
