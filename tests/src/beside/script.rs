//! The commands, as a file has them: a line each, `#` before what is none.

/// Each line, and its words.
pub fn commands(text: &str) -> Vec<(&str, Vec<String>)> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| (line, words(line))).collect()
}

/// What stands for `{name}` in a word.
pub fn fill(words: &[String], names: &[(&str, String)]) -> Vec<String> {
    let one = |word: &String| {
        let all = names.iter();
        all.fold(word.clone(), |word, (name, value)| word.replace(&format!("{{{name}}}"), value))
    };
    words.iter().map(one).collect()
}

/// The words of a line, as a shell splits them; only single quotes quote.
pub fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), None::<String>, false);
    for one in line.chars() {
        match one {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

#[test]
fn words_are_split_as_a_shell_does() {
    assert_eq!(words("a  'b c' '' d'e f'g"), ["a", "b c", "", "de fg"]);
}

#[test]
fn names_are_filled_in_and_templates_left_alone() {
    let names = [("dir", "/d".to_owned()), ("id", "ab".to_owned())];
    let filled = fill(&words("save -o {dir}/{id}.tar '{{.ID}}'"), &names);
    assert_eq!(filled, ["save", "-o", "/d/ab.tar", "{{.ID}}"]);
}
