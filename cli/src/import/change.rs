//! Instructions of a Dockerfile that change a config: what `--change` takes.

use std::str::FromStr;

use serde_json::{Map, Value, json};
use varve_core::{Error, Result};

/// What there is.
const KNOWN: &str =
    "CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR";

/// A checked instruction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// Cmd or Entrypoint.
    Run(&'static str, Vec<String>),
    /// Names and values.
    Env(Vec<(String, String)>),
    Labels(Vec<(String, String)>),
    /// Keys of ExposedPorts or Volumes.
    Set(&'static str, Vec<String>),
    /// User or StopSignal.
    Word(&'static str, String),
    WorkingDir(String),
    OnBuild(String),
}

impl FromStr for Change {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = |why: String| Error::invalid(format!("change {text:?}: {why}"));
        let (word, rest) = text.trim().split_once(char::is_whitespace).unwrap_or((text.trim(), ""));
        let rest = rest.trim();
        if rest.is_empty() {
            return Err(bad(format!("want an instruction and its value; there are {KNOWN}")));
        }
        parse(&word.to_uppercase(), rest).map_err(bad)
    }
}

fn parse(word: &str, rest: &str) -> Result<Change, String> {
    Ok(match word {
        "CMD" => Change::Run("Cmd", command(rest)),
        "ENTRYPOINT" => Change::Run("Entrypoint", command(rest)),
        "ENV" => Change::Env(pairs(rest)?),
        "LABEL" => Change::Labels(pairs(rest)?),
        "EXPOSE" => Change::Set("ExposedPorts", ports(rest)?),
        "VOLUME" => Change::Set("Volumes", list(rest).map_or_else(|| words(rest), Ok)?),
        "USER" => Change::Word("User", one(rest)?),
        "STOPSIGNAL" => Change::Word("StopSignal", one(rest)?),
        "WORKDIR" => Change::WorkingDir(one(rest)?),
        "ONBUILD" => Change::OnBuild(rest.to_owned()),
        other => return Err(format!("there is no instruction {other}; there are {KNOWN}")),
    })
}

/// A JSON list as it is; anything else is for the shell.
fn command(rest: &str) -> Vec<String> {
    list(rest).unwrap_or_else(|| vec!["/bin/sh".into(), "-c".into(), rest.to_owned()])
}

fn list(rest: &str) -> Option<Vec<String>> {
    serde_json::from_str(rest).ok()
}

fn one(rest: &str) -> Result<String, String> {
    match &words(rest)?[..] {
        [word] => Ok(word.clone()),
        _ => Err("want one word".into()),
    }
}

/// `K=V K="a b"`, or the older `K all that follows`.
fn pairs(rest: &str) -> Result<Vec<(String, String)>, String> {
    let first = rest.split_whitespace().next().unwrap_or_default();
    if !first.contains('=') {
        let (key, value) = rest.split_once(char::is_whitespace).ok_or("want NAME=VALUE")?;
        return Ok(vec![(key.to_owned(), value.trim().to_owned())]);
    }
    let pair = |word: String| match word.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("want NAME=VALUE, and not {word:?}")),
    };
    words(rest)?.into_iter().map(pair).collect()
}

/// `80`, `53/udp`, `8000-8002/tcp`.
fn ports(rest: &str) -> Result<Vec<String>, String> {
    let mut all = Vec::new();
    for word in words(rest)? {
        let (range, protocol) = word.split_once('/').unwrap_or((&word, "tcp"));
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
        let (first, last) = port(first).zip(port(last)).ok_or(format!("{word:?} is no port"))?;
        if last < first || !["tcp", "udp", "sctp"].contains(&protocol) {
            return Err(format!("{word:?} is no port"));
        }
        all.extend((first..=last).map(|port| format!("{port}/{protocol}")));
    }
    Ok(all)
}

/// Words as a shell splits them: quotes keep blanks, a backslash keeps what follows.
fn words(text: &str) -> Result<Vec<String>, String> {
    let (mut all, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match (quote, char) {
            (Some(open), close) if open == close => quote = None,
            (Some('\''), char) => word.get_or_insert_default().push(char),
            (_, '\\') => word.get_or_insert_default().extend(chars.next()),
            (None, open @ ('"' | '\'')) => {
                quote = Some(open);
                word.get_or_insert_default();
            }
            (None, blank) if blank.is_whitespace() => all.extend(word.take()),
            (_, char) => word.get_or_insert_default().push(char),
        }
    }
    all.extend(word);
    match quote {
        Some(quote) => Err(format!("a {quote} is not closed")),
        None => Ok(all),
    }
}

