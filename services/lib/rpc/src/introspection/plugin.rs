//! The parts of a process, in containerd's words.

use std::borrow::Cow;
use std::collections::BTreeMap;

use varve_core::filter::Fields;
use varve_proto::containerd::services::introspection::v1 as wire;

/// One part.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Plugin {
    /// `io.containerd.snapshotter.v1`, for one.
    pub kind: String,
    /// `overlayfs`, for one.
    pub id: String,
    /// Facts for clients, such as the root directory.
    pub exports: BTreeMap<String, String>,
    pub capabilities: Vec<String>,
}

impl Plugin {
    /// The store of content.
    pub fn content() -> Self {
        Self::of("io.containerd.content.v1", "content")
    }

    /// A snapshotter.
    pub fn snapshotter(id: &str) -> Self {
        Self::of("io.containerd.snapshotter.v1", id)
    }

    /// A service, by the short name that containerd has for it: `images`, `leases`, `diff`.
    pub fn service(id: &str) -> Self {
        Self::of("io.containerd.grpc.v1", id)
    }

    fn of(kind: &str, id: &str) -> Self {
        Self { kind: kind.to_owned(), id: id.to_owned(), ..Self::default() }
    }
}

pub fn wire(plugin: &Plugin) -> wire::Plugin {
    wire::Plugin {
        r#type: plugin.kind.clone(),
        id: plugin.id.clone(),
        exports: plugin.exports.clone().into_iter().collect(),
        capabilities: plugin.capabilities.clone(),
        ..wire::Plugin::default()
    }
}

impl Fields for Plugin {
    fn field(&self, path: &[&str]) -> Option<Cow<'_, str>> {
        match path {
            ["type"] => Some(self.kind.as_str().into()),
            ["id"] => Some(self.id.as_str().into()),
            // containerd joins them too: a filter looks for one with `~=`.
            ["capabilities"] if !self.capabilities.is_empty() => {
                Some(self.capabilities.join(",").into())
            }
            _ => None,
        }
    }
}
