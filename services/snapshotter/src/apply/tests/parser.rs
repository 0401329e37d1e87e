//! The archive's own traps: sizes and names said twice, sparse maps, numbers, cut-off archives.

use super::kit::{Layer, Stage, node, pax_body};
use crate::apply::{ApplyError, Compression, Mode, Options};

fn names(layer: Layer) -> Vec<String> {
    let stage = Stage::new();
    stage.apply(Mode::Base, layer).unwrap();
    stage.names()
}

fn refused(layer: Layer, why: &str) {
    Stage::new().refuses(Mode::Base, layer, why);
}

#[test]
fn a_pax_size_holds_whatever_the_header_says_and_hides_no_entries() {
    let inner = Layer::new().file("smuggled", "").0;
    let zero = Layer::new().pax(&[("size", inner.len().to_string().as_bytes())]).with(
        b"outer",
        b'0',
        &inner,
        |header| header.set_size(0),
    );
    assert_eq!(names(zero), ["outer"]);
    let other = Layer::new().pax(&[("size", inner.len().to_string().as_bytes())]).with(
        b"outer",
        b'0',
        &inner,
        |header| header.set_size(3),
    );
    assert_eq!(names(other.file("next", "")), ["next", "outer"]);
}

#[test]
fn a_pax_size_is_never_that_of_a_header_between() {
    let layer = Layer::new()
        .pax(&[("size", b"4")])
        .with(b"././@LongLink", b'L', b"long-name\0", |_| {})
        .with(b"short", b'0', b"body", |header| header.set_size(0));
    assert_eq!(names(layer.file("next", "")), ["long-name", "next"]);
}

#[test]
fn long_names_and_long_links_are_read_and_a_pax_path_of_another_name_is_refused() {
    let long = "n".repeat(180);
    let gnu = |body: &str| {
        Layer::new().with(b"././@LongLink", b'L', format!("{body}\0").as_bytes(), |_| {})
    };
    assert_eq!(names(gnu(&long).file("nnn", "")), [long.as_str()]);
    let link = Layer::new().with(b"././@LongLink", b'K', long.as_bytes(), |_| {});
    let stage = Stage::new();
    stage.apply(Mode::Base, link.symlink("l", "t")).unwrap();
    assert_eq!(node(&stage.path("l")).content, long.as_bytes());
    assert_eq!(names(gnu("a").pax(&[("path", b"a")]).file("x", "")), ["a"]);
    refused(gnu("a").pax(&[("path", b"b")]).file("x", ""), "two names");
    refused(Layer::new().pax(&[("path", b"a")]).pax(&[("uid", b"0")]).file("x", ""), "two PAX");
}

#[test]
fn a_global_header_changes_nothing_and_must_not_move_bytes() {
    let global = |records| Layer::new().with(b"g", b'g', &pax_body(records), |_| {});
    let ignored = global(&[("comment", b"a commit"), ("path", b"evil")]);
    assert_eq!(names(ignored.file("f", "")), ["f"]);
    refused(global(&[("size", b"512")]).file("f", ""), "global");
    refused(global(&[("GNU.sparse.map", b"0,1")]).file("f", ""), "global");
}

#[test]
fn prefixes_are_read_as_each_format_has_them() {
    let ustar = |header: &mut tar::Header| {
        header.as_mut_bytes()[257..265].copy_from_slice(b"ustar\x0000");
        header.as_mut_bytes()[345..348].copy_from_slice(b"a/b");
    };
    assert_eq!(names(Layer::new().with(b"c", b'0', b"", ustar)), ["a", "a/b", "a/b/c"]);
    // GNU has times there, and headers of Go before 1.8 a prefix all the same.
    let times = |header: &mut tar::Header| {
        header.as_mut_bytes()[345..357].copy_from_slice(b"00000000001\0");
    };
    assert_eq!(names(Layer::new().with(b"c", b'0', b"", times)), ["c"]);
    let old_go = |header: &mut tar::Header| {
        header.as_mut_bytes()[345..348].copy_from_slice(b"a/b");
    };
    assert_eq!(names(Layer::new().with(b"c", b'0', b"", old_go)), ["a", "a/b", "a/b/c"]);
}

#[test]
fn the_oldest_form_has_directories_by_their_slash() {
    let stage = Stage::new();
    stage.apply(Mode::Base, Layer::new().with(b"d/", 0, b"", |_| {}).file("d/x", "")).unwrap();
    assert_eq!(stage.names(), ["d", "d/x"]);
}

#[test]
fn links_and_directories_have_no_body_whatever_their_size_says() {
    let sized = |header: &mut tar::Header| {
        header.as_old_mut().linkname[..1].copy_from_slice(b"t");
        header.set_size(512);
    };
    let layer = Layer::new().with(b"l", b'2', b"", sized).with(b"d", b'5', b"", sized);
    assert_eq!(names(layer.file("f", "")), ["d", "f", "l"]);
}

