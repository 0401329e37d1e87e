//! What a container is made of and how it is run: decided once, when it is made, and kept in its record.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use varve_core::containers::{Any, Container};
use varve_core::labels::IMAGE;
use varve_core::{Error, Labels, Result};

use super::volume::Volume;

/// The extension of a record that holds them, and the type that it says it has.
const EXTENSION: &str = "varve.container";
const TYPE: &str = "varve/container.settings.v1";
const FORMAT: u32 = 1;
/// Labels of these prefixes mean something to an engine: an image does not set them (CVE-2026-53488).
const RESERVED: [&str; 4] = ["varve.", "containerd.io/", "io.containerd.", "io.cri-containerd"];

/// All that starting it needs, beside its snapshot.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Settings {
    pub v: u32,
    pub name: String,
    /// As it was named when the container was made.
    pub image: String,
    /// The digest of its config.
    pub image_id: String,
    /// The process that made it (see `process::identity`).
    pub creator: String,
    /// It goes when its program ends.
    pub auto_remove: bool,
    /// Program and arguments.
    pub args: Vec<String>,
    /// How many of them are the entrypoint.
    pub entrypoint: usize,
    /// `NAME=value`, the image's first; each name once.
    pub env: Vec<String>,
    pub working_dir: String,
    /// `USER[:GROUP]`; root where it is empty.
    pub user: String,
    pub tty: bool,
    pub open_stdin: bool,
    pub hostname: Option<String>,
    pub network: Network,
    pub read_only: bool,
    pub volumes: Vec<Volume>,
    /// A name such as SIGTERM, or a number.
    pub stop_signal: String,
    pub no_new_privileges: bool,
    /// Whether system calls are filtered.
    pub seccomp: bool,
    /// runc, crun or a path; the first there is where none was asked for.
    pub runtime: Option<String>,
}

/// What of the network it sees.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// The machine's own
    #[default]
    Host,
    /// A loopback alone
    None,
}

impl Network {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::None => "none",
        }
    }
}

impl Settings {
    pub const FORMAT: u32 = FORMAT;

    /// Those of a record. FailedPrecondition where the record was not made by Varve, or by a newer one.
    pub fn of(container: &Container) -> Result<Self> {
        let id = &container.id;
        let Some(any) = container.extensions.get(EXTENSION) else {
            return Err(Error::precondition(format!("container {id}: was not made by varve")));
        };
        let settings: Self = serde_json::from_slice(&any.value).map_err(|error| {
            Error::data_loss(format!("container {id}: its settings")).with_source(error)
        })?;
        if settings.v != FORMAT {
            let message = format!("container {id}: format {}; use a newer varve", settings.v);
            return Err(Error::precondition(message));
        }
        Ok(settings)
    }

    /// As a record holds them.
    pub fn extensions(&self) -> Result<BTreeMap<String, Any>> {
        let value = serde_json::to_vec(self)
            .map_err(|error| Error::internal("a container's settings").with_source(error))?;
        let any = Any { type_url: TYPE.into(), value: Bytes::from(value) };
        Ok(BTreeMap::from([(EXTENSION.to_owned(), any)]))
    }

    /// The last `NAME=value` of each name, in the order in which the names came.
    pub fn merge_env(all: impl IntoIterator<Item = String>) -> Vec<String> {
        let mut merged: Vec<String> = Vec::new();
        let name = |pair: &str| pair.split('=').next().unwrap_or_default().to_owned();
        for pair in all {
            match merged.iter_mut().find(|known| name(known) == name(&pair)) {
                Some(known) => *known = pair,
                None => merged.push(pair),
            }
        }
        merged
    }
}

/// Whether an engine acts by a label that is called so.
pub fn is_reserved(key: &str) -> bool {
    RESERVED.iter().any(|prefix| key.starts_with(prefix))
}

/// The labels of a new container: the image's but for those that mean something, what was asked for, and the
/// image's digest.
pub fn labels<'a>(
    of_image: impl Iterator<Item = (&'a str, &'a str)>,
    asked: &[(String, String)],
    target: &varve_core::Digest,
) -> Labels {
    let of_image = of_image.filter(|(key, _)| !is_reserved(key) && !key.is_empty());
    let of_image = of_image.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let mut labels: Labels = of_image.chain(asked.iter().cloned()).collect();
    labels.insert(IMAGE.to_owned(), target.to_string());
    // One that no store takes is the image's fault, and no reason not to run it.
    labels.retain(|key, value| key.len() + value.len() <= varve_core::labels::MAX_LABEL);
    labels
}

#[cfg(test)]
pub mod tests {
    use varve_core::Digest;

    use super::*;

    /// A shell, with everything as it is where nothing is asked for.
    pub fn example() -> Settings {
        Settings {
            v: FORMAT,
            name: "quiet_shale".into(),
            image: "demo:1".into(),
            image_id: Digest::of(b"config").to_string(),
            creator: String::new(),
            auto_remove: false,
            args: vec!["/bin/sh".into()],
            entrypoint: 0,
            env: Vec::new(),
            working_dir: "/".into(),
            user: String::new(),
            tty: false,
            open_stdin: false,
            hostname: None,
            network: Network::Host,
            read_only: false,
            volumes: Vec::new(),
            stop_signal: "SIGTERM".into(),
            no_new_privileges: true,
            seccomp: true,
            runtime: None,
        }
    }

    #[test]
    fn the_last_value_of_a_name_wins_in_the_place_of_the_first() {
        let all = ["A=1", "B=2", "A=3", "C", "C=4"].map(str::to_owned);
        assert_eq!(Settings::merge_env(all), ["A=3", "B=2", "C=4"]);
    }

    #[test]
    fn an_image_sets_no_label_that_an_engine_acts_by() {
        let (digest, other) = (Digest::of(b"x"), Digest::of(b"y").to_string());
        let of_image = [
            ("stage", "test"),
            ("varve.image", other.as_str()),
            ("containerd.io/restart.loguri", "binary:///bin/sh"),
            ("containerd.io/gc.root", "x"),
        ];
        let labels = labels(of_image.into_iter(), &[("a".into(), "b".into())], &digest);
        let want = [("a", "b"), ("stage", "test"), ("varve.image", &digest.to_string())];
        let want = want.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(labels, Labels::from(want));
    }
}
