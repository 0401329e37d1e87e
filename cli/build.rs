//! Puts what every short command needs side by side in the program, and at its end.
//!
//! A command is over in a few milliseconds, and most of a first one is the disk's time: the kernel reads the pages that
//! are touched and those around them, up to 4 MiB to each side. The first page that it touches is among the last of the
//! file, the data. Of the code a sixth is run: order/functions is the list of it (order/make.sh says how it is made; a
//! name in it that is not there any more does no harm, and one that lacks costs a read more). That, constants and what
//! is to be bound stand before the data; what is for panics and all other code is before them, and never read. What is
//! relocated is a list as well, which is read whole at each start: where the C library knows its short form, it has that,
//! and a fiftieth of the size. What unwinds a panic is a library of its own elsewhere, to be found, read and bound at each
//! start: here it is a part of the program, as `-static-libgcc` has it, which rustc does not pass on.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where rustc brings a linker along that takes such a script.
const TARGET: &str = "x86_64-unknown-linux-gnu";
const LIST: &str = "order/functions";
const LAYOUT: &str = "order/layout.ld";
/// Set while the list is made: valgrind cannot tell where what is in a program that is laid out otherwise.
const AS_IT_COMES: &str = "VARVE_AS_IT_COMES";
/// What stands for the list in the layout.
const PLACE: &str = "@FUNCTIONS@";
/// The first glibc that knows relocations in their short form (DT_RELR).
const SHORT_SINCE: (u32, u32) = (2, 36);

fn main() {
    println!("cargo:rerun-if-changed={LIST}");
    println!("cargo:rerun-if-changed={LAYOUT}");
    println!("cargo:rerun-if-env-changed={AS_IT_COMES}");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|it| it == value);
    let here = is("PROFILE", "release") && is("TARGET", TARGET) && is("HOST", TARGET);
    if here && has_lld() {
        if env::var_os(AS_IT_COMES).is_none() {
            println!("cargo:rustc-link-arg-bins=-Wl,-T,{}", layout().display());
        }
        if glibc().is_some_and(|version| version >= SHORT_SINCE) {
            println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
        }
        if has_static_libgcc() {
            println!("cargo:rustc-link-search=native={}", static_libgcc().display());
        }
    }
}

/// Whether rustc links with the lld that it brings along, and nobody asks for a linker of his own.
fn has_lld() -> bool {
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let own = flags.contains("linker") || flags.contains("fuse-ld");
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let said = Command::new(rustc).args(["--print", "sysroot"]).output();
    let sysroot = said.ok().and_then(|said| String::from_utf8(said.stdout).ok());
    let lld =
        |root: String| Path::new(root.trim()).join(format!("lib/rustlib/{TARGET}/bin/gcc-ld"));
    !own && env::var_os("RUSTC_LINKER").is_none() && sysroot.is_some_and(|it| lld(it).exists())
}

/// The linker's script: the layout with the list in it, what is needed most at its end.
fn layout() -> PathBuf {
    let own = |name: &str| {
        let path = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join(name);
        fs::read_to_string(path).expect("it is beside this file")
    };
    let mut functions = String::new();
    for line in own(LIST).lines().rev() {
        let _ = match line.strip_prefix('*') {
            Some(file) => writeln!(functions, "    *{file}(.text)"),
            // A pattern takes the linker longer than a name.
            None if line.contains('*') => writeln!(functions, "    *({line})"),
            None => writeln!(functions, "    *(\"{line}\")"),
        };
    }
    let path = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("layout.ld");
    fs::write(&path, own(LAYOUT).replace(PLACE, functions.trim_start()))
        .expect("the build's own directory can be written");
    path
}

/// Whether the C compiler, which is what links, has it.
fn has_static_libgcc() -> bool {
    let said = Command::new("cc").arg("-print-file-name=libgcc_eh.a").output();
    let said = said.ok().and_then(|said| String::from_utf8(said.stdout).ok());
    // Just the name where there is none.
    said.is_some_and(|path| Path::new(path.trim()).is_absolute())
}

/// A directory to look for libraries in, where what rustc asks for is found to be the static one.
fn static_libgcc() -> PathBuf {
    let dir = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("libgcc");
    let script = "GROUP ( libgcc_eh.a libgcc.a )\n";
    let written =
        fs::create_dir_all(&dir).and_then(|()| fs::write(dir.join("libgcc_s.so"), script));
    written.expect("the build's own directory can be written");
    dir
}

/// Of this machine, which what is built here needs at least.
fn glibc() -> Option<(u32, u32)> {
    let said = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    let said = String::from_utf8(said.stdout).ok()?;
    let (major, minor) = said.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.split('.').next()?.parse().ok()?))
}
