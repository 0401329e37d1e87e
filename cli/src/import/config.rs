//! The config of an imported image (image-spec, config.md).

use bytes::Bytes;
use serde_json::{Map, Value, json};
use varve_core::{DiffId, Error, Result};

use super::Wish;

/// The config of an image of that one layer, made now.
pub fn of(wish: &Wish, diff_id: DiffId) -> Result<Bytes> {
    let failed = |error| Error::internal("a config as JSON").with_source(error);
    let mut config = Map::new();
    for change in &wish.changes {
        change.apply(&mut config);
    }
    let now = varve_core::time::now().to_string();
    let mut document = serde_json::to_value(&wish.platform).map_err(failed)?;
    document["created"] = now.as_str().into();
    document["config"] = Value::Object(config);
    document["rootfs"] = json!({"type": "layers", "diff_ids": [diff_id]});
    document["history"] = json!([{"created": now, "comment": wish.message}]);
    Ok(serde_json::to_vec(&document).map_err(failed)?.into())
}
