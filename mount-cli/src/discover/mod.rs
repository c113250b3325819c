//! `mountguard discover`

mod dovecot;
mod program;
mod system;

use std::path::{Path, PathBuf};

use mount_core::discovery::{
    Buttons, Candidate, Configuration, Decision, Expected, Finding, Memory, Origin, Reach, Sight, Survey,
    Warning, absent, as_written, register,
};
use mount_core::registry::Document;
use mount_core::table::MountTable;
use mount_core::{Error, ErrorKind, Mounts, Role, State, WhenMissing};

use crate::arguments::{Discover, View};
use crate::console::Console;
use crate::failure::{Failure, exit};
use crate::output::{Cell, Rows, Tone};
use crate::session::Session;
use dovecot::Dovecot;

const COLUMNS: &[&str] = &["path", "decision", "role", "origin", "fstype", "source", "why"];

pub(crate) fn run(session: &Session<'_>, request: &Discover, console: &mut Console) -> Result<u8, Failure> {
    if matches!(session.settings.view, View::Recorded(_)) && !request.dry_run {
        let text = "a recorded table can be looked at, but not registered from; use --dry-run";
        return Err(Failure::Usage(text.to_owned()));
    }
    let document = session.registry(console)?;
    let (table, expected) = (table_of(&session.settings.view)?, system::expected());
    let mut search = Search::new(session, request, Survey::new(&table).expecting(&expected))?;
    search.everywhere(&table, console);
    let Search { survey, configuration, unusable, places, code, .. } = search;
    let findings = survey.findings();
    if request.dry_run {
        console.show(&considered(&findings, &places, &document), session.settings.format)?;
        return Ok(code);
    }
    keep_what_is_lost(session, &document, &expected, &table)?;
    let discovery = Discovery { session, findings, configuration, unusable, is_complete: code == exit::OK };
    discovery.act(console)?;
    Ok(code)
}

fn table_of(view: &View) -> Result<MountTable, Error> {
    match view {
        View::Own => MountTable::of_self(),
        View::Process(pid) => MountTable::of_process(*pid),
        View::Recorded(file) => MountTable::from_file(file),
    }
}

/// Goes from source to source.
struct Search<'a> {
    session: &'a Session<'a>,
    request: &'a Discover,
    survey: Survey<'a>,
    /// For symlinks; `None` where there is nothing to resolve them with.
    mounts: Option<Mounts>,
    configuration: Configuration,
    unusable: Unusable,
    /// The places that were looked at, but for those of users, which may be a million; and what they lie on.
    places: Vec<(Candidate, Option<PathBuf>)>,
    /// What the command ends with: that of the first source that failed.
    code: u8,
}

/// Places that cannot be used: the first, and how many.
#[derive(Default)]
struct Unusable {
    first: Option<Error>,
    count: u64,
}

impl<'a> Search<'a> {
    fn new(session: &'a Session<'a>, request: &'a Discover, survey: Survey<'a>) -> Result<Self, Failure> {
        let directories = &session.settings.directories;
        let mounts = match session.settings.view {
            View::Own => Some(Mounts::open(directories, WhenMissing::NothingRegistered)?),
            View::Process(_) | View::Recorded(_) => None,
        };
        let (configuration, unusable) = (Configuration::default(), Unusable::default());
        Ok(Search {
            session,
            request,
            survey,
            mounts,
            configuration,
            unusable,
            places: Vec::new(),
            code: exit::OK,
        })
    }

    fn everywhere(&mut self, table: &MountTable, console: &mut Console) {
        for path in &self.request.mail_paths {
            self.look(Candidate::named(path));
        }
        if let Err(error) = self.in_dovecot() {
            self.code = Failure::from(error).report(console);
        }
        if self.session.settings.view == View::Own {
            for mountpoint in Buttons::new(&self.session.settings.directories.run).pressed(table) {
                let reach = Reach::of_directory(&mountpoint);
                self.look(reach.map(|reach| Candidate { reach, role: Role::Mail, origin: Origin::Use }));
            }
        }
        if self.request.all {
            self.survey.look_at_all();
        }
    }

    fn in_dovecot(&mut self) -> Result<(), Error> {
        let (configuration, patience) =
            (self.request.configuration.as_deref(), self.session.settings.timeout);
        let dovecot = Dovecot { configuration, patience };
        let found = match dovecot.configuration() {
            // Another server's stores were named, so that there may well be no Dovecot.
            Err(error) if error.kind() == ErrorKind::NotRegistered && self.has_other_sources() => {
                return Ok(());
            }
            Err(error) if error.kind() == ErrorKind::NotRegistered => {
                let hint = "without Dovecot, say where mail lies with --mail-path";
                return Err(Error::new(ErrorKind::Data, format!("{error}; {hint}")));
            }
            other => other?,
        };
        self.survey.spare_homes(found.homes());
        for candidate in found.candidates() {
            self.look(candidate);
        }
        self.configuration = found.clone();
        dovecot.users(&found, |candidate| self.look(candidate))
    }

    fn has_other_sources(&self) -> bool {
        self.request.all || !self.request.mail_paths.is_empty()
    }

