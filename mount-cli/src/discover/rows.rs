//! What was found and done, as rows of data.

use std::path::{Path, PathBuf};

use mount_core::discovery::{Candidate, Decision, Finding, Sight};
use mount_core::registry::Document;

use crate::output::{Cell, Rows, Tone};

const COLUMNS: &[&str] = &["path", "decision", "role", "origin", "fstype", "source", "why"];

/// One row for each change: what was registered, and what is there again.
pub(super) fn changed(findings: &[Finding], added: &[PathBuf], returned: &[PathBuf]) -> Rows {
    let mut rows = Rows::new(COLUMNS);
    for finding in findings.iter().filter(|finding| added.contains(&finding.mountpoint)) {
        rows.push(row(finding, Cell::Word("added", Tone::Good), None));
    }
    for path in returned {
        let mut cells = vec![path_cell(path), Cell::Word("returned", Tone::Good)];
        cells.resize(COLUMNS.len(), Cell::Empty);
        rows.push(cells);
    }
    rows
}

/// One row for each mountpoint, with what would become of it, and one for each place for mail.
pub(super) fn considered(
    findings: &[Finding],
    places: &[(Candidate, Option<PathBuf>)],
    document: &Document,
) -> Rows {
    let mut rows = Rows::new(COLUMNS);
    for finding in findings {
        let decision = Decision::on(finding, document);
        let why = match &decision {
            Decision::Excluded(exclusion) => Some(exclusion.to_string()),
            Decision::Unseen(expected) => Some(format!("listed in {expected}, not mounted")),
            Decision::Registered(state) => Some(state.to_string()),
            _ => None,
        };
        let tone = if matches!(decision, Decision::Add(_)) { Tone::Good } else { Tone::Plain };
        rows.push(row(finding, Cell::Word(decision.as_str(), tone), why));
    }
    for (place, on) in places {
        let on = on.as_ref().map_or("the root filesystem".to_owned(), |on| format!("{on:?}"));
        rows.push(vec![
            path_cell(place.reach.beginning()),
            Cell::Word("place", Tone::Plain),
            Cell::Word(place.role.as_str(), Tone::Plain),
            Cell::Text(place.origin.to_string()),
            Cell::Empty,
            Cell::Empty,
            Cell::Text(format!("reaches {}, begins on {on}", place.reach)),
        ]);
    }
    rows
}

fn row(finding: &Finding, decision: Cell, why: Option<String>) -> Vec<Cell> {
    let filesystem = match &finding.sight {
        Sight::Mounted(filesystem, _) => filesystem.as_ref(),
        Sight::Expected(_) => None,
    };
    let bytes = |field: Option<&Vec<u8>>| field.map_or(Cell::Empty, |bytes| Cell::Bytes(bytes.clone()));
    vec![
        path_cell(&finding.mountpoint),
        decision,
        Cell::Word(finding.role.as_str(), Tone::Plain),
        Cell::Text(finding.origin.to_string()),
        bytes(filesystem.map(|found| &found.fs_type)),
        bytes(filesystem.map(|found| &found.source)),
        Cell::text(why),
    ]
}

fn path_cell(path: &Path) -> Cell {
    Cell::Pattern { path: path.as_os_str().as_encoded_bytes().to_vec(), wildcard: false }
}
