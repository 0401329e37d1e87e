//! The images that docs/tour.md walks through. Their bytes are the same on every machine, so that the document
//! can show digests and IDs.
//!
//! | name | what it is |
//! |---|---|
//! | `lab/base:1` | one layer, for amd64 |
//! | `lab/web:1.0`, `lab/web:1.1` | indexes of amd64, arm64 and arm/v7; two layers on that of `lab/base` |
//! | `lab/db:16` | one more layer on that of `lab/base`, for amd64 |

use serde_json::{Value, json};
use varve_core::{Descriptor, Platform};

use crate::image::{Content, Family, Packing, config, platform};
use crate::layer::Layer;

/// A compressor whose bytes do not depend on what the processor can do; those of gzip here do.
const PACKING: Packing = Packing::Zstd;

/// Repository, tag and what is pushed there.
pub fn images() -> [(&'static str, &'static str, Content); 4] {
    [
        ("lab/base", "1", base()),
        ("lab/web", "1.0", web("1.0", "2024-02-03T04:05:06Z")),
        ("lab/web", "1.1", web("1.1", "2024-05-06T07:08:09Z")),
        ("lab/db", "16", db()),
    ]
}

fn base() -> Content {
    let mut content = Content::default();
    let made = Made { created: "2024-01-02T03:04:05Z", steps: &["COPY rootfs / # buildkit"] };
    let settings = json!({"Cmd": ["/bin/sh"], "Labels": {"org.lab.team": "platform"}});
    content.add(&platform("linux", "amd64", ""), &[base_layer()], settings, &made);
    content
}

fn web(version: &str, created: &'static str) -> Content {
    let mut content = Content::default();
    let steps =
        ["COPY rootfs / # buildkit", "COPY server /bin/ # buildkit", "RUN setup # buildkit"];
    let made = Made { created, steps: &steps };
    let settings = json!({
        "Cmd": ["/bin/server"], "Env": ["PATH=/bin", format!("VERSION={version}")],
        "ExposedPorts": {"8080/tcp": {}}, "WorkingDir": "/srv",
        "Labels": {"org.lab.team": "web", "org.lab.stage": "test"},
    });
    let children: Vec<_> = [("amd64", ""), ("arm64", "v8"), ("arm", "v7")]
        .map(|(architecture, variant)| platform("linux", architecture, variant))
        .map(|platform| {
            let layers = [base_layer(), server(&platform.architecture, version), setup()];
            (content.add(&platform, &layers, settings.clone(), &made), platform)
        })
        .into();
    content.index(Family::Oci, &children);
    content
}

fn db() -> Content {
    let mut content = Content::default();
    let steps = ["COPY rootfs / # buildkit", "COPY db /bin/ # buildkit"];
    let made = Made { created: "2024-03-04T05:06:07Z", steps: &steps };
    let settings = json!({"Cmd": ["/bin/db"], "Labels": {"org.lab.team": "data"}});
    let own = Layer::new().file("bin/db", 0o755, &program(3, 700_000));
    let layers = [base_layer(), own.finish()];
    content.add(&platform("linux", "amd64", ""), &layers, settings, &made);
    content
}

/// When an image was made, and by which steps: one for each layer.
struct Made<'a> {
    created: &'a str,
    steps: &'a [&'a str],
}

impl Content {
    /// An image with `settings`, and its last step, which makes no layer, that of the command.
    fn add(
        &mut self,
        platform: &Platform,
        layers: &[Vec<u8>],
        settings: Value,
        made: &Made<'_>,
    ) -> Descriptor {
        let step = |step: &&str| json!({"created": made.created, "created_by": step});
        let mut history: Vec<_> = made.steps.iter().map(step).collect();
        let command = format!("CMD {}", settings["Cmd"]);
        history.push(json!({"created": made.created, "created_by": command, "empty_layer": true}));
        let mut config = config(platform, layers, settings);
        config["created"] = made.created.into();
        config["history"] = history.into();
        self.image_of(Family::Oci, PACKING, layers, &config)
    }
}

fn base_layer() -> Vec<u8> {
    Layer::new()
        .dir("bin/", 0o755)
        .file("bin/sh", 0o755, &program(1, 1_200_000))
        .dir("etc/", 0o755)
        .file("etc/motd", 0o644, b"Welcome to the lab.\n")
        .file("etc/os-release", 0o644, b"NAME=\"Lab\"\nID=lab\n")
        .dir("srv/", 0o755)
        .dir("tmp/", 0o1777)
        .finish()
}

fn server(architecture: &str, version: &str) -> Vec<u8> {
    let words = format!("{version} for {architecture}");
    let seed = words.bytes().fold(2_u32, |seed, byte| seed.wrapping_mul(31) + u32::from(byte));
    Layer::new()
        .file("bin/server", 0o755, &program(seed, 300_000))
        .file("srv/index.html", 0o644, format!("<h1>Version {version}</h1>\n").as_bytes())
        .finish()
}

/// Hides a file of the lowest layer.
fn setup() -> Vec<u8> {
    Layer::new().file("etc/server.conf", 0o600, b"listen = 8080\n").whiteout("etc/motd").finish()
}

/// Stands in for a program: `len` bytes that compress about as well as one, the same for the same seed.
fn program(seed: u32, len: usize) -> Vec<u8> {
    let mut state = seed.max(1);
    let byte = || {
        // Marsaglia's xorshift, *Xorshift RNGs* (2003): all states but 0.
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        b"0123456789abcdef"[(state >> 28) as usize]
    };
    std::iter::repeat_with(byte).take(len).collect()
}
