//! Filters against a table of containerd's behaviour.

use proptest::prelude::*;

use super::*;

struct Noun {
    name: &'static str,
    other: &'static str,
    labels: Labels,
}

impl Fields for Noun {
    fn field(&self, path: &[&str]) -> Option<Cow<'_, str>> {
        match path {
            ["name"] => present(self.name),
            ["other"] => present(self.other),
            ["labels", rest @ ..] => label(&self.labels, rest),
            _ => None,
        }
    }
}

fn noun(name: &'static str, other: &'static str, labels: &[(&str, &str)]) -> Noun {
    let labels = labels.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    Noun { name, other, labels }
}

fn nouns() -> Vec<Noun> {
    vec![
        noun("foo", "", &[("foo", "true")]),
        noun("bar", "", &[]),
        noun("foo", "", &[("foo", "present"), ("more complex", "yes")]),
        noun("bar", "", &[("bar", "true"), ("void", "")]),
        noun("fooer", "", &[("with \\ and \"", "yes")]),
        noun("fooer", "", &[("with \\ and \".post", "yes")]),
        noun("baz", "too complex, yo", &[]),
        noun("bazo", "abc", &[("containerd.io/snapshot.ref", "sha256:ab")]),
        noun("compound", "é", &[("foo", "omg_asdf.asdf-qwer")]),
    ]
}

/// The numbers of the nouns that a list of filters leaves.
fn matching(filters: &[&str]) -> Vec<usize> {
    let filter = Filter::parse(filters).unwrap_or_else(|error| panic!("{error}"));
    let nouns = nouns();
    (0..nouns.len()).filter(|&n| filter.matches(&nouns[n])).collect()
}

#[test]
fn filters_match_as_containerds_do() {
    let table: &[(&str, &[usize])] = &[
        ("", &[0, 1, 2, 3, 4, 5, 6, 7, 8]),
        ("name", &[0, 1, 2, 3, 4, 5, 6, 7, 8]),
        ("other", &[6, 7, 8]),
        ("nothing", &[]),
        ("name.more", &[]),
        ("labels.foo", &[0, 2, 8]),
        ("labels.void", &[3]),
        ("labels.foo,name", &[0, 2, 8]),
        ("labels.foo==true", &[0]),
        ("labels.foo==omg_asdf.asdf-qwer", &[8]),
        ("name==bar", &[1, 3]),
        ("name==\"bar\"", &[1, 3]),
        ("\"name\"==bar", &[1, 3]),
        ("name!=bar", &[0, 2, 4, 5, 6, 7, 8]),
        ("labels.foo!=true", &[1, 2, 3, 4, 5, 6, 7, 8]),
        ("labels.foo!=\"\"", &[0, 2, 8]),
        ("other==\"\"", &[]),
        ("labels.void==\"\"", &[3]),
        ("name==bar,labels.bar", &[3]),
        ("name==bar,labels.bar==true", &[3]),
        ("name==bar,labels.bar==wrong", &[]),
        ("other==\"too complex, yo\"", &[6]),
        ("other==\"\\u00e9\"", &[8]),
        ("other==\"\\xc3\\251\"", &[8]),
        ("other==é", &[8]),
        ("other~=[abc]+,name!=foo", &[6, 7]),
        ("other~=/[abc]+/,name!=foo", &[6, 7]),
        ("other~=|[abc]{1,2}|,name!=foo", &[6, 7]),
        ("other~=\"[abc]{1,2}\",name!=foo", &[6, 7]),
        ("other~=/[abc]{0,1}\"\\//,name!=foo", &[]),
        ("other~=/^\\\\w+$/", &[7, 8]),
        ("name~=(?i)^BAZ", &[6, 7]),
        ("name~=^ba.$", &[1, 3, 6]),
        ("labels.void~=^$,name==bar", &[1, 3]),
        ("name==foo,labels.\"more complex\"", &[2]),
        ("labels.\"with \\\\ and \\\"\"==yes", &[4]),
        ("labels.\"with \\\\ and \\\"\".post==yes", &[5]),
        ("labels.\"containerd.io/snapshot.ref\"==sha256:ab", &[7]),
        ("labels.\"containerd.io/snapshot.ref\"==\"sha256:ab\",name==\"bazo\"", &[7]),
        ("labels.\"containerd.io/snapshot\".ref", &[7]),
        (" name == bar , labels.bar ", &[3]),
        ("name==a=b", &[]),
    ];
    for (text, want) in table {
        assert_eq!(matching(&[text]), *want, "{text}");
    }
}

