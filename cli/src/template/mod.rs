//! Go's templates, as far as Docker's `--format` needs them: actions, pipelines, `if`, `with`, `range`,
//! variables, and Docker's functions over JSON data (Go's text/template; Docker's *Format command
//! output*). No crate that does this is still looked after.

mod eval;
mod functions;
mod lex;
mod parse;
mod print;
mod printf;

use serde_json::Value;
use varve_core::Result;

/// A template that was understood.
#[derive(Clone, Debug)]
pub struct Template {
    nodes: Vec<parse::Node>,
    text: String,
}

impl Template {
    /// InvalidArgument, in words, where it means nothing.
    pub fn parse(text: &str) -> Result<Self> {
        let pieces = lex::pieces(text);
        let nodes = pieces.and_then(parse::parse);
        let nodes = nodes.map_err(|error| error.context(format!("template {text:?}")))?;
        Ok(Self { nodes, text: text.to_owned() })
    }

    /// Whether the field may be asked for: by its name, or with all others.
    pub fn may_use(&self, field: &str) -> bool {
        // The whole, a variable, or a name that is put together: `{{.}}`, `{{json .}}`, `{{index . "ID"}}`.
        let all = [". ", ".}", ".)", ".|", "$", "index", "range", "with"];
        all.iter().any(|word| self.text.contains(word)) || self.text.contains(field)
    }

    /// What `inspect --format` asks for, if anything: `json` stands for all of it in one line.
    pub fn asked(format: Option<&str>) -> Result<Option<Self>> {
        let text = format.map(|text| if text == "json" { "{{json .}}" } else { text });
        text.map(Self::parse).transpose()
    }

    /// The text for `data`. InvalidArgument where it asks for a field or a function that there is not.
    pub fn render(&self, data: &Value) -> Result<String> {
        eval::Evaluation::new(data).run(&self.nodes)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_is_used_by_its_name_or_with_all_others() {
        let uses = |text: &str| Template::parse(text).unwrap().may_use("Size");
        for text in
            ["{{.Size}}", "{{json .}}", "{{.}}", "{{index . \"Size\"}}", "{{$x := .ID}}{{$x}}"]
        {
            assert!(uses(text), "{text}");
        }
        assert!(!uses("{{.Repository}}:{{.Tag}}\t{{.ID}}"));
    }

    fn data() -> Value {
        json!({
            "Name": "alpine", "Size": 7, "Labels": {"b": "2", "a": "1"}, "Tags": ["x", "y"],
            "Config": {"User": "", "Env": null}, "On": true,
        })
    }

    fn render(template: &str) -> Result<String> {
        Template::parse(template)?.render(&data())
    }

    #[test]
    fn templates_print_what_go_prints() {
        for (template, text) in [
            ("{{.Name}}: {{.Size}}", "alpine: 7"),
            ("{{json .}}", &data().to_string()),
            ("{{json .Tags}} {{.Tags}} {{.Labels}}", r#"["x","y"] [x y] map[a:1 b:2]"#),
            ("{{.Labels.a}}{{.Labels.none}}{{.Config.Env}}", "1<no value><no value>"),
            ("{{upper .Name}} {{.Name | title}} {{.Name | upper | lower}}", "ALPINE Alpine alpine"),
            (r#"{{join .Tags ", "}}|{{index (split "a:b" ":") 1}}"#, "x, y|b"),
            ("{{pad .Name 1 2}}|{{truncate .Name 3}}", " alpine  |alp"),
            ("{{println .Name}}{{print 1 2}}{{len .Tags}}", "alpine\n1 22"),
            ("{{range .Tags}}<{{.}}>{{end}}", "<x><y>"),
            ("{{range $i, $t := .Tags}}{{$i}}={{$t}};{{end}}", "0=x;1=y;"),
            ("{{range $k, $v := .Labels}}{{$k}}{{$v}}{{end}}", "a1b2"),
            ("{{range .Config.Env}}a{{else}}none{{end}}", "none"),
            ("{{range .Tags}}{{$.Name}}{{end}}", "alpinealpine"),
            ("{{if .Config.User}}u{{else if .On}}on{{else}}off{{end}}", "on"),
            ("{{with .Config}}{{.User}}.{{end}}{{with .Config.User}}u{{else}}-{{end}}", ".-"),
            (r#"{{if and (eq .Name "alpine") (ne .Size 8)}}y{{end}}"#, "y"),
            (r#"{{eq .Size 1 7}} {{lt .Size 8}} {{not .On}} {{or "" "b"}}"#, "true true false b"),
            (r#"{{index .Labels "a"}}{{index .Tags 1}}"#, "1y"),
            (
                r#"{{printf "%-8s|%5d|%q|%.1f%%" .Name .Size "z" 1.25}}"#,
                "alpine  |    7|\"z\"|1.2%",
            ),
            ("{{$x := .Name}}{{$x}} {{- /* gone */ -}} !", "alpine!"),
            (r#"{{index .Labels "none"}}{{slice .Name 1 3}}{{slice .Tags 1}}"#, "lp[y]"),
            ("{{range .Tags}}{{if eq . \"y\"}}{{break}}{{end}}{{.}}{{continue}}z{{end}}", "x"),
            ("{{and false .Nope}}{{or 1 .Nope}}{{range 3}}{{.}}{{end}}", "false1012"),
            ("{{0x10}} {{-1_0}} {{1e3}} {{1.5}} {{'a'}}", "16 -10 1000 1.5 97"),
            (r#"{{(index .Tags 0)}}{{"a\tb"}}{{`r\n`}}"#, "xa\tbr\\n"),
        ] {
            assert_eq!(render(template).unwrap(), text, "{template}");
        }
    }

    #[test]
    fn what_means_nothing_is_refused_with_the_reason() {
        for (template, reason) in [
            ("{{.Nme}}", "there is no field .Nme; there are .Config, .Labels, .Name"),
            ("{{frob .}}", "there is no function frob"),
            ("{{upper 1}}", "upper: wrong arguments"),
            ("{{if .On}}", "has no {{end}}"),
            ("{{end}}", "ends nothing"),
            ("{{.Name", "is not closed"),
            ("{{.Name.X}}", "a text has no field X"),
            ("{{range .Name}}{{end}}", "range over a text"),
            ("{{(.Name}}", "is not closed"),
            ("{{$y}}", "$y is not declared"),
            ("{{index .Tags 9}}", "index 9 of a list of 2"),
            ("{{break}}", "only for range"),
            ("{{range 9999999999}}{{end}}", "want 0 to"),
            ("{{.Name 1}}", "only a function takes arguments"),
            ("{{}}", "a command is missing"),
        ] {
            let error = render(template).unwrap_err().chain();
            assert!(error.contains(reason), "{template}: {error}");
        }
    }

    #[test]
    fn what_is_nested_too_deeply_is_refused_and_does_not_overflow() {
        let deep = "{{".to_owned() + &"(".repeat(100_000) + "1" + &")".repeat(100_000) + "}}";
        assert!(Template::parse(&deep).is_err());
        assert!(Template::parse(&"{{if 1}}".repeat(100_000)).is_err());
    }
}
