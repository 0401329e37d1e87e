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

# kill -9 at random moments, RUNS times
soak-kill runs="100":
    VARVE_KILL_RUNS={{runs}} cargo test --release --locked --package varve-tests --test kill

# cold, warm and shared pulls beside ctr, docker and podman, interleaved (needs root and the images)
bench-pull: build
    VARVE=$PWD/target/release TOOLS="${TOOLS:-varve ctr docker podman}" {{bench}}/pull.sh run

# all that CI does
ci:
    .ci/run
