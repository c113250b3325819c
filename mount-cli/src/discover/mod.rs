//! `mountguard discover`

mod dovecot;
mod program;
mod rows;
mod search;
mod system;

use std::path::PathBuf;

use mount_core::discovery::{
    Buttons, Configuration, Decision, Expected, Finding, Memory, Survey, Warning, absent, register,
};
use mount_core::registry::Document;
use mount_core::table::MountTable;
use mount_core::{Error, ErrorKind, State};

use crate::arguments::{Discover, View};
use crate::console::Console;
use crate::failure::{Failure, exit};
use crate::session::Session;
use rows::{changed, considered};
use search::{Search, Unusable};

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
        let memory = Memory::open(&settings.directories.run, settings.timeout)?;
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
        // A header without rows would be something told.
        if settings.format.is_some() || !(added.is_empty() && returned.is_empty()) {
            console.show(&changed(&self.findings, &added, &returned), settings.format)?;
        }
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
        if settings.view == View::Own {
            let blindness = system::blindness(&self.configuration, &settings.directories, settings.timeout);
            warnings.extend(blindness.map(Warning::Blind));
        }
        if let Some(first) = &self.unusable.first {
            warnings.push(Warning::Unusable { first: first.chain(), count: self.unusable.count });
        }
        Ok(warnings)
    }
}
