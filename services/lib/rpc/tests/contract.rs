//! The contract of a content store, over the wire: who calls cannot tell where a service runs.

#![allow(clippy::unwrap_used, reason = "of tests")]

mod kit;

use std::sync::Arc;

use varve_core::testsuite::contract::Services;
use varve_core::testsuite::memory;

async fn store() -> (Services, kit::Serving) {
    let pipes = kit::Pipes::new();
    let serving = pipes.serve(kit::routes(&Services::all(Arc::new(memory::Store::new()))));
    (kit::clients(&pipes.channel()), serving)
}
varve_core::content_store_contract!(store);
