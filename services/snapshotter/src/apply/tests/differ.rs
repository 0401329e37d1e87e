//! What others would read otherwise, as the fuzzing beside them found it (docs/fuzz.md).

use super::kit::{Layer, Stage, pax_body};
use crate::apply::Mode;

fn refused(layer: Layer, why: &str) {
    Stage::new().refuses(Mode::Base, layer, why);
}

/// Go forgets all that was told before a global header: names, and sizes, so that a body would be entries.
#[test]
fn nothing_stands_between_an_entry_and_what_is_told_of_it() {
    let global = |layer: Layer| layer.with(b"g", b'g', &pax_body(&[("comment", b"c")]), |_| {});
    let inner = Layer::new().file("smuggled", "").0;
    let size = inner.len().to_string();
    let told = Layer::new().pax(&[("size", size.as_bytes())]);
    let layer = global(told).with(b"outer", b'0', &inner, |header| header.set_size(0));
    refused(layer, "stands between");
    for kind in [b'L', b'K'] {
        let told = Layer::new().with(b"long", kind, b"other\0", |_| {});
        refused(global(told).symlink("l", "t"), "stands between");
    }
    let before = global(Layer::new()).pax(&[("path", b"named")]).file("f", "");
    let stage = Stage::new();
    stage.apply(Mode::Base, before).unwrap();
    assert_eq!(stage.names(), ["named"]);
}

#[test]
fn numbers_that_mean_nothing_must_be_numbers() {
    let field = |at: usize| {
        move |header: &mut tar::Header| {
            header.as_mut_bytes()[257..265].copy_from_slice(b"ustar\x0000");
            header.as_mut_bytes()[at] = b'=';
        }
    };
    for kind in [b'x', b'g', b'L', b'K'] {
        let layer = Layer::new().with(b"x", kind, &pax_body(&[("comment", b"c")]), field(108));
        refused(layer.file("f", ""), "uid");
    }
    refused(Layer::new().with(b"f", b'0', b"", field(330)), "device");
    refused(Layer::new().with(b"f", b'0', b"", field(340)), "device");
    // A space and something behind the end of a number.
    let behind = |header: &mut tar::Header| header.as_old_mut().uid = *b"17 \0\x008\0\0";
    refused(Layer::new().with(b"f", b'0', b"", behind), "uid");
}

/// Where the magic is no format's, the numbers of a device are none, as in Go.
#[test]
fn a_device_of_the_oldest_form_has_no_numbers() {
    use crate::apply::{Archive, Cancel, Device, Limits};
    let numbers = |magic: &'static [u8; 8]| {
        let layer = Layer::new().with(b"c", b'3', b"", |header| {
            header.as_mut_bytes()[257..265].copy_from_slice(magic);
            header.as_mut_bytes()[329..337].copy_from_slice(b"0000001\0");
            header.as_mut_bytes()[337..345].copy_from_slice(b"0000003\0");
        });
        let bytes = layer.end();
        let (limits, cancel) = (Limits::default(), Cancel::default());
        let mut archive = Archive::new(&bytes[..], &limits, &cancel);
        archive.next().unwrap().unwrap().device
    };
    for magic in [b"ustar\x0000", b"ustar\x00xy", b"ustar  \0"] {
        assert_eq!(numbers(magic), Device { major: 1, minor: 3 });
    }
    for magic in [b"ustar800", b"ustar  x", b"\0\0\0\0\0\0\0\0"] {
        assert_eq!(numbers(magic), Device { major: 0, minor: 0 });
    }
}
