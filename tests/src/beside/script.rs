//! The commands, as a file has them: a line each, `#` before what is none.

/// Words of each line, as a shell splits them; only single quotes quote. `\t` is a tabulator, as Go's templates have it
/// from a person's shell.
pub fn commands(text: &str) -> Vec<(&str, Vec<String>)> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| (line, words(line))).collect()
}

fn words(line: &str) -> Vec<String> {
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
