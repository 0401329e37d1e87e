//! Registries that do several things wrong at once, in any order: whatever comes of a pull, it ends in time, nothing
//! that is wrong is kept, and once the registry has come to itself the image is whole.
//!
//! `VARVE_FAULT_RUNS` says how many registries, `VARVE_FAULT_SEED` which was the first.

use std::time::{Duration, Instant};

use varve_registry::testsuite::{Fault, Gate, On, Rule};

use super::LONGEST;
use super::pipeline::House;

const RUNS: u64 = 12;
/// Pulls of one registry before its faults are over.
const PULLS: u64 = 2;
/// Waits add up where several faults follow each other.
const PATIENCE: u32 = 3;

/// Numbers that are the same for the same seed.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    fn of<T: Clone>(&mut self, all: &[T]) -> T {
        let at = self.below(all.len() as u64);
        all[usize::try_from(at).unwrap()].clone()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_that_does_anything_wrong_is_pulled_from_in_the_end() {
    let number = |name: &str, usual| {
        std::env::var(name).map_or(usual, |text| text.parse().expect("a number"))
    };
    let (runs, first) = (number("VARVE_FAULT_RUNS", RUNS), number("VARVE_FAULT_SEED", 1));
    let (mut pulls, mut survived) = (0, 0);
    for seed in first..first + runs {
        match run(&mut Dice::new(seed)).await {
            Ok((tried, whole)) => (pulls, survived) = (pulls + tried, survived + whole),
            Err(wrong) => panic!("VARVE_FAULT_SEED={seed}: {wrong}"),
        }
    }
    eprintln!(
        "{runs} registries, {pulls} pulls of them while something was wrong, {survived} whole"
    );
}

/// How many pulls there were before the faults were over, and how many of them brought the image.
async fn run(dice: &mut Dice) -> Result<(u64, u64), String> {
    let house = House::open().await;
    if dice.below(2) == 0 {
        house.registry.guard(Gate::anonymous());
    }
    let rules: Vec<Rule> = (0..=dice.below(4)).map(|_| rule(dice, &house)).collect();
    let mut whole = 0;
    for _ in 0..PULLS {
        house.registry.faults(rules.clone());
        let began = Instant::now();
        let pulled = house.pull().await;
        if began.elapsed() > LONGEST * PATIENCE {
            return Err(format!("{:?} for {rules:?}", began.elapsed()));
        }
        whole += u64::from(pulled.is_ok());
        house.check_blobs().map_err(|wrong| format!("{wrong}: {rules:?}"))?;
    }
    house.check_again().await.map_err(|wrong| format!("{wrong}: {rules:?}"))?;
    Ok((PULLS, whole))
}

fn rule(dice: &mut Dice, house: &House) -> Rule {
    let places = [
        On::Everything,
        On::Blobs,
        On::Manifests,
        On::Heads,
        On::Documents,
        On::Ranges,
        On::Token,
        On::Path(house.scene().path()),
    ];
    let at = dice.below(200_000);
    let led = format!("http://{}*", house.other.address());
    let round = format!("http://{}*", house.registry.address());
    let status = dice.of(&[400, 401, 403, 404, 416, 429, 500, 502, 503, 520]);
    let faults = [
        Fault::Cut(at),
        Fault::Cut(at % 2000),
        Fault::Stall(at),
        Fault::Slow(1 + usize::try_from(at).unwrap(), Duration::from_millis(30)),
        Fault::Endless,
        Fault::Length(at),
        Fault::OtherBytes,
        Fault::IgnoreRange,
        Fault::ContentRange(format!("bytes {at}-{}/{}", at + 5, at + 6)),
        Fault::Status(status, dice.of(&[None, Some("0".into()), Some("1".into())])),
        Fault::Redirect(dice.of(&[led, round, "http://127.0.0.1:1/".into()])),
        Fault::NoDigest,
        Fault::Digest(format!("sha256:{}", "0".repeat(64))),
        Fault::AlsoDigest(format!("sha256:{}", "1".repeat(64))),
        Fault::ContentType("text/plain".into()),
        Fault::Body("{}".into()),
        Fault::Hangup,
        Fault::Silent,
        Fault::Challenge("Basic realm=\"x\"".into()),
        Fault::LongHeader(1 << 20),
        Fault::Revoke(at.is_multiple_of(2)),
    ];
    let (on, fault) = (dice.of(&places), dice.of(&faults));
    let (after, times) = (dice.below(4), dice.below(6));
    let rule = Rule::new(on, fault).after(u32::try_from(after).unwrap());
    // Some go on for ever.
    if times == 5 { rule } else { rule.times(1 + u32::try_from(times).unwrap()) }
}
