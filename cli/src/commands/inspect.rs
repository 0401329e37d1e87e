//! `varve inspect`: all there is to tell of images and containers, in Docker's JSON.

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};
use varve_core::Kind::NotFound;
use varve_core::images::Image as Named;
use varve_core::labels;
use varve_core::unpack::Layer;
use varve_core::{Error, Reference, Result, ResultExt};

use crate::commands;
use crate::container;
use crate::failure;
use crate::find;
use crate::image::Image;
use crate::output;
use crate::progress;
use crate::session::Session;
use crate::survey::Trees;
use crate::template::Template;
use crate::usage::is_dangling;

/// Tell all about images, and about containers, as JSON
///
/// A container is looked for first, then an image, unless --type says which is meant.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  varve inspect alpine\n  \
    varve inspect --format '{{json .Config.Env}}' alpine\n  \
    varve inspect --type container web")]
pub struct Inspect {
    /// By name, by ID or the start of one; images also by digest
    #[arg(value_name = "NAME", required = true, add = crate::complete::images())]
    names: Vec<String>,
    /// Only one of the two
    #[arg(long = "type", value_enum, value_name = "TYPE")]
    kind: Option<Kind>,
    /// A Go template, or json
    #[arg(long, short, value_name = "FORMAT")]
    format: Option<String>,
}

/// What a name can mean.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Container,
    Image,
}

impl Inspect {
    /// The same, of images alone.
    pub fn of_images(self) -> Self {
        Self { kind: Some(Kind::Image), ..self }
    }

    pub async fn run(self, session: &Session) -> failure::Result<()> {
        let template = Template::asked(self.format.as_deref())?;
        let (mut found, mut failures) = (Vec::new(), Vec::new());
        for text in &self.names {
            match self.one(session, text).await {
                Ok(value) => found.push(value),
                Err(error) => failures.push(error),
            }
        }
        output::write(shown(&found, template.as_ref())?.as_bytes())?;
        // All of them are told; the last one ends the command.
        let Some(last) = failures.pop() else { return Ok(()) };
        failures.iter().for_each(|error| progress::warn(&format!("varve: {}", error.chain())));
        Err(last.into())
    }

    async fn one(&self, session: &Session, text: &str) -> Result<Value> {
        if self.kind != Some(Kind::Image) {
            match container::find::find(session, &session.base, text).await {
                Ok(found) => return commands::container::inspect::tell(&found),
                // Both are missing then; the image is what is asked for more often.
                Err(error) if self.kind.is_none() && error.kind() == NotFound => {}
                Err(error) => return Err(error),
            }
        }
        match inspect(session, text).await {
            Err(error) if self.kind.is_none() && error.kind() == NotFound => Err(Error::not_found(
                format!("No such object: {text}; `varve images` and `varve ps -a` list those here"),
            )),
            told => told,
        }
    }
}

/// Each as the template has it; without one a list of all, indented as Docker does.
pub fn shown(found: &[Value], template: Option<&Template>) -> Result<String> {
    match template {
        Some(template) => found.iter().map(|value| Ok(template.render(value)? + "\n")).collect(),
        None => {
            let mut text = Vec::new();
            let indent = serde_json::ser::PrettyFormatter::with_indent(b"    ");
            let mut to = serde_json::Serializer::with_formatter(&mut text, indent);
            let written = serde::Serialize::serialize(found, &mut to);
            written.map_err(|error| Error::internal("output as JSON").with_source(error))?;
            text.push(b'\n');
            Ok(String::from_utf8_lossy(&text).into_owned())
        }
    }
}

async fn inspect(session: &Session, text: &str) -> Result<Value> {
    let named = find::find(session, text).await?.first().clone();
    let Some(image) = find::present(session, &named).await? else {
        let message = format!("image {text}: no platform of it is whole here; pull it again");
        return Err(Error::precondition(message));
    };
    let (tags, digests) = names(session, &named).await?;
    let (config, id) = (&image.config, image.id());
    let chain_ids: Vec<_> = image.layers.iter().map(Layer::chain_id).collect();
    let tree = Trees::new(session).of(&id, &chain_ids).await?;
    let size = tree.as_ref().map_or_else(|| packed(&image), |tree| tree.size);
    let mut all = json!({
        "Id": id.to_string(),
        "RepoTags": tags,
        "RepoDigests": digests,
        "Parent": "",
        "Comment": config.history().last().map_or("", |step| &step.comment),
        "Created": config.created,
        "Author": config.author(),
        "Config": config.config,
        "Architecture": config.architecture,
        "Os": config.os,
        "Size": size,
        "GraphDriver": graph_driver(session, &image, tree.map(|tree| tree.snapshotter)).await?,
        "RootFS": {"Type": "layers", "Layers": layers(&image)},
        "Metadata": {"LastTagTime": named.updated_at.to_string()},
        "Descriptor": descriptor(&named),
    });
    let optional = [("Variant", &config.variant), ("OsVersion", &config.os_version)];
    for (key, value) in optional.into_iter().filter(|(_, value)| !value.is_empty()) {
        all[key] = value.as_str().into();
    }
    Ok(all)
}

fn descriptor(named: &Named) -> Value {
    let target = &named.target;
    json!({
        "mediaType": target.media_type.to_string(),
        "digest": target.digest.to_string(),
        "size": target.size,
    })
}

fn packed(image: &Image) -> u64 {
    image.layers.iter().map(|layer| layer.blob.size).sum()
}

fn layers(image: &Image) -> Vec<String> {
    image.config.rootfs.diff_ids.iter().map(|diff_id| diff_id.0.to_string()).collect()
}

/// RepoTags and RepoDigests: the names of the same target.
async fn names(session: &Session, named: &Named) -> Result<(Vec<String>, Vec<String>)> {
    let (services, scope, digest) = (&session.services, &session.scope, named.target.digest);
    let filter = format!("target.digest=={digest}");
    let info = services.content.info(scope, &digest).await.found()?;
    let came = |domain: &str| {
        let known = info.as_ref().map(|info| labels::repositories(&info.labels, domain));
        known.is_some_and(|repositories| !repositories.is_empty())
    };
    let (mut tags, mut digests) = (Vec::new(), Vec::new());
    for other in services.images.list(scope, &[filter]).await? {
        let Ok(reference) = other.name.parse::<Reference>() else { continue };
        if is_dangling(&other.name) {
            continue;
        }
        if reference.tag().is_some() && reference.digest().is_none() {
            tags.push(reference.familiar());
        }
        if came(reference.domain()) {
            digests.push(format!("{}@{digest}", reference.familiar_repository()));
        }
    }
    digests.dedup();
    Ok((tags, digests))
}

/// The driver and, where it stacks directories, which.
async fn graph_driver(
    session: &Session,
    image: &Image,
    snapshotter: Option<String>,
) -> Result<Value> {
    let Some(name) = snapshotter else { return Ok(json!({"Data": null, "Name": ""})) };
    let opened = session.services.snapshotter(Some(&name)).await?;
    let mut data = Map::new();
    if let Some(top) = image.top() {
        data.insert("Snapshot".into(), top.to_string().into());
    }
    data.insert("Dir".into(), opened.dir.display().to_string().into());
    Ok(json!({"Data": data, "Name": name}))
}
