//! Layers made of snapshots, and applied again: the tree that they were made of comes out.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod kit;

use std::fs;
use std::path::Path;
use std::process::Command;

use kit::layer::Archive;
use kit::{Room, changes, seen, tree};
use varve_core::content::Content;
use varve_core::diff::NewLayer;
use varve_core::oci::{Compression, MediaType};
use varve_core::unpack::Layer;
use varve_core::{ChainId, Descriptor, DiffId, Kind, Mount, Result, labels};

const DRIVERS: [&str; 2] = ["overlayfs", "native"];

/// A room for each driver, where this process is root.
async fn rooms() -> Vec<Room> {
    if !rustix::process::geteuid().is_root() {
        varve_core::testsuite::skipped("a tree with devices and owners needs root");
        return Vec::new();
    }
    let mut rooms = Vec::new();
    for driver in DRIVERS {
        rooms.extend(kit::room(driver).await);
    }
    rooms
}

async fn diff(room: &Room, lower: &[Mount], upper: &[Mount]) -> Result<Descriptor> {
    diff_as(room, lower, upper, NewLayer::default()).await
}

async fn diff_as(
    room: &Room,
    lower: &[Mount],
    upper: &[Mount],
    layer: NewLayer,
) -> Result<Descriptor> {
    room.service.diff.diff(&room.scope, lower, upper, layer).await
}

async fn diff_id(room: &Room, blob: &Descriptor) -> DiffId {
    let info = room.store.info(&room.scope, &blob.digest).await.unwrap();
    DiffId(info.labels[labels::UNCOMPRESSED].parse().unwrap())
}

/// The members of a layer: flag and name, in order.
async fn members(room: &Room, blob: &Descriptor) -> Vec<String> {
    let bytes = room.bytes(&blob.digest).await;
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&bytes[..]));
    let entries = archive.entries().unwrap();
    let member = |entry: tar::Entry<'_, _>| {
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        format!("{} {name}", char::from(entry.header().entry_type().as_byte()))
    };
    entries.map(|entry| member(entry.unwrap())).collect()
}

/// The tree that `blob` makes on `chain` when it is unpacked as a layer of an image.
async fn unpacked(from: &Room, to: &Room, blob: &Descriptor, chain: ChainId) -> Vec<String> {
    to.put(&from.bytes(&blob.digest).await).await;
    let diff_id = diff_id(from, blob).await;
    let layer = Layer { blob: blob.clone(), diff_id, parent: Some(chain) };
    let chain = to.unpack(layer).await.unwrap().chain_id;
    let mounts = to.view("unpacked", chain).await;
    let list = seen(&mounts, tree::list_exactly);
    to.service.snapshots.remove(&to.scope, "unpacked").await.unwrap();
    list
}

/// The same by `Diff.Apply`, as containerd's clients do it.
async fn applied(from: &Room, to: &Room, blob: &Descriptor, chain: ChainId) -> Vec<String> {
    to.put(&from.bytes(&blob.digest).await).await;
    let mounts = to.prepare("applied", Some(chain)).await;
    let tar = to.service.diff.apply(&to.scope, blob, &mounts).await.unwrap();
    assert_eq!(tar.digest, diff_id(from, blob).await.0);
    let list = seen(&mounts, tree::list_exactly);
    to.service.snapshots.remove(&to.scope, "applied").await.unwrap();
    list
}

