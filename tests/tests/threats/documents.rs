//! Documents of a registry that lie, contradict themselves, or are beyond reason.

use std::fs;
use std::time::Instant;

use serde_json::{Value, json};
use varve_core::{Digest, MediaType, Platform};
use varve_tests::cluster::Topology;
use varve_tests::command::{Varve, binary};
use varve_tests::fake::Fake;
use varve_tests::image::{Content, config};
use varve_tests::layer::Layer;

use crate::forge::{CONFIG, INDEX, LAYER, MANIFEST, Parts, and, bytes, descriptor, index, with};
use crate::{ends, made, refused};

type Case = (&'static str, &'static str, Content);

/// What each is, what it is refused for, and all of it.
fn lies() -> Vec<Case> {
    let parts = Parts::new;
    let manifest = |document| parts().under(MANIFEST, document);
    let config = |config| {
        let parts = parts().with_config(config);
        let document = bytes(&parts.manifest());
        parts.under(MANIFEST, document)
    };
    let text = String::from_utf8(bytes(&parts().manifest())).unwrap();
    let layer = bytes(&parts().layer());
    let layer = String::from_utf8(layer).unwrap();
    let digest =
        |digest: &str| manifest(with(parts().manifest(), "/layers/0/digest", digest.into()));
    let size = |size: Value| manifest(with(parts().manifest(), "/layers/0/size", size));
    let real = parts().tar.len();
    let other = Digest::of(b"other").to_string();
    vec![
        ("nothing", "cannot be read", manifest(Vec::new())),
        ("no JSON", "cannot be read", manifest(b"\xff\xfe{}".to_vec())),
        ("an empty object", "schemaVersion is 0", manifest(b"{}".to_vec())),
        ("nested arrays", "cannot be read", manifest("[".repeat(100_000).into_bytes())),
        ("nested objects", "cannot be read", manifest("{\"a\":".repeat(200_000).into_bytes())),
        (
            "layers twice",
            "duplicate field",
            manifest(text.replacen('{', &format!("{{\"layers\":[{layer}],"), 1).into()),
        ),
        (
            "config twice",
            "duplicate field",
            manifest(text.replacen('{', &format!("{{\"config\":{layer},"), 1).into()),
        ),
        (
            "manifest and index",
            "an index has manifests alone",
            manifest(and(parts().manifest(), "manifests", json!([]))),
        ),
        (
            "calls itself an index",
            "says of itself",
            manifest(with(parts().manifest(), "/mediaType", INDEX.into())),
        ),
        (
            "schema 1",
            "schema 1",
            manifest(br#"{"schemaVersion":1,"fsLayers":[],"history":[]}"#.to_vec()),
        ),
        (
            "layers are null",
            "an index has manifests alone",
            manifest(with(parts().manifest(), "/layers", Value::Null)),
        ),
        ("a path for a digest", "digest", digest("sha256:../../../../etc/passwd")),
        ("an upper-case digest", "lower-case", digest(&format!("sha256:{}", "AB".repeat(32)))),
        ("a short digest", "64 hex digits", digest("sha256:ab")),
        ("another algorithm", "only sha256", digest("md5:d41d8cd98f00b204e9800998ecf8427e")),
        ("a negative size", "cannot be read", size(json!(-1))),
        ("a size of 2^64", "cannot be read", size(json!(18_446_744_073_709_551_616_f64))),
        ("a size of 2^63", "", size(json!(1_u64 << 63))),
        ("a smaller size", "", size(json!(real - 1))),
        ("a larger size", "", size(json!(real + 1))),
        ("no size at all", "", size(json!(0))),
        ("a digest of nothing", "not found", digest(&other)),
        (
            "501 layers",
            "501 layers, more than 500",
            manifest(with(parts().manifest(), "/layers", vec![parts().layer(); 501].into())),
        ),
        (
            "a million layers",
            "more than 4194304",
            manifest(with(parts().manifest(), "/layers", vec![parts().layer(); 1_000_000].into())),
        ),
        (
            "an annotation of 10 MB",
            "more than 4194304",
            manifest(and(parts().manifest(), "annotations", json!({"a": "x".repeat(10 << 20)}))),
        ),
        (
            "no diff ids",
            "0 diff ids, and the manifest has 1 layers",
            config(with_diff_ids(json!([]))),
        ),
        (
            "too many diff ids",
            "2 diff ids, and the manifest has 1 layers",
            config(with_diff_ids(json!([other, other]))),
        ),
        (
            "no digest for a diff id",
            "image config: cannot be read",
            config(with_diff_ids(json!(["sha256:../x"]))),
        ),
        ("another diff id", "inflates to", config(with_diff_ids(json!([other])))),
        ("a config without layers", "image config: cannot be read", config(json!({}))),
        (
            "a layer for a config",
            "image config: cannot be read",
            manifest(with(parts().manifest(), "/config", descriptor(CONFIG, &parts().tar))),
        ),
        ("a config for a layer", "malformed", config_for_layer()),
        (
            "1025 children",
            "1025 manifests, more than 1024",
            parts().under(INDEX, index(&vec![parts().layer(); 1025])),
        ),
        (
            "a list and a manifest",
            "says of itself",
            parts().under(INDEX, bytes(&parts().manifest())),
        ),
        ("another platform", "refused as one of them is wrong", another_platform()),
        ("indexes without end", "more than 4 deep", endless()),
        ("an artifact", "artifact", artifact()),
    ]
}

fn with_diff_ids(diff_ids: Value) -> Value {
    let mut config = config(&Platform::host(), &[], json!({}));
    config["rootfs"]["diff_ids"] = diff_ids;
    config
}

/// The digest of the config stands for a layer, too.
fn config_for_layer() -> Content {
    let tar = Layer::new().file("a", 0o644, b"").finish();
    let parts = Parts::of(tar, 1);
    let layer = descriptor(LAYER, &parts.config);
    parts.under(MANIFEST, with(parts.manifest(), "/layers/0", layer))
}

fn artifact() -> Content {
    let parts = Parts::new();
    let config = descriptor("application/vnd.cncf.helm.config.v1+json", &parts.config);
    parts.under(MANIFEST, with(parts.manifest(), "/config", config))
}

/// The index says what the machine is, and the config says another.
fn another_platform() -> Content {
    let mut config = config(&Platform::host(), &[Parts::new().tar], json!({}));
    config["architecture"] = "riscv64".into();
    let parts = Parts::new().with_config(config);
    let manifest = bytes(&parts.manifest());
    let mut child = descriptor(MANIFEST, &manifest);
    child["platform"] = serde_json::to_value(Platform::host()).unwrap();
    let mut content = parts.under(MANIFEST, manifest);
    content.manifests.push((MediaType::from(INDEX), index(&[child])));
    content
}

/// Six indexes, each in the next.
fn endless() -> Content {
    let parts = Parts::new();
    let manifest = bytes(&parts.manifest());
    let mut child = descriptor(MANIFEST, &manifest);
    let mut content = parts.under(MANIFEST, manifest);
    for _ in 0..6 {
        let next = index(&[child]);
        child = descriptor(INDEX, &next);
        content.manifests.push((MediaType::from(INDEX), next));
    }
    content
}

fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

#[test]
fn documents_that_lie_are_refused_in_one_line_each_and_a_daemon_lives_on() {
    let registry = Fake::start().unwrap();
    let mut varve = Varve::over(Topology::Daemon, binary().unwrap()).unwrap();
    let pid = varve.cluster().processes()[0].pid().unwrap();
    let mut first = None;
    for (n, (what, why, content)) in lies().into_iter().enumerate() {
        registry.push(&format!("lies/n{n}"), "1", &content);
        let image = format!("{}/lies/n{n}:1", registry.address());
        let begun = Instant::now();
        refused(&mut varve.command(&["pull", "--quiet", &image]), why);
        eprintln!("{what}: {:?}", begun.elapsed());
        first.get_or_insert_with(|| descriptors(pid));
    }
    assert_eq!(made(&varve), [0; 3]);
    assert_eq!(varve.cluster().processes()[0].pid(), Some(pid));
    let (first, last) = (first.unwrap(), descriptors(pid));
    // Sixteen blobs stay open, a driver's own files do, and a connection; more than one each would be a leak.
    assert!(last <= first + 30, "{first} descriptors after one, {last} after all");
    let good = Parts::new();
    registry.push("good", "1", &good.under(MANIFEST, bytes(&good.manifest())));
    varve.run(&["pull", &format!("{}/good:1", registry.address())]).unwrap();
}

#[test]
fn broken_layers_by_the_dozen_leave_a_daemon_no_descriptor_more() {
    let registry = Fake::start().unwrap();
    let mut varve = Varve::over(Topology::Daemon, binary().unwrap()).unwrap();
    let pid = varve.cluster().processes()[0].pid().unwrap();
    let mut first = None;
    for n in 0..30 {
        let tar = Layer::new().file(&format!("f{n}"), 0o644, &[n; 70_000]).finish();
        let parts = Parts::of(tar[..tar.len() / 2].to_vec(), 1);
        let content = parts.under(MANIFEST, bytes(&parts.manifest()));
        registry.push(&format!("broken/n{n}"), "1", &content);
        let image = format!("{}/broken/n{n}:1", registry.address());
        refused(&mut varve.command(&["pull", "--quiet", &image]), "cut off");
        if n == 5 {
            first = Some(descriptors(pid));
        }
    }
    let (first, last) = (first.unwrap(), descriptors(pid));
    assert!(last <= first + 6, "{first} descriptors after six, {last} after thirty");
    assert_eq!(made(&varve), [0; 3]);
}

#[test]
fn what_is_odd_and_no_lie_is_pulled() {
    let registry = Fake::start().unwrap();
    let varve = Varve::new().unwrap();
    // One layer, three times: three snapshots of one blob.
    let tar = Layer::new().dir("etc/", 0o755).file("etc/motd", 0o644, b"good\n").finish();
    let thrice = Parts::of(tar, 3);
    let layers = vec![thrice.layer(); 3].into();
    let document = with(thrice.manifest(), "/layers", layers);
    registry.push("odd/thrice", "1", &thrice.under(MANIFEST, document));
    varve.run(&["pull", &format!("{}/odd/thrice:1", registry.address())]).unwrap();
    let snapshots = varve.json(&["snapshots", "ls"]).unwrap();
    assert_eq!(snapshots.as_array().unwrap().len(), 3);
    // A child whose annotation names no digest (it brought a daemon down), and a label that does.
    let parts = Parts::new();
    let manifest = bytes(&parts.manifest());
    let mut child = descriptor(MANIFEST, &manifest);
    child["annotations"] =
        json!({"io.containerd.manifest.subject": "sha256:no", "vnd.docker.reference.digest": ":"});
    let mut twin = child.clone();
    twin["platform"] = serde_json::to_value(Platform::host()).unwrap();
    let mut content = parts.under(MANIFEST, manifest);
    content.manifests.push((MediaType::from(INDEX), index(&[child, twin])));
    registry.push("odd/subject", "1", &content);
    let image = format!("{}/odd/subject:1", registry.address());
    varve.run(&["pull", &image]).unwrap();
    for words in [
        &["images", "--tree"][..],
        &["inspect", &image],
        &["check", "--deep"],
        &["df", "--verbose"],
    ] {
        let told = ends(&mut varve.command(words));
        assert_eq!(told.status, Some(0), "{words:?}: {}", told.err);
    }
}
