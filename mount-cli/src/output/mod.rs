//! Rows of data, and the formats they are written in.

mod escape;
mod json;
mod moment;
mod table;

use std::str::FromStr;

use mount_core::registry::Pattern;
use mount_core::{Error, ErrorKind};

pub(crate) use escape::sentence;
pub(crate) use moment::moment;

/// How data is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Aligned columns under a header, for people.
    Table,
    /// Columns separated by one TAB, without a header; `-` where there is nothing.
    Tab,
    /// An array of objects; `null` where there is nothing.
    Json,
    /// Metrics for node_exporter's textfile collector. `status` only.
    Prometheus,
    /// One line and an exit code, as checks of Nagios and Icinga give. `status` only.
    Nagios,
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self, Error> {
        match word {
            "table" => Ok(Format::Table),
            "tab" => Ok(Format::Tab),
            "json" => Ok(Format::Json),
            "prometheus" => Ok(Format::Prometheus),
            "nagios" => Ok(Format::Nagios),
            _ => {
                let text = format!(
                    "format {word:?} does not exist; there are: table, tab, json, prometheus, nagios"
                );
                Err(Error::new(ErrorKind::Usage, text))
            }
        }
    }
}

/// What is to be written: columns, and cells in their order.
#[derive(Debug)]
pub(crate) struct Rows {
    columns: &'static [&'static str],
    rows: Vec<Vec<Cell>>,
}

/// One value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cell {
    /// Nothing to say.
    Empty,
    /// What a line of the registry is about.
    Pattern {
        path: Vec<u8>,
        wildcard: bool,
    },
    /// Bytes that the kernel or an administrator chose: a device, a type of filesystem.
    Bytes(Vec<u8>),
    /// A sentence.
    Text(String),
    /// One of a few words, and whether it is a good one.
    Word(&'static str, Tone),
    Number(u64),
    Flag(bool, Tone),
}

/// What colour to give a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Bad,
    Plain,
}

impl Cell {
    pub(crate) fn pattern(pattern: &Pattern<'_>) -> Self {
        Cell::Pattern { path: pattern.as_bytes().to_vec(), wildcard: pattern.is_wildcard() }
    }

    /// A sentence, if there is one.
    pub(crate) fn text(text: Option<String>) -> Self {
        text.map_or(Cell::Empty, Cell::Text)
    }
}

impl Rows {
    pub(crate) fn new(columns: &'static [&'static str]) -> Self {
        Rows { columns, rows: Vec::new() }
    }

    pub(crate) fn push(&mut self, row: Vec<Cell>) {
        self.rows.push(row);
    }

    pub(crate) fn render(&self, format: Format, colour: bool) -> Vec<u8> {
        match format {
            Format::Table => table::table(self, colour),
            Format::Json => json::json(self),
            // What is no list of metrics comes in the other format for programs.
            Format::Tab | Format::Prometheus | Format::Nagios => table::tab(self, false),
        }
    }

    /// Each row by itself: no header, and in JSON no array.
    pub(crate) fn lines(&self, format: Format, colour: bool) -> Vec<u8> {
        match format {
            Format::Json => json::lines(self),
            _ => table::tab(self, colour),
        }
    }
}

#[cfg(test)]
mod tests;
