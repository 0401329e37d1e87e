//! One damage of each kind, somewhere in the store.

use std::fs::{self, File, FileTimes, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use varve_core::Digest;
use varve_tests::soak::Random;

use super::records;
use super::store::{Named, Store};

fn one<'a, T>(random: &mut Random, all: &'a [T]) -> &'a T {
    &all[(random.next() % all.len() as u64) as usize]
}

fn chance(random: &mut Random) -> bool {
    random.next().is_multiple_of(2)
}

fn writable(path: &Path) -> File {
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    File::options().read(true).write(true).open(path).unwrap()
}

/// One bit; the time of the last write stays, where it `rots`.
fn flip(path: &Path, random: &mut Random, rots: bool) {
    let mode = fs::metadata(path).unwrap().permissions();
    let time = fs::metadata(path).unwrap().modified().unwrap();
    let file = writable(path);
    let at = random.next() % file.metadata().unwrap().len();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    byte[0] ^= 1 << (random.next() % 8);
    file.write_all_at(&byte, at).unwrap();
    if rots {
        file.set_times(FileTimes::new().set_modified(time)).unwrap();
    }
    fs::set_permissions(path, mode).unwrap();
}

/// Shorter, or longer.
fn cut(path: &Path, random: &mut Random) {
    let mode = fs::metadata(path).unwrap().permissions();
    let file = writable(path);
    let len = file.metadata().unwrap().len();
    let longer = len + 1 + random.next() % 5000;
    file.set_len(if chance(random) { random.next() % len } else { longer }).unwrap();
    fs::set_permissions(path, mode).unwrap();
}

pub fn flipped(store: &Store, random: &mut Random) -> Vec<Named> {
    let digests = store.digests();
    let digest = one(random, &digests);
    let rots = chance(random);
    flip(&store.blob(digest), random, rots);
    vec![("flipped", digest.clone())]
}

pub fn cut_off(store: &Store, random: &mut Random) -> Vec<Named> {
    let digests = store.digests();
    let digest = one(random, &digests);
    cut(&store.blob(digest), random);
    vec![("cut", digest.clone())]
}

pub fn without_bytes(store: &Store, random: &mut Random) -> Vec<Named> {
    let digests = store.digests();
    let digest = one(random, &digests);
    fs::remove_file(store.blob(digest)).unwrap();
    vec![("no-bytes", digest.clone())]
}

/// A record that is gone, whose blob is needed; or a file that nobody ever had a record of.
pub fn without_record(store: &Store, random: &mut Random) -> Vec<Named> {
    if random.next().is_multiple_of(4) {
        let bytes = random.next().to_le_bytes();
        let digest = Digest::of(&bytes).to_string();
        fs::write(store.blob(&digest), bytes).unwrap();
        return vec![("no-record", digest)];
    }
    let digests = store.digests();
    let digest = one(random, &digests);
    records::forget_blob(store, digest, chance(random));
    vec![("no-record", digest.clone())]
}

pub fn missing(store: &Store, random: &mut Random) -> Vec<Named> {
    let digests = store.digests();
    let digest = one(random, &digests);
    records::forget_blob(store, digest, false);
    fs::remove_file(store.blob(digest)).unwrap();
    vec![("missing", digest.clone())]
}

/// A stored reference less, or one too many.
pub fn miscounted(store: &Store, random: &mut Random) -> Vec<Named> {
    let (at, more) = (random.next() as usize, chance(random));
    records::edit(&store.layout().join("meta"), move |edit| {
        let mut keys = edit.keys(&["edge/default/"]);
        keys.extend(edit.keys(&["holder/"]));
        keys.retain(|key| key.starts_with(b"edge/") || key.starts_with(b"holder/"));
        let key = keys[at % keys.len()].clone();
        match more {
            true => edit.put.push(([key.as_slice(), b"x"].concat(), Vec::new())),
            false => edit.delete.push(key),
        }
    });
    vec![("count", "*".into())]
}

/// The database of the content store, or of the snapshotter.
pub fn without_records(store: &Store, random: &mut Random) -> Vec<Named> {
    let dir = match chance(random) {
        true => store.layout(),
        false => store.places(),
    };
    let sled = dir.join("meta/sled");
    match chance(random) {
        true => fs::remove_dir_all(&sled).unwrap(),
        false => writable(&sled.join("db")).set_len(10).unwrap(),
    }
    vec![("rebuilt", "records".into())]
}

fn layer(store: &Store, random: &mut Random) -> (String, PathBuf, u64) {
    let all = records::snapshots(store);
    let (key, dir) = one(random, &all).clone();
    (key, store.places().join("snapshots").join(dir.to_string()), dir)
}

pub fn without_tree(store: &Store, random: &mut Random) -> Vec<Named> {
    let (key, place, _) = layer(store, random);
    fs::remove_dir_all(place).unwrap();
    vec![("no-tree", key)]
}

pub fn orphaned(store: &Store, random: &mut Random) -> Vec<Named> {
    let (_, place, _) = layer(store, random);
    let orphan = place.with_file_name((1000 + random.next() % 1000).to_string());
    let copied = Command::new("cp").arg("-a").args([&place, &orphan]).status().unwrap();
    assert!(copied.success());
    vec![("orphan", orphan.display().to_string())]
}

pub fn unsynced(store: &Store, random: &mut Random) -> Vec<Named> {
    let (key, _, dir) = layer(store, random);
    records::unsync(store, dir);
    vec![("unsynced", key)]
}

/// Anything that somebody may do to a tree.
pub fn differing(store: &Store, random: &mut Random) -> Vec<Named> {
    loop {
        let (key, place, _) = layer(store, random);
        let tree = place.join("fs");
        let mut files = Vec::new();
        below(&tree, &mut files);
        let filled = |path: &&PathBuf| {
            let facts = fs::symlink_metadata(path).unwrap();
            facts.is_file() && facts.len() > 0
        };
        let contents: Vec<PathBuf> = files.iter().filter(filled).cloned().collect();
        if contents.is_empty() {
            continue;
        }
        let (any, file) = (one(random, &files).clone(), one(random, &contents).clone());
        match random.next() % 7 {
            0 => flip(&file, random, true),
            1 => flip(&file, random, false),
            2 => cut(&file, random),
            3 if any.is_dir() && !any.is_symlink() => fs::remove_dir_all(any).unwrap(),
            3 => fs::remove_file(any).unwrap(),
            4 => fs::write(tree.join("somebody-was-here"), "x").unwrap(),
            5 => {
                let mode = fs::metadata(&file).unwrap().permissions().mode();
                fs::set_permissions(&file, Permissions::from_mode(mode ^ 0o100)).unwrap();
            }
            _ => {
                fs::remove_file(&file).unwrap();
                std::os::unix::fs::symlink("elsewhere", &file).unwrap();
            }
        }
        return vec![("differs", key)];
    }
}

/// All that is below, links not followed.
fn below(dir: &Path, all: &mut Vec<PathBuf>) {
    let mut names: Vec<PathBuf> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    for path in names {
        if path.is_dir() && !path.is_symlink() {
            below(&path, all);
        }
        all.push(path);
    }
}
