//! commands.txt: sections, whose titles begin with `#`, with a command a line.

const TABLE: &str = include_str!("commands.txt");

/// The commands of the section that is called so.
pub fn section(title: &str) -> Vec<&'static str> {
    let head = |line: &&str| line.strip_prefix("# ").is_some_and(|text| text.starts_with(title));
    let after = TABLE.lines().skip_while(|line| !head(line)).skip(1);
    after.take_while(|line| !line.starts_with('#')).filter(|line| !line.is_empty()).collect()
}

/// All commands.
pub fn all() -> Vec<&'static str> {
    TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}
