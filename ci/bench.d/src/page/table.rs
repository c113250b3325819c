//! Tables in Markdown.

use std::fmt;

use crate::contest::Ratio;

/// A table with a heading for each column.
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new<T: Into<String>>(headings: impl IntoIterator<Item = T>) -> Self {
        Table { rows: vec![headings.into_iter().map(Into::into).collect()] }
    }

    pub(super) fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, row) in self.rows.iter().enumerate() {
            writeln!(f, "| {} |", row.join(" | "))?;
            if number == 0 {
                writeln!(f, "|{}", "---|".repeat(row.len()))?;
            }
        }
        Ok(())
    }
}

/// Median and quartiles.
pub(super) fn spread(ratio: Ratio) -> String {
    let [lower, median, upper] = [ratio.lower_quartile, ratio.median, ratio.upper_quartile].map(number);
    format!("{median} [{lower}, {upper}]")
}

/// As many digits as there are to it.
pub(super) fn number(value: f64) -> String {
    let digits = if value.abs() < 100.0 { 2 } else { 0 };
    format!("{value:.digits$}")
}

/// To the thousandth.
pub(super) fn fine(ratio: Ratio) -> String {
    let Ratio { lower_quartile, median, upper_quartile } = ratio;
    format!("{median:.3} [{lower_quartile:.3}, {upper_quartile:.3}]")
}
