//! Archives as Varve reads them, and as others do: those of the corpus, and some that are random.

#![allow(clippy::unwrap_used, reason = "of tests")]

use std::fs;
use std::path::Path;

use varve_fuzz::beside::{Peers, Reading, Verdict, generate};

/// Random archives of each run of the tests; `just fuzz-tar` reads more.
const RANDOM: u64 = 300;

#[test]
fn archives_of_the_corpus_and_random_ones_are_read_as_go_reads_them() {
    let Some(mut peers) = Peers::start() else { return };
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for target in ["tar", "extract"] {
        for entry in fs::read_dir(corpus.join(target)).unwrap().map(Result::unwrap) {
            let archive = fs::read(entry.path()).unwrap();
            for archive in [varve_fuzz::tar::summed(&archive), archive] {
                let finding = peers.read(&archive).finding();
                assert_eq!(finding, None, "{target}/{:?}", entry.file_name());
            }
        }
    }
    for seed in 1..=RANDOM {
        let finding = peers.read(&generate::archive(seed)).finding();
        assert_eq!(finding, None, "`just fuzz-tar 1 {seed}`");
    }
    // Had nobody read anything, nobody would have differed.
    let same = peers.counts.get("Go: the same, GNU tar: the same, bsdtar: the same");
    assert!(same.is_some_and(|count| *count > 50), "{:?}", peers.counts);
}

/// What is seen to differ does: here the archive ends for some where it goes on for others.
#[test]
fn an_archive_that_is_another_to_others_is_seen() {
    let Some(mut peers) = Peers::start() else { return };
    let plain = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/tar/files");
    let archive = fs::read(plain).unwrap();
    let verdict = peers.read(&archive);
    let same = Reading::Same;
    assert_eq!(verdict, Verdict::Read { go: same.clone(), gnu: same.clone(), bsd: same.clone() });
    let other = Reading::Other("a name".into());
    let differs = Verdict::Read { go: other, gnu: same.clone(), bsd: same };
    assert!(differs.finding().is_some_and(|why| why.contains("a name")));
}
