//! `trees ADDRESS IMAGE[=REFERENCE_IMAGE]…`: pulls each image with varve, mounts it, and compares the
//! tree, entry for entry, with what umoci unpacks of it (or of REFERENCE_IMAGE, where umoci cannot read
//! the image itself: it knows no zstd). Exit status 0 only where every tree is the same.

use anyhow::{Context as _, Result, bail};
use varve_tests::command::Varve;
use varve_tests::compare::{umoci_tree, varve_tree};
use varve_tests::tree::differences;

#[allow(clippy::print_stdout)]
fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let address = args.next().context("usage: trees ADDRESS IMAGE[=REFERENCE_IMAGE]…")?;
    let snapshotter = std::env::var("SNAPSHOTTER").unwrap_or_else(|_| "overlayfs".into());
    let mut different = 0;
    for image in args {
        let (image, reference) = image.split_once('=').unwrap_or((&image, &image));
        let theirs = umoci_tree(&address, reference)?;
        let varve = Varve::new()?;
        let ours = varve_tree(&varve, &format!("{address}/{image}"), &snapshotter)?;
        let lines = differences(&ours, &theirs);
        println!("{image} ({snapshotter}): {} entries, {} differences", ours.len(), lines.len());
        lines.iter().take(20).for_each(|line| println!("  {line}"));
        different += usize::from(!lines.is_empty());
    }
    if different > 0 {
        bail!("{different} trees differ");
    }
    Ok(())
}