impl Change {
    /// Changes the part of a config that containers run with.
    pub fn apply(&self, config: &mut Map<String, Value>) {
        match self {
            Self::Run(key, command) => drop(config.insert((*key).into(), json!(command))),
            Self::Word(key, word) => drop(config.insert((*key).into(), json!(word))),
            Self::Env(pairs) => pairs.iter().for_each(|(name, value)| env(config, name, value)),
            Self::Labels(pairs) => {
                let pairs = pairs.iter().map(|(key, value)| (key.clone(), json!(value)));
                object(config, "Labels").extend(pairs);
            }
            Self::Set(key, names) => {
                let names = names.iter().map(|name| (name.clone(), json!({})));
                object(config, key).extend(names);
            }
            Self::WorkingDir(dir) => {
                let dir = working_dir(config.get("WorkingDir").and_then(Value::as_str), dir);
                config.insert("WorkingDir".into(), json!(dir));
            }
            Self::OnBuild(instruction) => list_of(config, "OnBuild").push(json!(instruction)),
        }
    }
}

/// Relative to what it was before.
fn working_dir(before: Option<&str>, dir: &str) -> String {
    match dir.starts_with('/') {
        true => dir.to_owned(),
        false => format!("{}/{dir}", before.unwrap_or_default().trim_end_matches('/')),
    }
}

/// A variable stands there once.
fn env(config: &mut Map<String, Value>, name: &str, value: &str) {
    let all = list_of(config, "Env");
    let start = format!("{name}=");
    all.retain(|it| !it.as_str().is_some_and(|it| it.starts_with(&start)));
    all.push(json!(format!("{name}={value}")));
}

fn object<'a>(config: &'a mut Map<String, Value>, key: &str) -> &'a mut Map<String, Value> {
    let value = config.entry(key).or_insert_with(|| json!({}));
    value.as_object_mut().expect("only objects are put there")
}

fn list_of<'a>(config: &'a mut Map<String, Value>, key: &str) -> &'a mut Vec<Value> {
    let value = config.entry(key).or_insert_with(|| json!([]));
    value.as_array_mut().expect("only lists are put there")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(changes: &[&str]) -> Value {
        let mut config = Map::new();
        for change in changes {
            change.parse::<Change>().unwrap().apply(&mut config);
        }
        config.into()
    }

    #[test]
    fn instructions_change_a_config_as_dockers_do() {
        let config = changed(&[
            "CMD [\"a\", \"b\"]",
            "entrypoint run \"$X\"",
            "ENV A=1 B=\"two words\" C=it\\ is",
            "ENV A 3 four",
            "EXPOSE 80 53/udp 8000-8001",
            "LABEL k='v w' empty=",
            "WORKDIR /srv",
            "WORKDIR app",
            "VOLUME [\"/data\"]",
            "USER 1000:1000",
            "STOPSIGNAL SIGINT",
            "ONBUILD RUN x",
        ]);
        assert_eq!(
            config,
            json!({
                "Cmd": ["a", "b"],
                "Entrypoint": ["/bin/sh", "-c", "run \"$X\""],
                "Env": ["B=two words", "C=it is", "A=3 four"],
                "ExposedPorts": {"80/tcp": {}, "53/udp": {}, "8000/tcp": {}, "8001/tcp": {}},
                "Labels": {"k": "v w", "empty": ""},
                "WorkingDir": "/srv/app",
                "Volumes": {"/data": {}},
                "User": "1000:1000",
                "StopSignal": "SIGINT",
                "OnBuild": ["RUN x"],
            })
        );
    }

    #[test]
    fn what_is_no_instruction_is_refused_with_those_that_there_are() {
        for bad in ["", "CMD", "RUN x", "ENV =1", "ENV A=1 B", "EXPOSE x", "EXPOSE 0", "USER a b"] {
            assert!(bad.parse::<Change>().is_err(), "{bad}");
        }
        let error = "FROM x".parse::<Change>().unwrap_err();
        assert!(error.message().contains("there are CMD, ENTRYPOINT"), "{error}");
        assert!("LABEL a=\"b".parse::<Change>().unwrap_err().message().contains("not closed"));
    }
}
