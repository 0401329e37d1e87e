//! `varve push`: to Docker's own registry, read back by other tools, and to one that breaks what it is told
//! to.

#![allow(clippy::unwrap_used, reason = "of tests")]

use std::process::Stdio;

use serde_json::Value;
use varve_core::Digest;
use varve_registry::testsuite::{Fault, On, Rule};
use varve_tests::command::{Varve, text};
use varve_tests::cutter::Cutter;
use varve_tests::demo;
use varve_tests::fake::Fake;
use varve_tests::image::{Content, Family, Packing, platform};
use varve_tests::layer::Layer;
use varve_tests::peers::{have, run};
use varve_tests::registry::{PASSWORD, Registry, USER};

/// The digest of what is named last in `content`.
fn target(content: &Content) -> String {
    Digest::of(&content.manifests.last().unwrap().1).to_string()
}

/// An image of two layers for this machine's usual platform.
fn small() -> Content {
    let mut content = Content::default();
    let layers = [
        Layer::new().file("a", 0o644, b"the lower layer").finish(),
        Layer::new().file("b", 0o644, b"the upper layer").finish(),
    ];
    content.image(Family::Oci, Packing::Zstd, &platform("linux", "amd64", ""), &layers);
    content
}

/// `varve` that has pulled `content` from a registry of its own, and has named it `to`.
fn with(content: &Content, args: &[&str], to: &str) -> (Varve, Fake) {
    let (varve, origin) = (Varve::new().unwrap(), Fake::start().unwrap());
    origin.push("origin/image", "1", content);
    let name = format!("{}/origin/image:1", origin.address());
    varve.run(&[&["pull", "-q"], args, &[&name]].concat()).unwrap();
    varve.run(&["tag", &name, to]).unwrap();
    (varve, origin)
}

/// What skopeo reads of an image: the bytes of what its name points to.
fn raw(name: &str) -> String {
    let from = format!("docker://{name}");
    run("skopeo", &["inspect", "--raw", "--tls-verify=false", &from]).unwrap()
}

/// Has skopeo bring all of an image: it checks every digest.
fn copied(name: &str, args: &[&str]) {
    let into = tempfile::tempdir().unwrap();
    let (from, to) = (format!("docker://{name}"), format!("dir:{}", into.path().display()));
    run("skopeo", &[&["copy", "-q", "--src-tls-verify=false"], args, &[&from, &to]].concat())
        .unwrap();
}

#[test]
fn a_push_to_dockers_own_registry_keeps_the_digest_and_is_read_by_skopeo() {
    if !have(&["docker-registry", "skopeo"], "a_push_to_dockers_own_registry_keeps_the_digest") {
        return;
    }
    let registry = Registry::start().unwrap();
    let (content, to) = (small(), format!("{}/lab/copy:1", registry.address()));
    let (varve, _) = with(&content, &[], &to);
    let told = varve.run(&["push", &to]).unwrap();
    let mut lines: Vec<&str> = told.lines().collect();
    assert_eq!(
        lines.remove(0),
        format!("The push refers to repository [{}/lab/copy]", registry.address())
    );
    let (digest, size) = (target(&content), content.manifests[0].1.len());
    assert_eq!(lines.pop(), Some(&*format!("1: digest: {digest} size: {size}")));
    for layer in &content.blobs[..2] {
        let id = Digest::of(layer).short();
        let of: Vec<_> = lines.iter().filter(|line| line.starts_with(&id)).collect();
        assert_eq!(of, [&format!("{id}: Preparing"), &format!("{id}: Pushed")]);
    }
    assert_eq!(Digest::of(raw(&to).as_bytes()).to_string(), digest);
    copied(&to, &[]);

    let again = varve.run(&["push", &to]).unwrap();
    assert_eq!(again.matches(": Layer already exists").count(), 2, "{again}");
    let other = Varve::new().unwrap();
    let pulled = other.json(&["pull", &to]).unwrap();
    assert_eq!(pulled["digest"], *digest);
}

#[test]
fn a_registry_that_wants_a_login_is_pushed_to_with_one() {
    if !have(&["docker-registry", "skopeo"], "a_registry_that_wants_a_login_is_pushed_to_with_one")
    {
        return;
    }
    let registry = Registry::guarded().unwrap();
    let to = format!("{}/lab/copy:1", registry.address());
    let (varve, _) = with(&small(), &[], &to);
    let refused = varve.fail(&["push", &to]).unwrap();
    assert!(refused.contains("push access denied") && refused.contains("varve login"), "{refused}");
    assert_eq!(refused.lines().count(), 1, "{refused}");
    varve.run(&["login", "-u", USER, "-p", PASSWORD, registry.address()]).unwrap();
    varve.run(&["push", "-q", &to]).unwrap();
    let credentials = format!("--src-creds={USER}:{PASSWORD}");
    copied(&to, &[&credentials]);
}