#[test]
fn a_wrong_checksum_a_bad_number_and_an_unknown_type_are_refused() {
    let mut spoiled = Layer::new().file("f", "");
    spoiled.0[0] ^= 1;
    refused(spoiled, "checksum");
    let number = |header: &mut tar::Header| header.as_old_mut().mode = *b"99999999";
    refused(Layer::new().with(b"f", b'0', b"", number), "mode");
    let size = |header: &mut tar::Header| header.as_old_mut().size = [0xff; 12];
    refused(Layer::new().with(b"f", b'0', b"", size), "negative");
    refused(Layer::new().pax(&[("size", b"-1")]).file("f", ""), "negative");
    refused(Layer::new().with(b"f", b'V', b"", |_| {}), "type");
    let owner = |header: &mut tar::Header| header.as_old_mut().uid = [0xff; 8];
    refused(Layer::new().with(b"f", b'0', b"", owner), "uid is -1");
    refused(Layer::new().pax(&[("uid", b"4294967295")]).file("f", ""), "uid is 4294967295");
}

#[test]
fn records_that_are_no_records_are_refused() {
    for body in
        [&b"5 a=b"[..], b"99 path=x\n", b"x path=x\n", b"0 =\n", b"3 =\n", b"-9 a=b\n", b" \n"]
    {
        refused(Layer::new().with(b"p", b'x', body, |_| {}).file("f", ""), "PAX");
    }
    refused(Layer::new().pax(&[("path", b"a\0b")]).file("f", ""), "NUL");
    for key in ["mtime", "atime", "ctime"] {
        refused(Layer::new().pax(&[(key, b"1.x")]).file("f", ""), "no time");
        refused(Layer::new().pax(&[(key, b".5")]).file("f", ""), "no number");
    }
    let long_name = format!("SCHILY.xattr.user.{}", "x".repeat(300));
    refused(Layer::new().pax(&[(&long_name, b"1")]).file("f", ""), "255");
    refused(Layer::new().pax(&[("SCHILY.xattr.user.x", &[1; 70_000])]).file("f", ""), "65536");
}

#[test]
fn names_that_no_file_system_holds_are_refused() {
    let long = |len: usize| Layer::new().pax(&[("path", "n".repeat(len).as_bytes())]).file("f", "");
    refused(long(256), "longer than 255");
    refused(long(5000), "longer than 4095");
    let deep = "d/".repeat(3000);
    refused(Layer::new().pax(&[("path", deep.as_bytes())]).file("f", ""), "longer than 4095");
}

#[test]
fn the_deepest_tree_that_a_name_can_say_is_made_and_removed() {
    let stage = Stage::new();
    let deep = "d/".repeat(2046) + "f";
    let layer = Layer::new().pax(&[("path", deep.as_bytes())]).file("f", "");
    stage.apply(Mode::InPlace, layer).unwrap();
    stage.apply(Mode::InPlace, Layer::new().file(".wh.d", "")).unwrap();
    assert!(stage.names().is_empty());
}

#[test]
fn an_extension_header_of_more_than_a_mebibyte_is_refused_before_it_is_read() {
    for flag in [b'x', b'g', b'L', b'K'] {
        let size = |header: &mut tar::Header| header.set_size(1 << 40);
        let layer = Layer::new().with(b"e", flag, b"", size);
        let error = Stage::new().apply(Mode::Base, layer).unwrap_err();
        assert!(matches!(error, ApplyError::Limit { limit: 1_048_576, .. }), "{error:?}");
    }
}

#[test]
fn an_archive_may_end_without_its_zeros_but_not_within_an_entry() {
    let whole = Layer::new().file("a", "body").file("b", "body");
    let apply = |bytes: Vec<u8>| {
        Stage::new().apply_bytes(&Options::new(Mode::Base), Compression::None, bytes)
    };
    assert_eq!(apply(Vec::new()).unwrap().stream.entries, 0);
    for blocks in [0, 1, 2, 5] {
        let bytes = [&whole.0[..], &vec![0; blocks * 512]].concat();
        assert_eq!(apply(bytes).unwrap().stream.entries, 2);
    }
    for end in (1..whole.0.len()).step_by(13).filter(|end| end % 1024 != 0) {
        let error = apply(whole.0[..end].to_vec()).unwrap_err();
        assert!(matches!(error, ApplyError::Malformed { .. }), "{end}: {error:?}");
    }
    let zeros_between = Layer::new().file("a", "").body(&[0; 512]).file("b", "");
    refused(zeros_between, "zeros");
    refused(Layer::new().file("a", "").pax(&[("path", b"b")]), "extension");
}

#[test]
fn an_archive_may_end_with_the_bytes_of_its_last_file_and_nowhere_else() {
    let whole = Layer::new().file("a", "abc").0;
    let upto = |len: usize| {
        let stage = Stage::new();
        let (options, bytes) = (Options::new(Mode::Base), whole[..len].to_vec());
        let applied = stage.apply_bytes(&options, Compression::None, bytes);
        applied.map(|_| stage.names())
    };
    assert_eq!(upto(512 + 3).unwrap(), ["a"], "as umoci's insert leaves it");
    for len in [511, 512, 512 + 2, 512 + 4, 1023] {
        let error = upto(len).unwrap_err();
        assert!(error.to_string().contains("cut off"), "{len}: {error}");
    }
}

#[test]
fn a_pax_record_that_is_taken_back_says_nothing() {
    let inner = Layer::new().file("seen", "").0;
    let records: [(&str, &[u8]); 4] =
        [("size", b"512"), ("size", b""), ("path", b"other"), ("path", b"")];
    let layer = Layer::new().pax(&records).file("outer", "").body(&inner);
    assert_eq!(names(layer), ["outer", "seen"], "as Go reads it");
}
