# The only door. Without `just`, each recipe is one command to type.

set shell := ["bash", "-euo", "pipefail", "-c"]

# where the benchmark's registry and images are, and how it is reached
bench_address := env("BENCH_ADDR", "127.0.0.1:5000")
bench := env("VARVE_BENCH", "../shared/bench")

# list the recipes
default:
    @just --list

# build the command, optimised
build:
    cargo build --release --locked --package varve

# see it work: a registry, a pull, the tree
quickstart:
    tests/quickstart.sh

# install what the tests need, and pass them all
test:
    tests/verify.sh

# the format and clippy, no warning allowed
lint:
    cargo fmt --all --check
    cargo clippy --locked --workspace --all-targets --all-features -- --deny warnings

# the scenarios through the command alone
e2e:
    cargo test --locked --package varve-tests

# the real images' trees against umoci's (needs root, and the registry of the benchmark)
trees: build
    cargo run --quiet --release --locked --package varve-tests --bin trees -- {{bench_address}} \
        lab/small:1 lab/python:1 lab/zstd:1=lab/python:1 lab/fat:1 lab/many:1 lab/onebig:1 lab/multi:1 lab/multi-docker:1

# containerd's own suites against the content store and every snapshotter, as a daemon and split (root)
conformance:
    tests/conformance/run.sh

# the same, RUNS times, each from nothing
soak-conformance runs="10":
    tests/conformance/run.sh {{runs}}

# ten runs of containerd's suites, each from nothing, and a hundred clients of one daemon for five minutes (root)
soak: soak-conformance soak-crowd

# the same commands for docker and for varve: the same words, but for those that docs/docker.md lists (root)
beside-docker:
    tests/beside-docker.sh

# the same lines of containerd's ctr for containerd and for Varve: the same words, but for those that docs/ctr.md lists (root)
ctr:
    tests/ctr.sh

# a hundred clients of one daemon at once, for so many seconds: pulls, lists, mounts, removals (root)
soak-crowd seconds="300": build
    VARVE_BINARY=$PWD/target/release/varve \
        cargo run --quiet --release --locked --package varve-tests --bin crowd -- {{seconds}}

# kill -9 of pulls, and of each of four services under ten pulls, at random moments, RUNS times
soak-kill runs="100":
    cargo build --release --locked --workspace --bins
    VARVE_BINARY=$PWD/target/release/varve VARVE_KILL_RUNS={{runs}} \
        cargo test --release --locked --package varve-tests --test kill --test kill_services -- --nocapture

# kill -9 before each system call that changes the disk, of a pull and of a removal
soak-steps:
    cargo build --release --locked --workspace --bins
    VARVE_BINARY=$PWD/target/release/varve VARVE_STEP_STRIDE=1 \
        cargo test --release --locked --package varve-tests --test kill_steps -- --nocapture

# the power goes, CUTS times at random moments of pulls, removals, tags and collections (root)
soak-power cuts="200":
    cargo build --release --locked --workspace --bins
    VARVE_BINARY=$PWD/target/release/varve VARVE_POWER_CUTS={{cuts}} \
        cargo test --release --locked --package varve-tests --test power -- --nocapture

# RUNS damaged stores of each kind: all damage named, nothing else, all repaired (root for overlayfs)
soak-fsck runs="50":
    cargo build --release --locked --workspace --bins
    VARVE_BINARY=$PWD/target/release/varve VARVE_FSCK_RUNS={{runs}} \
        cargo test --release --locked --package varve-tests --test fsck

# what has broken software of this kind (docs/threats.md), COUNT times, and a million entries
threats count="2000": build
    VARVE_THREATS={{count}} cargo test --release --locked --package varve-snapshotter --test hostile
    VARVE_THREATS={{count}} cargo test --release --locked --package varve-snapshotter --lib -- exchanged_for_a_link
    VARVE_THREATS=1000000 cargo test --release --locked --package varve-snapshotter --lib -- a_million_entries

# RUNS registries that do several things wrong at once, in any order
soak-faults runs="500":
    VARVE_FAULT_RUNS={{runs}} cargo test --locked --package varve-tests --test faults -- --nocapture random

# libFuzzer for SECONDS on TARGET of tests/fuzz, or on each: what it finds is docs/fuzz.md's (a nightly compiler)
fuzz seconds="3600" target="all":
    tests/fuzz/run.sh {{seconds}} {{target}}

# what was found, made small again: each target's corpus without what other inputs do as well
fuzz-shrink target="all":
    tests/fuzz/shrink.sh {{target}}

# COUNT random archives from SEED, read by Varve, Go, GNU tar and bsdtar
fuzz-tar count="10000" seed="1":
    cargo run --quiet --locked --package varve-fuzz --example beside -- {{count}} {{seed}}

# deploy/ under docker-compose, for real (root; says SKIPPED where something is missing)
compose-test:
    tests/compose-test.sh

# deploy/ under a systemd that is booted for it (root; says SKIPPED where something is missing)
systemd-test:
    tests/systemd-test.sh

# write the manual pages to DIR
man dir="target/man":
    cargo run --quiet --locked --package varve --features man -- man {{dir}}

# pull is beside ctr, docker and podman, interleaved (root and the images); reads are of containerd's own client, of a
# daemon, of a containerd and of system calls alone (root)

# measure WHAT: pull, store, grpc, many (images), reads
bench what="pull":
    cargo build --release --locked --workspace --bins
    just bench-{{what}}

[private]
bench-pull:
    VARVE=$PWD/target/release VARVE_SPLIT=$PWD/tests/bench/split.sh \
        TOOLS="${TOOLS:-varve varve_daemon varve_split ctr docker podman}" {{bench}}/pull.sh run

[private]
bench-store:
    cargo run --release --locked --package varve-content-store --example store

[private]
bench-grpc:
    cargo run --release --locked --package varve-content-store --example bulk

[private]
bench-many:
    VARVE_BINARY=$PWD/target/release/varve cargo run --release --locked --package varve-tests --bin many

[private]
bench-reads:
    tests/bench/reads.sh

# the list of what short commands run, made anew: a part of each release (needs valgrind, docker-registry, skopeo, umoci)
order:
    cli/order/make.sh

# all that CI does
ci:
    .ci/run