#[test]
fn of_an_index_the_platform_that_is_here_is_pushed_and_the_others_are_told_of() {
    let registry = Fake::start().unwrap();
    let (content, to) = (demo::image(), format!("{}/lab/demo:1", registry.address()));
    let (varve, _) = with(&content, &["--platform", "linux/arm64"], &to);
    let output = varve.output(&["push", "-o", "json", &to]).unwrap();
    let told = text(&output.stderr);
    assert!(told.contains("without linux/amd64, linux/arm/v7"), "{told}");
    assert!(told.contains("--all-platforms") && told.lines().count() == 1, "{told}");
    let pushed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(pushed["digest"], *Digest::of(&content.manifests[1].1).to_string());
    assert_eq!(pushed["left"].as_array().unwrap().len(), 2);
    assert!(pushed["layers"].as_array().unwrap().iter().all(|layer| layer["status"] == "pushed"));
}

#[test]
fn of_an_index_the_platforms_that_are_here_are_pushed_as_an_index() {
    if !have(&["docker-registry", "skopeo"], "of_an_index_the_platforms_that_are_here_are_pushed") {
        return;
    }
    let registry = Registry::start().unwrap();
    let (content, to) = (demo::image(), format!("{}/lab/demo:1", registry.address()));
    let (varve, _) = with(&content, &["--platform", "linux/amd64,linux/arm/v7"], &to);
    let pushed = varve.json(&["push", &to]).unwrap();
    let index = raw(&to);
    assert_eq!(pushed["digest"], *Digest::of(index.as_bytes()).to_string());
    let index: Value = serde_json::from_str(&index).unwrap();
    assert_eq!(index["manifests"].as_array().unwrap().len(), 2);
    copied(&to, &["--all"]);
}

#[test]
fn with_all_platforms_an_index_is_completed_and_keeps_its_digest() {
    if !have(&["docker-registry", "skopeo"], "with_all_platforms_an_index_is_completed") {
        return;
    }
    let registry = Registry::start().unwrap();
    let (content, to) = (demo::image(), format!("{}/lab/demo:1", registry.address()));
    let (varve, _origin) = with(&content, &["--platform", "linux/arm64"], &to);
    let pushed = varve.json(&["push", "--all-platforms", &to]).unwrap();
    assert_eq!(pushed["digest"], *target(&content));
    assert_eq!(Digest::of(raw(&to).as_bytes()).to_string(), target(&content));
    copied(&to, &["--all"]);
    assert_eq!(varve.json(&["leases", "ls"]).unwrap().as_array().unwrap().len(), 0);
}

#[test]
fn an_index_that_is_pushed_back_to_where_it_came_from_loses_no_platform() {
    let registry = Fake::start().unwrap();
    let content = demo::image();
    registry.push("lab/demo", "1", &content);
    let name = format!("{}/lab/demo:1", registry.address());
    let varve = Varve::new().unwrap();
    varve.run(&["pull", "-q", "--platform", "linux/arm64", &name]).unwrap();
    let next = format!("{}/lab/demo:2", registry.address());
    varve.run(&["tag", &name, &next]).unwrap();
    for args in [&["push", &next][..], &["push", "--all-platforms", &next]] {
        let pushed = varve.json(args).unwrap();
        assert_eq!(pushed["digest"], *target(&content));
        assert_eq!(pushed["left"].as_array().unwrap().len(), 0);
        assert_eq!(pushed["layers"].as_array().unwrap().len(), 3, "those of the one that is here");
    }
}

#[test]
fn one_platform_of_an_index_is_pushed_as_an_image_of_its_own() {
    let registry = Fake::start().unwrap();
    let (content, to) = (demo::image(), format!("{}/lab/demo:1", registry.address()));
    let (varve, _) = with(&content, &["--platform", "all"], &to);
    let pushed = varve.json(&["push", "--platform", "linux/arm/v7", &to]).unwrap();
    assert_eq!(pushed["digest"], *Digest::of(&content.manifests[2].1).to_string());
    let error = varve.fail(&["push", "--platform", "linux/s390x", &to]).unwrap();
    assert!(error.contains("linux/s390x") && error.contains("linux/amd64"), "{error}");
}

#[test]
fn a_platform_that_is_not_here_is_not_pushed_and_it_is_said_how_to_bring_it() {
    let registry = Fake::start().unwrap();
    let to = format!("{}/lab/demo:1", registry.address());
    let (varve, _) = with(&demo::image(), &["--platform", "linux/amd64"], &to);
    let error = varve.fail(&["push", "--platform", "linux/arm64", &to]).unwrap();
    assert!(error.contains("varve pull --platform linux/arm64"), "{error}");
    assert!(registry.requests().is_empty());
}

