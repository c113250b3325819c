//! Columns: aligned for people, TAB-separated for programs.

use unicode_width::UnicodeWidthStr;

use super::{Cell, Rows, Tone, escape};

const BOLD: &str = "\x1b[1m";
const GREEN: &str = "\x1b[32m";
const RED: &str = "\x1b[31m";
const RESET: &str = "\x1b[0m";

pub(super) fn tab(rows: &Rows, colour: bool) -> Vec<u8> {
    let cell = |cell: &Cell| match code(cell) {
        code if colour && !code.is_empty() => [code, &text(cell), RESET].concat(),
        _ => text(cell),
    };
    let lines = rows.rows.iter().map(|row| row.iter().map(cell).collect::<Vec<_>>().join("\t") + "\n");
    lines.collect::<String>().into_bytes()
}

pub(super) fn table(rows: &Rows, colour: bool) -> Vec<u8> {
    if rows.rows.is_empty() {
        return Vec::new();
    }
    let header: Vec<String> = rows.columns.iter().map(|column| column.to_uppercase()).collect();
    let texts: Vec<Vec<String>> = rows.rows.iter().map(|row| row.iter().map(text).collect()).collect();
    let width = |at: usize| {
        let cells = texts.iter().chain([&header]).filter_map(|row| row.get(at));
        cells.map(|cell| cell.width()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();

    let bold = |_: usize| if colour { BOLD } else { "" };
    let mut out = line(&header, &widths, bold);
    for (cells, row) in texts.iter().zip(&rows.rows) {
        out += &line(cells, &widths, |at| if colour { row.get(at).map_or("", code) } else { "" });
    }
    out.into_bytes()
}

/// One line. No blanks at its end: the last column is the one with sentences in it.
fn line<'a>(cells: &[String], widths: &[usize], code: impl Fn(usize) -> &'a str) -> String {
    let mut out = String::new();
    let mut gap = 0;
    for (at, (cell, width)) in cells.iter().zip(widths).enumerate() {
        out.extend(std::iter::repeat_n(' ', gap));
        match code(at) {
            "" => out += cell,
            code => out += &[code, cell, RESET].concat(),
        }
        gap = width - cell.width() + 2;
    }
    out.push('\n');
    out
}

fn code(cell: &Cell) -> &'static str {
    match cell {
        Cell::Word(_, Tone::Good) | Cell::Flag(_, Tone::Good) => GREEN,
        Cell::Word(_, Tone::Bad) | Cell::Flag(_, Tone::Bad) => RED,
        _ => "",
    }
}

fn text(cell: &Cell) -> String {
    match cell {
        Cell::Empty => "-".to_owned(),
        Cell::Pattern { path, wildcard } => escape::value(path) + if *wildcard { "/*" } else { "" },
        Cell::Bytes(bytes) if bytes.is_empty() => "-".to_owned(),
        Cell::Bytes(bytes) => escape::value(bytes),
        Cell::Text(text) => escape::sentence(text),
        Cell::Word(word, _) => (*word).to_owned(),
        Cell::Number(number) => number.to_string(),
        Cell::Flag(flag, _) => if *flag { "yes" } else { "no" }.to_owned(),
    }
}
