//! What an image says of the containers made of it (image-spec config.md, *config*). What is not as it should
//! be there counts as absent.

use serde::Deserialize;
use serde_json::Value;

/// The part that a container takes over.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct ImageConfig {
    pub env: Vec<String>,
    pub entrypoint: Vec<String>,
    pub cmd: Vec<String>,
    pub working_dir: String,
    pub user: String,
    pub stop_signal: String,
}

impl ImageConfig {
    /// Reads the object.
    pub fn of(config: &Value) -> Self {
        Self {
            env: read(config, "Env"),
            entrypoint: words(config, "Entrypoint"),
            cmd: words(config, "Cmd"),
            working_dir: read(config, "WorkingDir"),
            user: read(config, "User"),
            stop_signal: read(config, "StopSignal"),
        }
    }

    /// Program and arguments, and how many of them are the entrypoint. An entrypoint that was asked for drops
    /// the image's arguments, as with Docker.
    pub fn args(&self, entrypoint: Option<&str>, command: &[String]) -> (Vec<String>, usize) {
        let (mut args, default) = match entrypoint {
            Some("") => (Vec::new(), &[][..]),
            Some(entrypoint) => (vec![entrypoint.to_owned()], &[][..]),
            None => (self.entrypoint.clone(), &self.cmd[..]),
        };
        let length = args.len();
        args.extend_from_slice(if command.is_empty() { default } else { command });
        (args, length)
    }
}

fn read<'a, T: Deserialize<'a> + Default>(config: &'a Value, field: &str) -> T {
    config.get(field).and_then(|value| T::deserialize(value).ok()).unwrap_or_default()
}

/// A list, or one string, which some old images have in its place.
fn words(config: &Value, field: &str) -> Vec<String> {
    match config.get(field) {
        Some(Value::String(one)) => vec!["/bin/sh".into(), "-c".into(), one.clone()],
        _ => read(config, field),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn strings(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn entrypoint_and_command_are_put_together_as_docker_does() {
        let config = json!({"Entrypoint": ["/entry", "-x"], "Cmd": ["a", "b"], "Env": ["A=1"]});
        let config = ImageConfig::of(&config);
        let told = |entrypoint, command: &[&str]| config.args(entrypoint, &strings(command));
        assert_eq!(told(None, &[]), (strings(&["/entry", "-x", "a", "b"]), 2));
        assert_eq!(told(None, &["c"]), (strings(&["/entry", "-x", "c"]), 2));
        assert_eq!(told(Some("/sh"), &[]), (strings(&["/sh"]), 1));
        assert_eq!(told(Some("/sh"), &["-c", "x"]), (strings(&["/sh", "-c", "x"]), 1));
        assert_eq!(told(Some(""), &["x"]), (strings(&["x"]), 0));
    }

    #[test]
    fn what_is_not_as_it_should_be_counts_as_absent() {
        let config = json!({"Env": "A=1", "Cmd": null, "WorkingDir": 7, "Entrypoint": "run"});
        let config = ImageConfig::of(&config);
        let entrypoint = strings(&["/bin/sh", "-c", "run"]);
        assert_eq!(config, ImageConfig { entrypoint, ..ImageConfig::default() });
        assert_eq!(ImageConfig::of(&Value::Null), ImageConfig::default());
    }
}
