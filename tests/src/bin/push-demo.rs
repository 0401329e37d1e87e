//! `push-demo ADDRESS REPOSITORY TAG`: pushes the image of the quick start to a registry on the loopback.
//! `push-demo ADDRESS`: pushes those of docs/tour.md.

use anyhow::{Context as _, Result};
use varve_tests::registry;
use varve_tests::{demo, tour};

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match &args[..] {
        [address] => tour::images()
            .iter()
            .try_for_each(|(repository, tag, image)| {
                registry::push(address, repository, tag, image)
            })
            .context("pushing the images of the tour"),
        [address, repository, tag] => registry::push(address, repository, tag, &demo::image())
            .context("pushing the demo image"),
        _ => anyhow::bail!("usage: push-demo ADDRESS [REPOSITORY TAG]"),
    }
}
