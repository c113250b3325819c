//! Which part of the matrix is run.

use fixtures::dovecot::Format;

use crate::cell::Cell;
use crate::plan::{ACTIONS, Action, Away, When};
use crate::setup::Setup;

/// One in so many cells is part of the covering subset; every action meets every role in some format then.
const SUBSET: usize = 8;

/// Which cells are run.
pub(crate) enum Scope {
    All,
    /// Every action meets every role in some format.
    Covering,
    /// Those whose name has all of these words.
    Named(Vec<String>),
}

impl Scope {
    /// As `MOUNTGUARD_MATRIX` says.
    pub(crate) fn from_environment() -> Scope {
        match std::env::var("MOUNTGUARD_MATRIX") {
            Err(_) => Scope::Covering,
            Ok(all) if all == "all" => Scope::All,
            Ok(words) => Scope::Named(words.split(' ').map(str::to_owned).collect()),
        }
    }

    /// The filesystems that are taken away under mbsync, which takes longer than a cell.
    pub(crate) fn outages(&self, format: Format) -> Vec<Away> {
        let shift = shift(format);
        let roles = Away::of(format).iter().enumerate().filter(|(_, away)| **away != Away::Nothing);
        let wanted = |row: usize, away: Away| match self {
            Scope::All => true,
            Scope::Covering => (row + shift) % 3 == 0,
            Scope::Named(words) => named(words, &format!("{} {} mbsync", format.name(), away.name())),
        };
        roles.filter(|(row, away)| wanted(*row, **away)).map(|(_, away)| *away).collect()
    }

    pub(crate) fn cells(&self, setup: Setup) -> Vec<(Away, When, &'static Action)> {
        let shift = shift(setup.format);
        let mut cells = Vec::new();
        for (row, away) in
            Away::of(setup.format).iter().enumerate().filter(|(_, away)| matters(setup, **away))
        {
            for (late, when) in When::ALL.into_iter().enumerate() {
                let concerned = |action: &Action| when.concerns(action) && is_concerned(setup, action);
                for (column, action) in ACTIONS.iter().enumerate().filter(|(_, action)| concerned(action)) {
                    let wanted = match self {
                        Scope::All => true,
                        Scope::Covering => (row + column + 2 * shift + late) % SUBSET == 0,
                        Scope::Named(words) => named(words, &Cell::name(setup, *away, when, action.name)),
                    };
                    if wanted {
                        cells.push((*away, when, action));
                    }
                }
            }
        }
        cells
    }
}

fn matters(setup: Setup, away: Away) -> bool {
    setup.variant.roles().is_none_or(|roles| roles.contains(&away))
}

fn is_concerned(setup: Setup, action: &Action) -> bool {
    setup.variant.actions().is_none_or(|names| names.contains(&action.name))
}

/// Other formats' subsets hold other cells.
fn shift(format: Format) -> usize {
    Format::ALL.iter().position(|other| *other == format).unwrap_or_default()
}

fn named(words: &[String], name: &str) -> bool {
    words.iter().all(|word| name.split(' ').any(|part| part == word))
}
