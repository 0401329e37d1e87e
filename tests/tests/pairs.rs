//! Images between Varve and each other tool of the machine, in both directions: through a real registry and through
//! archives, until a program runs from what came.

#![allow(clippy::unwrap_used, reason = "of tests")]

use varve_tests::busybox;
use varve_tests::command::Varve;
use varve_tests::engines::{Buildah, Containerd, Docker, Engine, Podman};
use varve_tests::image::Content;
use varve_tests::peers::{have, need_root, run};
use varve_tests::registry::Registry;

/// An image whose programs run, unless something is missing here.
fn image(tools: &[&str], test: &str) -> Option<Content> {
    let able = need_root(test) && have(&["docker-registry", "runc"], test) && have(tools, test);
    able.then(|| busybox::program(test)).flatten().map(|program| busybox::plain(&program))
}

/// Says of an image that is here who sees what is in it.
fn says(varve: &Varve, image: &str) -> String {
    varve.run(&["run", "--rm", image, "sh", "-c", "id -un; ls /bin/busybox"]).unwrap()
}

const SAID: &str = "root\n/bin/busybox\n";

fn both_ways(engine: &dyn Engine, content: &Content) {
    let (registry, dir) = (Registry::start().unwrap(), tempfile::tempdir().unwrap());
    registry.push("lab/box", "1", content).unwrap();
    let name = |repository: &str| format!("{}/{repository}:1", registry.address());
    let (given, theirs, ours) = (name("lab/box"), name("from/them"), name("from/us"));
    let words = ["sh", "-c", "id -un; ls /bin/busybox"];

    // What they push is pulled.
    engine.pull(&given).unwrap();
    engine.push(&given, &theirs).unwrap();
    let varve = Varve::new().unwrap();
    varve.run(&["pull", "--quiet", &theirs]).unwrap();
    assert_eq!(says(&varve, &theirs), SAID);

    // What Varve pushes they pull and run.
    varve.run(&["tag", &theirs, &ours]).unwrap();
    varve.run(&["push", "--quiet", &ours]).unwrap();
    engine.pull(&ours).unwrap();
    assert_eq!(engine.run(&ours, &words).unwrap(), SAID);

    // What Varve saves they load and run.
    let file = dir.path().join("ours.tar");
    let saved = ["save", "--output", file.to_str().unwrap(), &ours];
    varve.run(&saved).unwrap();
    engine.remove(&ours).unwrap();
    engine.load(&file, &ours).unwrap();
    assert_eq!(engine.run(&ours, &words).unwrap(), SAID);

    // What they save is loaded.
    let file = dir.path().join("theirs.tar");
    engine.save(&given, &file).unwrap();
    let other = Varve::new().unwrap();
    other.run(&["load", "--input", file.to_str().unwrap()]).unwrap();
    assert_eq!(says(&other, &given), SAID);
}

#[test]
fn docker_and_varve_take_each_others_images() {
    let Some(content) = image(&["dockerd", "docker"], "docker") else { return };
    both_ways(&Docker::start().unwrap(), &content);
}

#[test]
fn podman_and_varve_take_each_others_images() {
    let Some(content) = image(&["podman"], "podman") else { return };
    both_ways(&Podman::new().unwrap(), &content);
}

#[test]
fn buildah_and_varve_take_each_others_images() {
    let Some(content) = image(&["buildah"], "buildah") else { return };
    both_ways(&Buildah::new().unwrap(), &content);
}

#[test]
fn containerd_and_varve_take_each_others_images() {
    let Some(content) = image(&["containerd", "ctr"], "containerd") else { return };
    both_ways(&Containerd::start().unwrap(), &content);
}

#[test]
fn skopeo_and_varve_take_each_others_images() {
    let Some(content) = image(&["skopeo"], "skopeo") else { return };
    let (registry, dir) = (Registry::start().unwrap(), tempfile::tempdir().unwrap());
    registry.push("lab/box", "1", &content).unwrap();
    let name = |repository: &str| format!("{}/{repository}:1", registry.address());
    let (given, theirs, ours) = (name("lab/box"), name("from/them"), name("from/us"));
    let http = ["--src-tls-verify=false", "--dest-tls-verify=false"];
    let copy = |from: &str, to: &str| run("skopeo", &["copy", "-q", http[0], http[1], from, to]);
    copy(&format!("docker://{given}"), &format!("docker://{theirs}")).unwrap();
    let varve = Varve::new().unwrap();
    varve.run(&["pull", "--quiet", &theirs]).unwrap();
    assert_eq!(says(&varve, &theirs), SAID);
    varve.run(&["tag", &theirs, &ours]).unwrap();
    varve.run(&["push", "--quiet", &ours]).unwrap();
    let file = |name: &str| dir.path().join(name).display().to_string();
    varve.run(&["save", "--output", &file("ours.tar"), &ours]).unwrap();
    let sources = [
        format!("docker://{ours}"),
        format!("docker-archive:{}", file("ours.tar")),
        format!("oci-archive:{}", file("ours.tar")),
    ];
    for (n, from) in sources.iter().enumerate() {
        let archive = file(&format!("{n}.tar"));
        copy(from, &format!("oci-archive:{archive}:copied:{n}")).unwrap();
        let other = Varve::new().unwrap();
        let said = other.run(&["pull", "--quiet", &format!("oci-archive:{archive}")]).unwrap();
        assert_eq!(says(&other, said.trim()), SAID, "{from}");
    }
}

#[test]
fn an_image_that_was_committed_is_everybodys() {
    let Some(content) = image(&["skopeo", "podman"], "committed") else { return };
    let registry = Registry::start().unwrap();
    registry.push("lab/box", "1", &content).unwrap();
    let name = |repository: &str| format!("{}/{repository}:1", registry.address());
    let (given, made) = (name("lab/box"), name("made"));
    let varve = Varve::new().unwrap();
    varve
        .run(&["run", "--name", "worker", &given, "sh", "-c", "echo new > /new; rm /etc/group"])
        .unwrap();
    varve.run(&["commit", "worker", &made]).unwrap();
    varve.run(&["rm", "worker"]).unwrap();
    varve.run(&["push", "--quiet", &made]).unwrap();
    run("skopeo", &["inspect", "--tls-verify=false", &format!("docker://{made}")]).unwrap();
    let podman = Podman::new().unwrap();
    podman.pull(&made).unwrap();
    let said = podman.run(&made, &["sh", "-c", "cat /new; ls /etc/group; true"]).unwrap();
    assert_eq!(said, "new\n");
}
