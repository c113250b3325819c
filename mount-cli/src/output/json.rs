//! JSON, for programs that want names.
//!
//! A path or another value is a string with its own characters, nothing escaped but what JSON demands. Where
//! its bytes are not UTF-8, which JSON strings must be, it is an object instead: `{"hex": "2f73ff"}`. An object
//! about a line of the registry says with `wildcard` whether the path means its children.

use serde_json::{Map, Value};

use super::{Cell, Rows};

pub(super) fn json(rows: &Rows) -> Vec<u8> {
    let objects = rows.rows.iter().map(|row| Value::Object(object(rows.columns, row)));
    let mut text = Value::Array(objects.collect()).to_string().into_bytes();
    text.push(b'\n');
    text
}

/// One object a line.
pub(super) fn lines(rows: &Rows) -> Vec<u8> {
    let objects = rows.rows.iter().map(|row| Value::Object(object(rows.columns, row)).to_string() + "\n");
    objects.collect::<String>().into_bytes()
}

fn object(columns: &[&str], row: &[Cell]) -> Map<String, Value> {
    let mut object = Map::new();
    for (column, cell) in columns.iter().zip(row) {
        if let Cell::Pattern { wildcard, .. } = cell {
            object.insert("wildcard".to_owned(), Value::Bool(*wildcard));
        }
        object.insert((*column).to_owned(), value(cell));
    }
    object
}

fn value(cell: &Cell) -> Value {
    match cell {
        Cell::Empty => Value::Null,
        Cell::Pattern { path, .. } => bytes(path),
        Cell::Bytes(value) => bytes(value),
        Cell::Text(text) => Value::from(text.as_str()),
        Cell::Word(word, _) => Value::from(*word),
        Cell::Number(number) => Value::from(*number),
        Cell::Flag(flag, _) => Value::Bool(*flag),
    }
}

fn bytes(value: &[u8]) -> Value {
    match std::str::from_utf8(value) {
        Ok(text) => Value::from(text),
        Err(_) => {
            let hex = value.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            Value::Object(Map::from_iter([("hex".to_owned(), Value::from(hex))]))
        }
    }
}
