//! What came out: a line for each cell in a file, since each laboratory is a process of its own, and the verdict.
#![expect(clippy::print_stdout, reason = "the harness shows it when the test fails, or with --nocapture")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;

use fixtures::dovecot::Guard;

use crate::cell::Cell;
use crate::plan::{ACTIONS, Away, When};
use crate::setup::Setup;

/// The results of one format and server: a file with a line for each cell, and one with all that was said.
pub(crate) struct Report {
    setup: Setup,
    guard: Guard,
    lines: File,
    transcripts: File,
}

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("matrix")
}

fn name(setup: Setup, guard: Guard) -> String {
    format!("{}-{}", setup.name(), guard.name())
}

impl Report {
    pub(crate) fn create(setup: Setup, guard: Guard) -> Report {
        fs::create_dir_all(directory()).expect("a directory for results");
        let create = |name: &str| File::create(directory().join(name)).expect("results");
        let lines = create(&name(setup, guard));
        let transcripts = create(&format!("{}.transcripts", name(setup, guard)));
        Report { setup, guard, lines, transcripts }
    }

    /// Writes a cell down, and shows all that was said in it when something is wrong.
    pub(crate) fn add(&self, cell: &Cell) {
        let line = [cell.away.name(), cell.when.name(), cell.action, &cell.lacks, &cell.why.join(" | ")];
        writeln!(&self.lines, "{}", line.join("\t").replace('\n', " ")).expect("results");
        let name = Cell::name(self.setup, cell.away, cell.when, cell.action);
        let guard = self.guard.name();
        let said = format!("\n=== {name}, {guard}\n{}\n{}", cell.why.join("\n"), cell.transcript);
        (&self.transcripts).write_all(said.as_bytes()).expect("results");
        let faultless = self.guard == Guard::Guarded || cell.away == Away::Nothing;
        if faultless && !cell.lacks.is_empty() {
            show(&said);
        }
    }
}

/// Prints something for whoever runs the tests.
pub(crate) fn show(text: &str) {
    println!("{text}");
}

/// Keeps a result for other processes.
pub(crate) fn keep(name: &str, text: &str) {
    fs::create_dir_all(directory()).expect("a directory for results");
    fs::write(directory().join(name), text).expect("results");
}

/// A result that was kept.
pub(crate) fn kept(name: &str) -> String {
    fs::read_to_string(directory().join(name)).expect("results")
}

/// The letters for each cell, by what is away, when, and the action.
fn read(setup: Setup, guard: Guard) -> Cells {
    let cell = |line: &str| {
        let mut words = line.split('\t').map(str::to_owned);
        let mut next = || words.next().expect("a word of the results");
        ([next(), next(), next()], next())
    };
    kept(&name(setup, guard)).lines().map(cell).collect()
}

/// Prints the table and panics unless the guarded server was faultless, and any where nothing was away.
pub(crate) fn judge(setup: Setup) {
    let [stock, guarded] = [Guard::Stock, Guard::Guarded].map(|guard| read(setup, guard));
    let table = table(setup, &stock, &guarded);
    keep(&format!("{}.md", setup.name()), &table);
    show(&table);
    let faulty: Vec<_> = guarded.iter().filter(|(_, lacks)| !lacks.is_empty()).collect();
    assert!(faulty.is_empty(), "{} of {} cells fail: {faulty:?}", faulty.len(), guarded.len());
    let healthy = |name: &[String; 3]| name[0] == Away::Nothing.name();
    let wrong: Vec<_> = stock.iter().filter(|(name, lacks)| healthy(name) && !lacks.is_empty()).collect();
    assert!(wrong.is_empty(), "with nothing away, the matrix expects too much: {wrong:?}");
}

/// Panics unless the stock server has lost something: otherwise the guarded one's success would mean nothing.
pub(crate) fn stock_has_lost(setup: Setup) {
    let lost = read(setup, Guard::Stock).values().any(|lacks| lacks.contains('L'));
    assert!(lost, "stock Dovecot lost nothing: this shows nothing");
}

type Cells = BTreeMap<[String; 3], String>;

/// A row for each action, a column for each filesystem, in which each time has a word: what the stock server lacked,
/// `·` for nothing, and in bold what the guarded one did.
fn table(setup: Setup, stock: &Cells, guarded: &Cells) -> String {
    let columns = Away::of(setup.format).iter().map(|away| away.name());
    let met = |away: &&str| *away != Away::Nothing.name() && stock.keys().any(|cell| cell[0] == **away);
    let columns: Vec<_> = columns.filter(met).collect();
    let counts = counts(stock, guarded);
    let mut text = format!("## {}\n\n{}{counts}", setup.name(), setup.variant.description());
    let _ = writeln!(text, "\n| | {} |\n|-|{}", columns.join(" | "), "-|".repeat(columns.len()));
    for action in ACTIONS.iter().filter(|action| stock.keys().any(|cell| cell[2] == action.name)) {
        let times = When::ALL.into_iter().filter(|when| when.concerns(action));
        let cell = |away: &&str| {
            let words = times.clone().map(|when| word([away, when.name(), action.name], stock, guarded));
            words.collect::<Vec<_>>().join(" ")
        };
        let cells: Vec<String> = columns.iter().map(cell).collect();
        let _ = writeln!(text, "| {} | {} |", action.name, cells.join(" | "));
    }
    text.push('\n');
    text
}

fn word(name: [&str; 3], stock: &Cells, guarded: &Cells) -> String {
    let name = name.map(str::to_owned);
    let Some(stock) = stock.get(&name) else { return "–".to_owned() };
    let stock = if stock.is_empty() { "·" } else { stock };
    match guarded.get(&name) {
        Some(guarded) if !guarded.is_empty() => format!("{stock}**{guarded}**"),
        _ => stock.to_owned(),
    }
}

fn counts(stock: &Cells, guarded: &Cells) -> String {
    let mut text = "| | cells | lossless | honest | clean | unbroken |\n|-|-|-|-|-|-|\n".to_owned();
    for (name, cells) in [("stock", stock), ("guarded", guarded)] {
        let away: Vec<_> = cells.iter().filter(|(name, _)| name[0] != Away::Nothing.name()).collect();
        let without = |letter: char| away.iter().filter(|(_, lacks)| !lacks.contains(letter)).count();
        let [lossless, honest, clean, unbroken] = ['L', 'D', 'U', 'X'].map(without);
        let _ = writeln!(text, "| {name} | {} | {lossless} | {honest} | {clean} | {unbroken} |", away.len());
    }
    text
}
