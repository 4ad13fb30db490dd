//! What a lab found out: progress as it goes, tables and a count at the end.

use std::time::Instant;

use anyhow::Result;

/// Collects checks and the rows of the closing tables.
pub(crate) struct Report {
    start: Instant,
    passed: usize,
    failed: usize,
    tables: Vec<Table>,
}

struct Table {
    title: String,
    rows: Vec<Vec<String>>,
}

impl Report {
    pub(crate) fn new() -> Self {
        Self { start: Instant::now(), passed: 0, failed: 0, tables: Vec::new() }
    }

    /// Says what is being done now.
    pub(crate) fn stage(&self, text: &str) {
        println!("{:6.1}s  {text}", self.start.elapsed().as_secs_f32());
    }

    /// One assertion; what it returns is said beside its name. A failed one does not end the lab.
    pub(crate) fn check(&mut self, name: &str, assertion: impl FnOnce() -> Result<String>) -> bool {
        let outcome = assertion();
        let passed = outcome.is_ok();
        let (word, detail) = match outcome {
            Ok(detail) => ("ok  ", detail),
            Err(error) => ("FAIL", format!("{error:#}")),
        };
        if passed {
            self.passed += 1
        } else {
            self.failed += 1
        }
        println!(
            "{:6.1}s    {word} {name}{}{detail}",
            self.start.elapsed().as_secs_f32(),
            if detail.is_empty() { "" } else { ": " }
        );
        passed
    }

    /// A row of the closing table `title`; the first row of a table is its head.
    pub(crate) fn row(&mut self, title: &str, cells: &[String]) {
        let row = cells.to_vec();
        match self.tables.iter_mut().find(|table| table.title == title) {
            Some(table) => table.rows.push(row),
            None => self.tables.push(Table { title: title.to_owned(), rows: vec![row] }),
        }
    }

    /// Prints the tables and the closing line; whether all passed.
    pub(crate) fn close(self) -> bool {
        for table in &self.tables {
            println!("\n{}\n{}", table.title, aligned(&table.rows));
        }
        println!("\n{} passed, {} failed", self.passed, self.failed);
        self.failed == 0 && self.passed > 0
    }
}

fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("  {cell:width$}"));
        cells.collect::<String>().trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failed_check_fails_the_lab() {
        let mut report = Report::new();
        assert!(report.check("good", || Ok(String::new())));
        assert!(!report.check("bad", || anyhow::bail!("no")));
        assert!(!report.close());
    }

    #[test]
    fn a_lab_without_checks_proves_nothing() {
        assert!(!Report::new().close());
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [vec!["a".to_owned(), "b".to_owned()], vec!["long".to_owned(), "c".to_owned()]];
        assert_eq!(aligned(&rows), "  a     b\n  long  c");
    }
}
