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
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(header: &[&str]) -> Self {
        Self { rows: vec![header.iter().map(|cell| (*cell).to_owned()).collect()] }
    }

    /// A row has as many cells as the header.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells = cells.into_iter();
        let cleaned = cells.map(|cell| match cell.chars().any(char::is_control) {
            true => clean(&cell),
            false => cell,
        });
        self.rows.push(cleaned.collect());
    }

    fn widths(&self) -> Vec<usize> {
        let columns = self.rows.first().map_or(0, Vec::len);
        let cells = |column| self.rows.iter().filter_map(move |row: &Vec<String>| row.get(column));
        let width = |cell: &String| cell.chars().count() + PADDING;
        (0..columns).map(|n| cells(n).map(width).max().unwrap_or(0).max(NARROWEST)).collect()
    }
}

impl fmt::Display for Table {
    /// Nothing follows the last cell of a row.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        let mut line = String::new();
        for row in &self.rows {
            line.clear();
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(cell);
                line.extend(iter::repeat_n(' ', width.saturating_sub(cell.chars().count())));
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