    fn look(&mut self, candidate: Result<Candidate, Error>) {
        let resolve = |path: &Path| match &self.mounts {
            Some(mounts) => mounts.resolve(path).map(|resolved| resolved.path),
            None => as_written(path),
        };
        match candidate.and_then(|candidate| candidate.resolved(resolve)) {
            Ok(found) => found.into_iter().for_each(|place| {
                let on = self.survey.look(&place);
                if !matches!(place.origin, Origin::User(_)) {
                    self.places.push((place, on));
                }
            }),
            Err(error) => {
                self.unusable.count += 1;
                self.unusable.first.get_or_insert(error);
            }
        }
    }
}

/// A registry that was never begun is not begun in a bare mountpoint: the one that is meant may be on the
/// filesystem that is not there.
fn keep_what_is_lost(
    session: &Session<'_>,
    document: &Document,
    expected: &[Expected],
    table: &MountTable,
) -> Result<(), Error> {
    let state = &session.settings.directories.state;
    if document.generation() != 0 || session.store.read_persistent()?.is_some() {
        return Ok(());
    }
    let is_missing = |expected: &&Expected| {
        let mountpoint = expected.path().as_os_str().as_encoded_bytes();
        state.starts_with(expected.path()) && !table.locate(mountpoint).is_some_and(|found| found.is_root)
    };
    match expected.iter().find(is_missing) {
        None => Ok(()),
        Some(missing) => {
            let text = format!(
                "there is no registry in {state:?}, and {:?}, which it would lie on, is not mounted, though it is \
                 listed in {missing}; mount it first",
                missing.path()
            );
            Err(Error::new(ErrorKind::DamagedRegistry, text))
        }
    }
}

/// What is to be done about what was found.
struct Discovery<'a> {
    session: &'a Session<'a>,
    findings: Vec<Finding>,
    configuration: Configuration,
    unusable: Unusable,
    /// Whether all sources said what they know.
    is_complete: bool,
}

impl Discovery<'_> {
    fn act(self, console: &mut Console) -> Result<(), Failure> {
        let settings = self.session.settings;
        let memory = Memory::open(&settings.directories.run)?;
        // Asking all users may have taken minutes.
        let table = table_of(&settings.view)?;
        let (added, document) = self.session.store.update(|document| {
            document.begin();
            Ok((register(&self.findings, document, &table)?, document.clone()))
        })?;
        let warnings = self.warnings(&document, console)?;
        let changes = memory.compare(&warnings);
        let online = document.entries().filter(|entry| entry.state == State::Online);
        let returned = online.map(|entry| entry.pattern.path().to_path_buf());
        let returned: Vec<PathBuf> = returned.filter(|path| changes.has_returned(path)).collect();
        console.show(&self.changed(&added, &returned), settings.format)?;
        for warning in &changes.new {
            console.say(format_args!("{warning}"));
        }
        memory.remember(&warnings, self.is_complete)?;
        if settings.view == View::Own {
            Buttons::new(&settings.directories.run).lay_out(&table, &document)?;
        }
        Ok(())
    }

    /// All that is wrong now, whether it was told before or not.
    fn warnings(&self, document: &Document, console: &mut Console) -> Result<Vec<Warning>, Failure> {
        let settings = self.session.settings;
        let missing =
            self.session.judging(console, |mounts, _| Ok(absent(document, |path| mounts.presence(path))))?;
        let mut warnings: Vec<Warning> =
            missing.into_iter().map(|(path, presence)| Warning::Absent(path, presence)).collect();
        for finding in &self.findings {
            if let Decision::Unseen(expected) = Decision::on(finding, document) {
                warnings.push(Warning::Unseen(finding.mountpoint.clone(), expected));
            }
        }
        let protocols = self.configuration.unguarded_protocols();
        if !protocols.is_empty() {
            warnings.push(Warning::Unguarded(protocols));
        }
        let blindness = || system::blindness(&self.configuration, &settings.directories, settings.timeout);
        warnings.extend(
            Some(()).filter(|()| settings.view == View::Own).and_then(|()| blindness()).map(Warning::Blind),
        );
        if let Some(first) = &self.unusable.first {
            warnings.push(Warning::Unusable { first: first.chain(), count: self.unusable.count });
        }
        Ok(warnings)
    }

    /// One row for each change.
    fn changed(&self, added: &[PathBuf], returned: &[PathBuf]) -> Rows {
        let mut rows = Rows::new(COLUMNS);
        for finding in self.findings.iter().filter(|finding| added.contains(&finding.mountpoint)) {
            rows.push(row(finding, Cell::Word("added", Tone::Good), None));
        }
        for path in returned {
            let mut cells = vec![path_cell(path), Cell::Word("returned", Tone::Good)];
            cells.resize(COLUMNS.len(), Cell::Empty);
            rows.push(cells);
        }
        rows
    }
}

/// One row for each mountpoint, with what would become of it, and one for each place for mail.
fn considered(findings: &[Finding], places: &[(Candidate, Option<PathBuf>)], document: &Document) -> Rows {
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
