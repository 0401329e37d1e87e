//! Templates (`--format`), as people type them, over what an inspection shows.

use serde_json::json;

#[allow(dead_code, reason = "the command uses more of it")]
#[path = "../../../cli/src/template/mod.rs"]
mod template;

use template::Template;

/// The bytes are a template.
pub fn templates(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(template) = Template::parse(text) else { return };
    let data = json!({
        "Name": "alpine", "Size": 7, "Part": 0.5, "Labels": {"b": "2", "a": "é"},
        "Tags": ["x", "y"], "Config": {"User": "", "Env": null}, "On": true,
    });
    // A person who nests loops over numbers waits for as many turns as were asked for.
    if text.matches("range").count() > 1 || text.len() > 4096 {
        return;
    }
    let (once, again) = (template.render(&data), template.render(&data));
    assert_eq!(once.ok(), again.ok(), "{text:?}");
}
