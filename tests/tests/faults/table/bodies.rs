//! What comes of bodies that are cut, stall, or are not what they should be, and of the rest that is asked for.

use std::time::Duration;

use varve_core::Kind;
use varve_registry::testsuite::{Fault, On, Rule};

use super::{Row, given_up, layer, status, survived};

pub(super) fn bodies() -> Vec<Row> {
    use Kind::*;
    vec![
        survived("a layer is cut off at its first byte, once", 8, |s, _, _| {
            vec![layer(s, Fault::Cut(0)).times(1)]
        }),
        survived("a layer is cut off after n bytes, once", 8, |s, _, _| {
            vec![layer(s, Fault::Cut(1000)).times(1)]
        }),
        survived("a layer is cut off after n bytes, five times", 12, |s, _, _| {
            vec![layer(s, Fault::Cut(1000)).times(5)]
        }),
        given_up(
            "a layer is cut off after n bytes, each time",
            12,
            Unavailable,
            &["failed 6 times", "what came is kept, pull again to resume"],
            |s, _, _| vec![layer(s, Fault::Cut(1000))],
        ),
        survived("the connection ends before the answer, once", 8, |s, _, _| {
            vec![layer(s, Fault::Hangup).times(1)]
        }),
        given_up(
            "the connection ends before the answer, each time",
            12,
            Unavailable,
            &["failed 6 times", "broke"],
            |s, _, _| vec![layer(s, Fault::Hangup)],
        ),
        survived("nothing is answered, once", 8, |s, _, _| vec![layer(s, Fault::Silent).times(1)]),
        given_up(
            "nothing is ever answered",
            12,
            DeadlineExceeded,
            &["sent nothing for 0.5 s"],
            |s, _, _| vec![layer(s, Fault::Silent)],
        ),
        survived("a body stalls, once", 8, |s, _, _| vec![layer(s, Fault::Stall(1000)).times(1)]),
        given_up(
            "a body stalls, each time",
            12,
            DeadlineExceeded,
            &["sent nothing for 0.5 s", "pull again to resume"],
            |s, _, _| vec![layer(s, Fault::Stall(1000))],
        ),
        given_up(
            "a body comes byte by byte, one a second",
            12,
            DeadlineExceeded,
            &["sent nothing for 0.5 s"],
            |s, _, _| vec![layer(s, Fault::Slow(1, Duration::from_secs(1)))],
        ),
        given_up(
            "a body has no end",
            7,
            FailedPrecondition,
            &["sends more than the", "the image is damaged there"],
            |s, _, _| vec![layer(s, Fault::Endless)],
        ),
        given_up(
            "Content-Length is more than the layer has",
            7,
            FailedPrecondition,
            &["sends more than the"],
            |s, _, _| vec![layer(s, Fault::Length(10_000_000)), layer(s, Fault::Stall(1000))],
        ),
        survived("Content-Length is less than the layer has, once", 8, |s, _, _| {
            vec![layer(s, Fault::Length(1000)).times(1)]
        }),
        given_up(
            "Content-Length is less than the layer has, each time",
            13,
            Unavailable,
            &["bytes", "failed"],
            |s, _, _| vec![layer(s, Fault::Length(1000))],
        ),
        survived("a layer has other bytes, once", 8, |s, _, _| {
            vec![layer(s, Fault::OtherBytes).times(1)]
        }),
        given_up(
            "a layer has other bytes, each time",
            8,
            FailedPrecondition,
            &["sent other bytes than the digest names"],
            |s, _, _| vec![layer(s, Fault::OtherBytes)],
        ),
        given_up("headers of a mebibyte", 12, Unavailable, &["the connection to"], |s, _, _| {
            vec![layer(s, Fault::LongHeader(1 << 20))]
        }),
    ]
}

pub(super) fn ranges() -> Vec<Row> {
    vec![
        survived("a Range is ignored", 8, |s, _, _| {
            vec![layer(s, Fault::Cut(70_000)).times(1), Rule::new(On::Ranges, Fault::IgnoreRange)]
        }),
        survived("a Range is answered with another range", 9, |s, _, _| {
            let other = Fault::ContentRange("bytes 5-9/10".into());
            vec![layer(s, Fault::Cut(70_000)).times(1), Rule::new(On::Ranges, other)]
        }),
        survived("a Range is answered with other bytes", 9, |s, _, _| {
            vec![layer(s, Fault::Cut(70_000)).times(1), Rule::new(On::Ranges, Fault::OtherBytes)]
        }),
        survived("a Range cannot be satisfied (416)", 9, |s, _, _| {
            vec![layer(s, Fault::Cut(70_000)).times(1), Rule::new(On::Ranges, status(416, None))]
        }),
        survived("a Range is answered by 503, once", 9, |s, _, _| {
            vec![
                layer(s, Fault::Cut(70_000)).times(1),
                Rule::new(On::Ranges, status(503, None)).times(1),
            ]
        }),
    ]
}