#[test]
fn of_a_list_any_filter_is_enough_and_an_empty_one_always_is() {
    assert_eq!(matching(&[]).len(), 9);
    assert_eq!(matching(&["name==baz", "labels.bar"]), [3, 6]);
    assert_eq!(matching(&["name==baz", ""]).len(), 9);
    assert!(Filter::parse::<String>(&[]).unwrap().is_everything());
    assert!(!Filter::parse(&["name"]).unwrap().is_everything());
}

#[test]
fn a_noun_may_be_a_trait_object() {
    let nouns = nouns();
    let noun: &dyn Fields = &nouns[6];
    assert!(Filter::parse(&["name==baz"]).unwrap().matches(noun));
}

#[test]
fn a_mistake_is_refused_and_its_position_named() {
    for (text, column, why) in [
        (" ", 2, "want a field"),
        (",", 1, "want a field"),
        ("name==foo,", 11, "want a field"),
        ("labels.", 8, "want a field"),
        ("labels..foo", 8, "want a field"),
        ("labels.|foo|==x", 8, "want a field"),
        ("labels.?\"x\"==y", 8, "want a field"),
        ("name=foo", 5, "want an operator"),
        ("name===foo", 5, "want an operator"),
        ("é==foo", 1, "want a field"),
        ("name foo", 6, "want an operator"),
        ("name==", 7, "want a value"),
        ("image~=,id==x", 8, "want a value"),
        ("name==,x", 7, "want a value"),
        ("name==.x", 7, "want a value"),
        ("name==foo bar", 11, "want ','"),
        ("name==\"é\"bar", 10, "want ','"),
        ("name==|foo|", 7, "must stand in \"quotes\""),
        ("name==\"foo", 7, "does not end"),
        ("name==\"foo\\", 7, "does not end"),
        ("name==\"a\nb\"", 7, "does not end"),
        ("name~=/foo", 7, "does not end"),
        ("name~=/\\d/", 7, "illegal escape"),
        ("name==\"\\'\"", 7, "illegal escape"),
        ("name==\"\\x1\"", 7, "illegal numeric"),
        ("name==\"\\400\"", 7, "octal"),
        ("name==\"\\ud800\"", 7, "no Unicode character"),
        ("name==\"\\UFFFFFFFF\"", 7, "no Unicode character"),
        ("name==\"\\xff\"", 7, "not UTF-8"),
        ("name~=(", 7, "unclosed group"),
        ("name~=(\\w{1000}){1000}", 7, "too large"),
    ] {
        let error = Filter::parse(&["name", text]).unwrap_err();
        assert_eq!(error.kind(), crate::Kind::InvalidArgument);
        let position = format!("at character {column}: ");
        assert!(error.message().contains(&position), "{text:?}: {error}");
        assert!(error.message().contains(why), "{text:?}: {error}");
    }
}

#[test]
fn what_a_list_of_filters_can_cost_is_limited() {
    assert!(Filter::parse(&vec!["name"; MAX_FILTERS]).is_ok());
    assert!(Filter::parse(&vec!["name"; MAX_FILTERS + 1]).is_err());
    assert!(Filter::parse(&["a".repeat(20_000)]).is_err());
    assert!(Filter::parse(&vec!["name~=a"; 33]).is_err());
    assert!(Filter::parse(&[format!("name~={}", "(".repeat(10_000))]).is_err());
}

proptest! {
    #[test]
    fn any_text_is_parsed_and_matched_without_a_panic(
        text in prop_oneof![
            any::<String>(),
            "[a-z.,=!~\"|/\\\\ (0-9x]{0,30}",
            "(name|labels)\\.?(\"[a-z\\\\ux0-9]{0,9}\")?(==|!=|~=)[\"/|]?[a-z\\\\().*?é]{0,9}[\"/|]?",
        ]
    ) {
        if let Ok(filter) = Filter::parse(&[text]) {
            for noun in &nouns() {
                filter.matches(noun);
            }
        }
    }

    #[test]
    fn a_quoted_value_is_found_whatever_it_is(value in "[^\\x00\n]{0,20}") {
        let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
        let labels = Labels::from([("k".to_owned(), value)]);
        let noun = Noun { name: "", other: "", labels };
        let filter = Filter::parse(&[format!("labels.k==\"{quoted}\"")]).unwrap();
        prop_assert!(filter.matches(&noun));
    }
}
