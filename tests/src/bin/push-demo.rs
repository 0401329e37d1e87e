//! `push-demo ADDRESS REPOSITORY TAG`: pushes the image of the quick start to a registry on the loopback.

use anyhow::{Context as _, Result};
use varve_tests::demo;
use varve_tests::registry;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [address, repository, tag] = &args[..] else {
        anyhow::bail!("usage: push-demo ADDRESS REPOSITORY TAG");
    };
    registry::push(address, repository, tag, &demo::image()).context("pushing the demo image")
}
