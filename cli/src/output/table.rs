//! Tables as Docker and ctr print them: no borders, columns as wide as their widest cell.

use std::fmt;
use std::iter;

use super::clean;

/// Spaces after a column, and the least width of one: Docker's.
const PADDING: usize = 3;
const NARROWEST: usize = 10;

/// A header and rows. Cells are cleaned of control characters as they come.
#[derive(Debug)]
pub struct Table {
    /// Row by row: ten thousand rows are a few long strings, not one for each cell.
    cells: String,
    /// Where each cell ends, and its width in characters.
    ends: Vec<(usize, usize)>,
    /// The widest cell of each column so far.
    widths: Vec<usize>,
}

impl Table {
    pub fn new(header: &[&str]) -> Self {
        let mut table =
            Self { cells: String::new(), ends: Vec::new(), widths: vec![0; header.len()] };
        table.row(header);
        table
    }

    /// A row has as many cells as the header: what is missing is empty, what is too much is left out.
    pub fn row(&mut self, cells: impl IntoIterator<Item = impl AsRef<str>>) {
        let mut cells = cells.into_iter();
        for column in 0..self.widths.len() {
            let cell = cells.next();
            let cell = cell.as_ref().map_or("", AsRef::as_ref);
            let begin = self.cells.len();
            match cell.chars().any(char::is_control) {
                true => self.cells.push_str(&clean(cell)),
                false => self.cells.push_str(cell),
            }
            let width = self.cells[begin..].chars().count();
            self.ends.push((self.cells.len(), width));
            self.widths[column] = self.widths[column].max(width);
        }
    }
}

impl fmt::Display for Table {
    /// Nothing follows the last cell of a row.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut line, mut begin) = (String::new(), 0);
        for row in self.ends.chunks(self.widths.len().max(1)) {
            line.clear();
            for ((end, width), widest) in row.iter().zip(&self.widths) {
                line.push_str(&self.cells[begin..*end]);
                let column = (widest + PADDING).max(NARROWEST);
                line.extend(iter::repeat_n(' ', column - width));
                begin = *end;
            }
            f.write_str(line.trim_end())?;
            f.write_str("\n")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_dockers() {
        let mut table = Table::new(&["REPOSITORY", "TAG", "SIZE"]);
        table.row(["alpine", "latest", "7.8MB"].map(String::from));
        table.row(["127.0.0.1:5000/x", "1", "1GB"].map(String::from));
        let want = "REPOSITORY         TAG       SIZE\n\
                    alpine             latest    7.8MB\n\
                    127.0.0.1:5000/x   1         1GB\n";
        assert_eq!(table.to_string(), want);
    }

    #[test]
    fn a_table_without_rows_is_its_header() {
        assert_eq!(Table::new(&["KEY", "KIND"]).to_string(), "KEY       KIND\n");
    }
}