#[track_caller]
fn same(got: &[String], want: &[String], what: &str) {
    let only = |these: &[String], those: &[String]| {
        these.iter().filter(|line| !those.contains(line)).cloned().collect::<Vec<_>>()
    };
    let (ours, theirs) = (only(got, want), only(want, got));
    assert!(got == want, "{what}\nmade:   {ours:#?}\nwanted: {theirs:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tree_that_was_changed_in_every_way_comes_out_of_its_layer_entry_for_entry() {
    let (rooms, others) = (rooms().await, rooms().await);
    for room in &rooms {
        let driver = room.service.name;
        let chain = *room.stack(&changes::layers()).await.unwrap().last().unwrap();
        let lower = room.view("below", chain).await;
        let upper = room.prepare("above", Some(chain)).await;
        seen(&upper, changes::change);
        let blob = diff(room, &lower, &upper).await.unwrap();
        let want = seen(&upper, |root| {
            changes::without_socket(root);
            tree::list_exactly(root)
        });
        for other in &others {
            if other.service.snapshots.stat(&other.scope, &chain.to_string()).await.is_err() {
                other.stack(&changes::layers()).await.unwrap();
            }
            let what = format!("{driver}, then {}", other.service.name);
            same(&applied(room, other, &blob, chain).await, &want, &format!("{what}: applied"));
            same(&unpacked(room, other, &blob, chain).await, &want, &format!("{what}: unpacked"));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_trees_make_the_same_bytes_active_or_committed() {
    for room in rooms().await {
        let chain = *room.stack(&changes::layers()).await.unwrap().last().unwrap();
        let lower = room.view("below", chain).await;
        let upper = room.prepare("above", Some(chain)).await;
        seen(&upper, changes::change);
        let first = diff(&room, &lower, &upper).await.unwrap();
        let second = diff(&room, &lower, &upper).await.unwrap();
        room.service.snapshots.commit(&room.scope, "done", "above", &[].into()).await.unwrap();
        let new = varve_core::snapshots::NewSnapshot {
            key: "committed".into(),
            parent: Some("done".into()),
            ..Default::default()
        };
        let view = room.service.snapshots.view(&room.scope, new).await.unwrap();
        let third = diff(&room, &lower, &view).await.unwrap();
        assert_eq!((&first, &first), (&second, &third), "{}", room.service.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_trees_that_are_the_same_make_an_empty_layer() {
    for room in rooms().await {
        let chain = *room.stack(&changes::layers()).await.unwrap().last().unwrap();
        let lower = room.view("below", chain).await;
        for upper in [room.view("again", chain).await, room.prepare("a", Some(chain)).await] {
            let blob = diff(&room, &lower, &upper).await.unwrap();
            assert_eq!(members(&room, &blob).await, [""; 0], "{}", room.service.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_layer_has_what_changed_and_the_directories_that_it_is_in() {
    for room in rooms().await {
        let base = Archive::new()
            .dir("a/", 0o700)
            .dir("a/b/", 0o711)
            .file("a/b/f", 0o644, b"f")
            .file("a/b/g", 0o644, b"g")
            .dir("a/other/", 0o755)
            .file("a/other/h", 0o644, b"h")
            .dir("goes/", 0o755)
            .file("goes/i", 0o644, b"i")
            .finish();
        let chain = room.stack(&[base]).await.unwrap()[0];
        let lower = room.view("below", chain).await;
        let upper = room.prepare("above", Some(chain)).await;
        seen(&upper, |root| {
            let root_times = fs::metadata(root).unwrap().modified().unwrap();
            let times = fs::metadata(root.join("a/b")).unwrap().modified().unwrap();
            fs::write(root.join("a/b/f"), b"changed").unwrap();
            fs::remove_file(root.join("a/b/g")).unwrap();
            changes::set_time(&root.join("a/b"), times);
            fs::remove_dir_all(root.join("goes")).unwrap();
            changes::set_time(root, root_times);
        });
        let blob = diff(&room, &lower, &upper).await.unwrap();
        let want = ["5 a/", "5 a/b/", "0 a/b/f", "0 a/b/.wh.g", "0 .wh.goes"];
        assert_eq!(members(&room, &blob).await, want, "{}", room.service.name);
        assert_eq!(blob.media_type, MediaType::OciLayer(Compression::Gzip));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_made_anew_hides_what_was_in_it_name_by_name() {
    for room in rooms().await {
        let base = Archive::new()
            .dir("d/", 0o755)
            .file("d/old", 0o644, b"old")
            .dir("d/sub/", 0o755)
            .file("d/sub/old", 0o644, b"old")
            .finish();
        let second = Archive::new().file("d/second", 0o644, b"second").finish();
        let chain = room.stack(&[base, second]).await.unwrap()[1];
        let lower = room.view("below", chain).await;
        let upper = room.prepare("above", Some(chain)).await;
        seen(&upper, |root| {
            let times = fs::metadata(root).unwrap().modified().unwrap();
            fs::remove_dir_all(root.join("d")).unwrap();
            fs::create_dir_all(root.join("d/sub")).unwrap();
            fs::write(root.join("d/sub/new"), b"new").unwrap();
            changes::set_time(root, times);
        });
        let blob = diff(&room, &lower, &upper).await.unwrap();
        let want =
            ["5 d/", "0 d/.wh.old", "0 d/.wh.second", "5 d/sub/", "0 d/sub/new", "0 d/sub/.wh.old"];
        assert_eq!(members(&room, &blob).await, want, "{}", room.service.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trees_that_do_not_stand_on_one_another_are_compared_whole() {
    for room in rooms().await {
        let layers = changes::layers();
        let other = Archive::new()
            .dir("etc/", 0o755)
            .file("etc/passwd", 0o644, b"another\n")
            .hard_link("etc/passwd-", "etc/passwd")
            .file("f", 0o644, b"f")
            .finish();
        let chain = room.stack(&layers).await.unwrap()[1];
        let stranger = room.stack(std::slice::from_ref(&other)).await.unwrap()[0];
        let three = room.stack(&[layers[0].clone(), layers[1].clone(), other]).await.unwrap();
        let views = [
            room.view("base", three[0]).await,
            room.view("chain", chain).await,
            room.view("stranger", stranger).await,
            room.view("three", three[2]).await,
        ];
        let trees: Vec<_> = views.iter().map(|view| seen(view, tree::list_exactly)).collect();
        let chains = [three[0], chain, stranger, three[2]];
        for (from, to) in [(0, 3), (1, 2), (2, 1), (3, 0), (3, 2)] {
            let blob = diff(&room, &views[from], &views[to]).await.unwrap();
            let what = format!("{}: {from} to {to}", room.service.name);
            same(&applied(&room, &room, &blob, chains[from]).await, &trees[to], &what);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_lower_tree_the_layer_has_all_of_the_upper_one() {
    for room in rooms().await {
        let upper = room.prepare("base", None).await;
        seen(&upper, |root| fs::write(root.join("f"), b"f").unwrap());
        let empty = kit_view_of_nothing(&room).await;
        for lower in [Vec::new(), empty] {
            let blob = diff(&room, &lower, &upper).await.unwrap();
            assert_eq!(members(&room, &blob).await, ["5 ./", "0 f"]);
        }
    }
}

async fn kit_view_of_nothing(room: &Room) -> Vec<Mount> {
    let new = varve_core::snapshots::NewSnapshot { key: "nothing".into(), ..Default::default() };
    room.service.snapshots.view(&room.scope, new).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_compression_holds_the_same_archive_and_the_blob_says_its_diff_id() {
    for room in rooms().await {
        let upper = room.prepare("base", None).await;
        seen(&upper, |root| fs::write(root.join("f"), vec![b'f'; 100_000]).unwrap());
        let mut ids = Vec::new();
        for name in [
            "application/vnd.oci.image.layer.v1.tar",
            "application/vnd.oci.image.layer.v1.tar+gzip",
            "application/vnd.oci.image.layer.v1.tar+zstd",
            "application/vnd.docker.image.rootfs.diff.tar.gzip",
        ] {
            let layer = NewLayer {
                media_type: name.into(),
                labels: [("note".into(), name.into())].into(),
                ..NewLayer::default()
            };
            let blob = diff_as(&room, &[], &upper, layer).await.unwrap();
            let info = room.store.info(&room.scope, &blob.digest).await.unwrap();
            assert_eq!((blob.media_type.as_str(), info.labels["note"].as_str()), (name, name));
            assert_eq!(info.size, blob.size);
            ids.push(diff_id(&room, &blob).await);
        }
        ids.dedup();
        assert_eq!(ids.len(), 1);
        let other = NewLayer { media_type: "text/plain".into(), ..NewLayer::default() };
        let error = diff_as(&room, &[], &upper, other).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Unimplemented);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_file_of_a_layer_is_younger_than_was_asked_for() {
    for room in rooms().await {
        let upper = room.prepare("base", None).await;
        seen(&upper, |root| {
            fs::write(root.join("new"), b"").unwrap();
            fs::write(root.join("old"), b"").unwrap();
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(7);
            changes::set_time(&root.join("old"), time);
        });
        let latest = Some(varve_core::Timestamp::from_second(1_000_000_000).unwrap());
        let blob = diff_as(&room, &[], &upper, NewLayer { latest, ..NewLayer::default() }).await;
        let bytes = room.bytes(&blob.unwrap().digest).await;
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&bytes[..]));
        let entries = archive.entries().unwrap().map(|entry| entry.unwrap().header().mtime());
        let times: Vec<_> = entries.map(|time| time.unwrap()).collect();
        assert_eq!(times, [1_000_000_000, 1_000_000_000, 7]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_mounts_of_known_snapshots_of_the_namespace_are_read() {
    for room in rooms().await {
        let chain = room.stack(&changes::layers()).await.unwrap()[1];
        let lower = room.view("below", chain).await;
        let upper = room.prepare("above", Some(chain)).await;
        let elsewhere = varve_core::Scope::of("other".parse().unwrap());
        let foreign = room.service.diff.diff(&elsewhere, &lower, &upper, NewLayer::default()).await;
        assert_eq!(foreign.unwrap_err().kind(), Kind::InvalidArgument);
        let mut forged = upper.clone();
        let path = forged[0].top().to_owned();
        forged[0].source = format!("{path}/etc");
        forged[0].options = vec!["rw".into(), "rbind".into()];
        forged[0].kind = "bind".into();
        let dots = Mount::bind(format!("{path}/../../../.."), "ro");
        let committed = Mount::bind(lower[0].top(), "rw");
        for bad in [vec![], forged, vec![Mount::bind("/", "ro")], vec![dots], vec![committed]] {
            let error = diff(&room, &lower, &bad).await.unwrap_err();
            assert_eq!(error.kind(), Kind::InvalidArgument, "{bad:?}");
            if !bad.is_empty() {
                let error = diff(&room, &bad, &upper).await.unwrap_err();
                assert_eq!(error.kind(), Kind::InvalidArgument, "{bad:?}");
            }
        }
        assert_eq!(room.store.list_statuses(&room.scope, &[]).await.unwrap(), []);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_layer_cannot_say_is_an_error_that_names_it() {
    type Spoil = (&'static str, fn(&Path));
    let spoils: [Spoil; 2] = [
        (".wh.", |root| fs::write(root.join(".wh.f"), b"").unwrap()),
        ("user.a=b", |root| {
            let flags = rustix::fs::XattrFlags::empty();
            fs::write(root.join("f"), b"").unwrap();
            rustix::fs::lsetxattr(root.join("f"), "user.a=b", b"c", flags).unwrap();
        }),
    ];
    for room in rooms().await {
        for (key, (noun, spoil)) in spoils.iter().enumerate() {
            let upper = room.prepare(&key.to_string(), None).await;
            seen(&upper, spoil);
            let error = diff(&room, &[], &upper).await.unwrap_err();
            assert_eq!(error.kind(), Kind::FailedPrecondition);
            assert!(error.chain().contains(noun), "{}", error.chain());
        }
        no_ingest_is_left(&room).await;
    }
}

/// One that failed is removed soon after.
async fn no_ingest_is_left(room: &Room) {
    for _ in 0..500 {
        if room.store.list_statuses(&room.scope, &[]).await.unwrap().is_empty() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("an ingest of nobody's is left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_overlay_wrote_with_redirects_is_refused() {
    let Some(room) = kit::room("overlayfs").await else { return };
    let chain = room.stack(&changes::layers()).await.unwrap()[1];
    let lower = room.view("below", chain).await;
    for (at, redirect) in [("redirect_dir=on", true), ("metacopy=on", false)] {
        let upper = room.prepare(at, Some(chain)).await;
        let mut mounts = upper.clone();
        mounts[0].options.push(at.into());
        kit::mounted(&mounts, |root| match redirect {
            true => fs::rename(root.join("srv"), root.join("moved")).unwrap(),
            false => {
                use std::os::unix::fs::PermissionsExt;
                fs::set_permissions(root.join("etc/kept"), PermissionsExt::from_mode(0o600))
                    .unwrap();
            }
        });
        let error = diff(&room, &lower, &upper).await.unwrap_err();
        assert_eq!(error.kind(), Kind::FailedPrecondition, "{at}: {}", error.chain());
        assert!(error.chain().contains("redirect_dir or metacopy"), "{}", error.chain());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_diff_that_is_given_up_frees_its_ingest() {
    for room in rooms().await {
        let upper = room.prepare("large", None).await;
        seen(&upper, |root| {
            fs::File::create(root.join("large")).unwrap().set_len(4 << 30).unwrap();
        });
        let layer = NewLayer { ingest: "a-ref".into(), ..NewLayer::default() };
        let begun = diff_as(&room, &[], &upper, layer.clone());
        let given_up = tokio::time::timeout(std::time::Duration::from_millis(300), begun).await;
        assert!(given_up.is_err(), "4 GiB were compressed in no time");
        // The ref is free at once, and whoever takes it again begins anew.
        seen(&upper, |root| fs::remove_file(root.join("large")).unwrap());
        let blob = diff_as(&room, &[], &upper, layer).await.unwrap();
        assert_eq!(members(&room, &blob).await, ["5 ./"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_of_a_hostile_tree_lead_nowhere() {
    for room in rooms().await {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), b"secret").unwrap();
        let base = Archive::new().dir("d/", 0o755).file("d/secret", 0o644, b"x").finish();
        let chain = room.stack(&[base]).await.unwrap()[0];
        let lower = room.view("below", chain).await;
        let upper = room.prepare("above", Some(chain)).await;
        seen(&upper, |root| {
            fs::remove_dir_all(root.join("d")).unwrap();
            std::os::unix::fs::symlink(outside.path(), root.join("d")).unwrap();
            std::os::unix::fs::symlink("/proc/self/root", root.join("e")).unwrap();
        });
        let blob = diff(&room, &lower, &upper).await.unwrap();
        assert_eq!(members(&room, &blob).await, ["5 ./", "2 d", "2 e"], "{}", room.service.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_the_longest_name_can_be_deleted() {
    for room in rooms().await {
        let name = "n".repeat(255);
        let first = room.prepare("first", None).await;
        seen(&first, |root| fs::write(root.join(&name), b"").unwrap());
        let base = diff(&room, &[], &first).await.unwrap();
        let layer = Layer { diff_id: diff_id(&room, &base).await, blob: base, parent: None };
        let chain = room.unpack(layer).await.unwrap().chain_id;
        let (lower, upper) =
            (room.view("below", chain).await, room.prepare("above", Some(chain)).await);
        seen(&upper, |root| fs::remove_file(root.join(&name)).unwrap());
        let blob = diff(&room, &lower, &upper).await.unwrap();
        assert_eq!(members(&room, &blob).await, ["5 ./", &format!("0 .wh.{name}")]);
        let want = seen(&upper, tree::list_exactly);
        same(&unpacked(&room, &room, &blob, chain).await, &want, room.service.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_name_of_a_file_has_its_capabilities_and_the_first_has_the_rest() {
    for room in rooms().await {
        let upper = room.prepare("base", None).await;
        seen(&upper, |root| {
            changes::capable(&root.join("a"));
            fs::hard_link(root.join("a"), root.join("b")).unwrap();
        });
        let blob = diff(&room, &[], &upper).await.unwrap();
        let bytes = room.bytes(&blob.digest).await;
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&bytes[..]));
        let mut told = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().to_string_lossy().into_owned();
            let extensions = entry.pax_extensions().unwrap().into_iter().flatten();
            let keys = extensions.map(|extension| extension.unwrap().key().unwrap().to_owned());
            let xattrs = keys.filter_map(|key| Some(key.strip_prefix("SCHILY.xattr.")?.to_owned()));
            told.push((name, xattrs.collect::<Vec<_>>().join(" ")));
        }
        let want =
            [("./", ""), ("a", "security.capability user.note"), ("b", "security.capability")];
        assert_eq!(told, want.map(|(name, xattrs)| (name.to_owned(), xattrs.to_owned())));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_without_a_number_is_one_where_trees_are_not_stacked() {
    let Some(room) = rooms().await.pop() else { return };
    assert_eq!(room.service.name, "native");
    let upper = room.prepare("base", None).await;
    seen(&upper, |root| {
        let (kind, mode) = (rustix::fs::FileType::CharacterDevice, rustix::fs::Mode::RUSR);
        rustix::fs::mknodat(rustix::fs::CWD, root.join("zero"), kind, mode, 0).unwrap();
    });
    let blob = diff(&room, &[], &upper).await.unwrap();
    assert_eq!(members(&room, &blob).await, ["5 ./", "3 zero"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gnu_tar_reads_a_layer_as_we_do() {
    let Some(room) = rooms().await.pop() else { return };
    let upper = room.prepare("base", None).await;
    let chain = *room.stack(&changes::layers()).await.unwrap().last().unwrap();
    let view = room.view("view", chain).await;
    seen(&view, |from| {
        seen(&upper, |to| {
            let copied = Command::new("cp").arg("-a").arg(from.join(".")).arg(to).status();
            assert!(copied.unwrap().success());
            changes::change(to);
            changes::without_socket(to);
        });
    });
    let plain = MediaType::OciLayer(Compression::None);
    let layer = NewLayer { media_type: plain, ..NewLayer::default() };
    let blob = diff_as(&room, &[], &upper, layer).await.unwrap();
    let temp = tempfile::tempdir().unwrap();
    let (archive, root) = (temp.path().join("layer.tar"), temp.path().join("root"));
    fs::write(&archive, room.bytes(&blob.digest).await).unwrap();
    fs::create_dir(&root).unwrap();
    let mut tar = Command::new("tar");
    tar.args(["--xattrs", "--xattrs-include=*", "--same-owner", "-xpf"]).arg(&archive);
    let extracted = tar.arg("-C").arg(&root).status();
    if extracted.is_err() {
        return varve_core::testsuite::skipped("there is no GNU tar");
    }
    assert!(extracted.unwrap().success());
    same(&seen(&upper, tree::list_exactly), &tree::list_exactly(&root), "GNU tar");
}

/// What the lister tells, as it is printed.
async fn listed(room: &Room, key: &str) -> Result<Vec<String>> {
    let mut listing = room.service.changes.changes(&room.scope, key).await?;
    let mut lines = Vec::new();
    loop {
        let changes = listing.next().await?;
        if changes.is_empty() {
            return Ok(lines);
        }
        let line = |change: &varve_core::changes::Change| {
            format!("{} {}", change.kind.letter(), change.path.display())
        };
        lines.extend(changes.iter().map(line));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_snapshot_changed_of_its_parent_is_listed_while_it_is_active_and_after() {
    for room in rooms().await {
        let base = Archive::new().dir("d/", 0o755).file("d/f", 0o644, b"f").file("g", 0o644, b"g");
        let chain = room.stack(&[base.finish()]).await.unwrap()[0];
        let upper = room.prepare("active", Some(chain)).await;
        seen(&upper, |root| {
            fs::write(root.join("d/f"), b"changed").unwrap();
            fs::create_dir(root.join("new")).unwrap();
            fs::write(root.join("new/h"), b"h").unwrap();
            fs::remove_file(root.join("g")).unwrap();
        });
        let want = ["C /d/f", "D /g", "A /new", "A /new/h"];
        assert_eq!(listed(&room, "active").await.unwrap(), want, "{}", room.service.name);
        room.service.snapshots.commit(&room.scope, "done", "active", &[].into()).await.unwrap();
        assert_eq!(listed(&room, "done").await.unwrap(), want, "{}", room.service.name);
        let all = listed(&room, &chain.to_string()).await.unwrap();
        assert_eq!(all, ["A /d", "A /d/f", "A /g"], "without a parent it is all there is");
        room.view("view", chain).await;
        assert_eq!(listed(&room, "view").await.unwrap(), [""; 0]);
        assert_eq!(listed(&room, "nothing").await.unwrap_err().kind(), Kind::NotFound);
        assert_eq!(listed(&room, "active").await.unwrap_err().kind(), Kind::NotFound);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listing_that_is_dropped_frees_the_snapshotter() {
    let Some(room) = kit::room("native").await else { return };
    let upper = room.prepare("many", None).await;
    seen(&upper, |root| {
        (0..2000).for_each(|name| fs::write(root.join(name.to_string()), b"").unwrap());
    });
    // More than there may be at once: each is given up after its first batch.
    for _ in 0..20 {
        let begun = room.service.changes.changes(&room.scope, "many").await;
        assert_eq!(begun.unwrap().next().await.unwrap().len(), 256);
    }
    assert_eq!(listed(&room, "many").await.unwrap().len(), 2000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_that_goes_while_it_is_listed_is_no_whole_list() {
    let Some(room) = kit::room("native").await else { return };
    let upper = room.prepare("goes", None).await;
    seen(&upper, |root| {
        (0..2000).for_each(|name| fs::write(root.join(name.to_string()), b"").unwrap());
    });
    let mut listing = room.service.changes.changes(&room.scope, "goes").await.unwrap();
    assert_eq!(listing.next().await.unwrap().len(), 256);
    room.service.snapshots.remove(&room.scope, "goes").await.unwrap();
    let error = loop {
        match listing.next().await {
            Ok(changes) => assert!(!changes.is_empty(), "it ended as if it were whole"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), Kind::Aborted, "{}", error.chain());
}
