//! The config of a committed image (image-spec, config.md): the base's, with what the container runs and what was
//! asked for.

use bytes::Bytes;
use serde_json::{Map, Value, json};
use varve_core::{DiffId, Error, Result};

use super::Wish;
use crate::container::find::Found;
use crate::container::settings::{self, Settings};

/// What Docker once wrote of the container that an image came from; it is another one now.
const OF_THE_LAST_COMMIT: [&str; 5] =
    ["container", "container_config", "docker_version", "id", "parent"];

/// The config, made now.
pub fn of(base: &Value, found: &Found, wish: &Wish, diff_id: DiffId) -> Result<Bytes> {
    let now = varve_core::time::now().to_string();
    let mut document = base.clone();
    let Some(all) = document.as_object_mut() else {
        return Err(Error::data_loss(format!("config {}: no object", found.settings.image_id)));
    };
    OF_THE_LAST_COMMIT.iter().for_each(|key| drop(all.remove(*key)));
    all.insert("created".into(), now.as_str().into());
    if !wish.author.is_empty() {
        all.insert("author".into(), wish.author.as_str().into());
    }
    let config = config(all.get("config"), found, wish);
    all.insert("config".into(), config.into());
    push(all, "history", step(&now, &found.settings, wish));
    let rootfs = all.entry("rootfs").or_insert_with(|| json!({"type": "layers"}));
    if let Some(rootfs) = rootfs.as_object_mut() {
        push(rootfs, "diff_ids", json!(diff_id));
    }
    serde_json::to_vec(&document)
        .map(Bytes::from)
        .map_err(|error| Error::internal("a config as JSON").with_source(error))
}

fn push(all: &mut Map<String, Value>, key: &str, value: Value) {
    match all.get_mut(key).and_then(Value::as_array_mut) {
        Some(list) => list.push(value),
        None => drop(all.insert(key.into(), vec![value].into())),
    }
}

fn step(now: &str, settings: &Settings, wish: &Wish) -> Value {
    let command = settings.args[settings.entrypoint.min(settings.args.len())..].join(" ");
    let mut step = json!({"created": now, "created_by": command});
    for (key, value) in [("author", &wish.author), ("comment", &wish.message)] {
        if !value.is_empty() {
            step[key] = value.as_str().into();
        }
    }
    step
}

/// What containers of it will run.
fn config(base: Option<&Value>, found: &Found, wish: &Wish) -> Map<String, Value> {
    let mut config = base.and_then(Value::as_object).cloned().unwrap_or_default();
    let settings = &found.settings;
    let (entrypoint, command) =
        settings.args.split_at(settings.entrypoint.min(settings.args.len()));
    let mut set = |key: &str, value: Value| match value.is_null() {
        true => drop(config.remove(key)),
        false => drop(config.insert(key.into(), value)),
    };
    set("Entrypoint", list(entrypoint));
    set("Cmd", list(command));
    set("Env", list(&settings.env));
    set("WorkingDir", text(&settings.working_dir));
    set("User", text(&settings.user));
    let own = found.container.labels.iter().filter(|(key, _)| !settings::is_reserved(key));
    let labels: Map<String, Value> =
        own.map(|(key, value)| (key.clone(), value.as_str().into())).collect();
    set("Labels", if labels.is_empty() { Value::Null } else { labels.into() });
    wish.changes.iter().for_each(|change| change.apply(&mut config));
    config
}

fn list(words: &[String]) -> Value {
    if words.is_empty() { Value::Null } else { words.into() }
}

fn text(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { text.into() }
}