#[test]
fn a_layer_of_another_repository_of_the_registry_is_mounted() {
    if !have(&["docker-registry"], "a_layer_of_another_repository_of_the_registry_is_mounted") {
        return;
    }
    let registry = Registry::start().unwrap();
    registry.push("lab/app", "1", &small()).unwrap();
    let varve = Varve::new().unwrap();
    let from = format!("{}/lab/app:1", registry.address());
    let to = format!("{}/lab/copy:1", registry.address());
    varve.run(&["pull", "-q", &from]).unwrap();
    varve.run(&["tag", &from, &to]).unwrap();
    let told = varve.run(&["push", &to]).unwrap();
    assert_eq!(told.matches(": Mounted from lab/app").count(), 2, "{told}");
    let third = format!("{}/lab/third:1", registry.address());
    varve.run(&["tag", &to, &third]).unwrap();
    let pushed = varve.json(&["push", &third]).unwrap();
    assert_eq!(pushed["layers"][0]["status"], "mounted");
    Varve::new().unwrap().run(&["pull", "-q", &third]).unwrap();
}

/// An image of one layer that does not compress.
fn noise(size: usize) -> Content {
    let mut state = 7u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as u8
    })
    .take(size)
    .collect();
    let layer = Layer::new().file("noise", 0o644, &noise).finish();
    let mut content = Content::default();
    content.image(Family::Docker, Packing::Gzip, &platform("linux", "amd64", ""), &[layer]);
    content
}

#[test]
fn an_upload_that_is_cut_off_goes_on_and_what_arrives_is_the_image() {
    let registry = Fake::start().unwrap();
    let (content, to) = (noise(8 << 20), format!("{}/lab/noise:1", registry.address()));
    let (varve, _) = with(&content, &[], &to);
    // The config's may be one of the three.
    registry.faults([Rule::new(On::Patches, Fault::CutUpload(3 << 20)).times(3)]);
    let told = varve.run(&["push", &to]).unwrap();
    let id = Digest::of(&content.blobs[0]).short();
    assert!(told.contains(&format!("{id}: Retrying, attempt 1")), "{told}");
    assert!(told.contains(&format!("{id}: Pushed")), "{told}");
    let starts: Vec<u64> = registry
        .requests()
        .iter()
        .filter_map(|asked| {
            asked.headers.get("content-range")?.to_str().ok()?.split('-').next()?.parse().ok()
        })
        .collect();
    assert!(starts.contains(&(3 << 20)) && starts.contains(&(6 << 20)), "{starts:?}");
    Varve::new().unwrap().run(&["pull", "-q", &to]).unwrap();
}

/// Docker's registry forgets an upload that breaks off within a part, and remembers one that does after it.
#[test]
fn a_push_through_a_line_that_breaks_arrives_at_dockers_own_registry() {
    if !have(&["docker-registry", "skopeo"], "a_push_through_a_line_that_breaks_arrives") {
        return;
    }
    let registry = Registry::start().unwrap();
    let line = Cutter::start(registry.address(), 5 << 20, 2).unwrap();
    let to = format!("{}/lab/noise:1", line.address());
    let (varve, _) = with(&noise(8 << 20), &[], &to);
    varve.run(&["push", &to]).unwrap();
    assert_eq!(line.left(), 0);
    copied(&format!("{}/lab/noise:1", registry.address()), &[]);
}

#[test]
fn blobs_go_before_manifests_these_before_their_index_and_the_tag_last() {
    let registry = Fake::start().unwrap();
    let (content, to) = (demo::image(), format!("{}/lab/demo:1", registry.address()));
    let (varve, _) = with(&content, &["--platform", "all"], &to);
    varve.run(&["push", &to]).unwrap();
    let requests = registry.requests();
    let written: Vec<&str> =
        requests.iter().filter(|it| it.method == "PUT").map(|it| it.path.as_str()).collect();
    let first = written.iter().position(|path| path.contains("/manifests/")).unwrap();
    assert!(written[first..].iter().all(|path| path.contains("/manifests/")), "{written:?}");
    assert_eq!(written.len() - first, 4);
    assert_eq!(first, 8, "layers that platforms share go once: {written:?}");
    assert!(written.last().unwrap().ends_with("/manifests/1"), "{written:?}");
    assert!(requests.iter().all(|asked| asked.status < 500));
}

