//! Docker's `--format`: a template for each row, `table` before it for a header, or `json`.

use serde_json::{Map, Value};
use varve_core::Result;

use super::table::Table;
use crate::template::Template;

/// How rows are printed.
#[derive(Clone, Debug)]
pub enum Format {
    /// A header and columns, where the template has tabs.
    Table(Template),
    /// An object a line.
    Json,
    /// A line a row.
    Lines(Template),
}

impl Format {
    /// What was asked for; nothing, or `table` alone, is the list's own columns.
    pub fn parse_or(asked: Option<&str>, default: &str) -> Result<Self> {
        Self::parse(asked.filter(|text| text.trim() != "table").unwrap_or(default))
    }

    /// InvalidArgument where the template means nothing.
    pub fn parse(text: &str) -> Result<Self> {
        // What a shell's single quotes leave as it is.
        let text = text.replace("\\t", "\t").replace("\\n", "\n");
        match text.trim() {
            "json" => return Ok(Self::Json),
            text if text.starts_with("table ") => {
                return Template::parse(text["table ".len()..].trim()).map(Self::Table);
            }
            _ => {}
        }
        Template::parse(&text).map(Self::Lines)
    }

    /// Whether the field may be asked for.
    pub fn may_use(&self, field: &str) -> bool {
        match self {
            Self::Json => true,
            Self::Table(template) | Self::Lines(template) => template.may_use(field),
        }
    }

    /// The text for `rows`, each an object that is made when it is its turn. `headers` names the columns of the
    /// fields.
    pub fn rows(
        &self,
        rows: impl IntoIterator<Item = Value>,
        headers: &[(&str, &str)],
    ) -> Result<String> {
        match self {
            Self::Json => Ok(rows.into_iter().map(|row| format!("{row}\n")).collect()),
            Self::Lines(template) => {
                let line = |row| Ok(template.render(&row)? + "\n");
                rows.into_iter().map(line).collect()
            }
            Self::Table(template) => {
                let names = headers.iter().map(|(field, name)| ((*field).into(), (*name).into()));
                let header = template.render(&Value::Object(Map::from_iter(names)))?;
                let mut table = Table::new(&header.split('\t').collect::<Vec<_>>());
                for row in rows {
                    let row = template.render(&row)?;
                    table.row(row.split('\t'));
                }
                Ok(table.to_string())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(format: &str) -> String {
        let rows = [json!({"Name": "a", "Size": "1kB"}), json!({"Name": "longer", "Size": "7MB"})];
        Format::parse(format).unwrap().rows(rows, &[("Name", "NAME"), ("Size", "SIZE")]).unwrap()
    }

    #[test]
    fn a_table_without_a_template_is_the_usual_one() {
        for (asked, want) in [(None, "a\nlonger\n"), (Some("table"), "a\nlonger\n")] {
            let rows = [json!({"Name": "a"}), json!({"Name": "longer"})];
            let format = Format::parse_or(asked, "{{.Name}}").unwrap();
            assert_eq!(format.rows(rows, &[]).unwrap(), want, "{asked:?}");
        }
    }

    #[test]
    fn a_table_has_a_header_and_lines_have_none() {
        assert_eq!(
            shown(r"table {{.Name}}\t{{.Size}}"),
            "NAME      SIZE\na         1kB\nlonger    7MB\n"
        );
        assert_eq!(shown(r"{{.Name}}\t{{.Size}}"), "a\t1kB\nlonger\t7MB\n");
        assert_eq!(
            shown("json"),
            "{\"Name\":\"a\",\"Size\":\"1kB\"}\n{\"Name\":\"longer\",\"Size\":\"7MB\"}\n"
        );
    }
}
