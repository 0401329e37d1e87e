//! The contract of every trait that the store implements, on the real one.

use std::sync::Arc;

use varve_content_store::{Config, open};
use varve_core::testsuite::contract::Services;

async fn fresh() -> (Services, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let store = open(Config::new(dir.path())).await.expect("an empty directory can be opened");
    (Services::all(Arc::clone(&store)), dir)
}

varve_core::content_store_contract!(fresh);