#[test]
fn all_tags_of_a_repository_are_pushed_and_what_they_share_once() {
    let registry = Fake::start().unwrap();
    let repository = format!("{}/lab/tags", registry.address());
    let (varve, _) = with(&small(), &[], &format!("{repository}:1"));
    for tag in ["2", "latest"] {
        varve.run(&["tag", &format!("{repository}:1"), &format!("{repository}:{tag}")]).unwrap();
    }
    let told = varve.run(&["push", "--all-tags", &repository]).unwrap();
    for tag in ["1", "2", "latest"] {
        assert!(told.contains(&format!("\n{tag}: digest: sha256:")), "{told}");
    }
    assert_eq!(told.matches(": Pushed").count(), 2, "{told}");
    let names = varve.run(&["push", "-a", "-q", &repository]).unwrap();
    assert_eq!(names, format!("{repository}:1\n{repository}:2\n{repository}:latest\n"));
    let error = varve.fail(&["push", "-a", &format!("{repository}:1")]).unwrap();
    assert!(error.contains("tag can't be used with --all-tags/-a"), "{error}");
}

#[test]
fn what_cannot_be_pushed_is_told_in_one_line_with_what_to_do() {
    let registry = Fake::start().unwrap();
    let to = format!("{}/lab/copy:1", registry.address());
    let (varve, _) = with(&small(), &[], &to);
    registry.faults([Rule::new(On::Path("uploads".into()), Fault::Status(405, None))]);
    let digest = format!("{}/lab/copy@sha256:{}", registry.address(), "ab".repeat(32));
    for (name, want) in [
        (to.as_str(), "it takes no pushes"),
        ("127.0.0.1:1/none:1", "An image does not exist locally with the tag: 127.0.0.1:1/none:1"),
        (digest.as_str(), "cannot push a digest reference"),
    ] {
        let error = varve.fail(&["push", name]).unwrap();
        assert!(error.contains(want), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

/// Nothing tells a store where what it loaded can be found: the registry is asked.
#[test]
fn of_a_loaded_image_nothing_is_sent_that_the_registry_has() {
    let registry = Fake::start().unwrap();
    let name = format!("{}/lab/copy:1", registry.address());
    registry.push("lab/copy", "1", &small());
    let (dir, varve, other) = (tempfile::tempdir().unwrap(), Varve::new(), Varve::new().unwrap());
    let (archive, varve) = (dir.path().join("image.tar").display().to_string(), varve.unwrap());
    varve.run(&["pull", "-q", &name]).unwrap();
    varve.run(&["save", "-o", &archive, &name]).unwrap();
    other.run(&["load", "-q", "-i", &archive]).unwrap();
    let before = registry.requests().len();
    let pushed = other.json(&["push", &name]).unwrap();
    assert_eq!(pushed["digest"], *target(&small()));
    assert!(pushed["layers"].as_array().unwrap().iter().all(|layer| layer["status"] == "exists"));
    let sent = &registry.requests()[before..];
    assert!(sent.iter().any(|asked| asked.method == "HEAD" && asked.path.contains("/blobs/")));
    assert!(sent.iter().all(|asked| !asked.path.contains("/uploads/")), "{sent:?}");
}

#[test]
fn what_is_brought_for_a_push_outlives_collections_while_it_lasts() {
    let registry = Fake::start().unwrap();
    let (content, to) = (demo::image(), format!("{}/lab/demo:1", registry.address()));
    let (varve, origin) = with(&content, &["--platform", "linux/arm64"], &to);
    // Slow enough for several collections, on a busy machine, too.
    origin.faults([Rule::new(On::Blobs, Fault::Slow(64, std::time::Duration::from_millis(60)))]);
    let mut push = varve.command(&["push", "-q", "--all-platforms", &to]);
    let mut push = push.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut collections = 0;
    while push.try_wait().unwrap().is_none() {
        varve.run(&["gc"]).unwrap();
        collections += 1;
    }
    let done = push.wait_with_output().unwrap();
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert!(collections > 1, "{collections} collections are too few to tell anything");
    assert_eq!(Varve::new().unwrap().json(&["pull", &to]).unwrap()["digest"], *target(&content));
    assert_eq!(varve.json(&["leases", "ls"]).unwrap().as_array().unwrap().len(), 0);
}

#[test]
fn an_interrupted_push_leaves_nothing_that_hinders_the_next() {
    let registry = Fake::start().unwrap();
    let to = format!("{}/lab/noise:1", registry.address());
    let (varve, _) = with(&noise(4 << 20), &[], &to);
    registry.faults([Rule::new(On::Patches, Fault::StallUpload).times(1)]);
    let mut child =
        varve.command(&["push", &to]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    while !registry.requests().iter().any(|asked| asked.method == "PATCH") {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let pid = rustix::process::Pid::from_raw(child.id().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    varve.run(&["push", "-q", &to]).unwrap();
}
