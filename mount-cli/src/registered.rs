//! Which registered mountpoint is meant by a path.

use std::path::{Path, PathBuf};

use mount_core::registry::{Document, Entry, Pattern};
use mount_core::{Mounts, State};

use crate::console::Console;
use crate::failure::Failure;
use crate::session::{Session, unusable};

/// A registered mountpoint, or one of those that a wildcard speaks of.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    pub entry: Entry<'static>,
    /// `None` for a wildcard as such.
    pub mountpoint: Option<PathBuf>,
}

impl Subject {
    pub(crate) fn of(entry: &Entry<'_>) -> Self {
        let pattern = &entry.pattern;
        let mountpoint = (!pattern.is_wildcard()).then(|| pattern.path().to_path_buf());
        Subject { entry: entry.clone().into_owned(), mountpoint }
    }

    /// One of the directories that a wildcard speaks of.
    pub(crate) fn child(entry: &Entry<'_>, mountpoint: PathBuf) -> Self {
        Subject { entry: entry.clone().into_owned(), mountpoint: Some(mountpoint) }
    }
}

/// The pattern by which a path is registered: as it is written, or else where its symlinks lead.
///
/// In the former way something can be unregistered whose path cannot be walked any more.
pub(crate) fn pattern_of(
    session: &Session<'_>,
    document: &Document,
    path: &Path,
    console: &mut Console,
) -> Result<Pattern<'static>, Failure> {
    let written = Pattern::parse(path)?.into_owned();
    if document.get(&written).is_some() {
        return Ok(written);
    }
    let real = session.judging(console, |mounts, _| Ok(session.resolve(mounts, written.path()).ok()))?;
    let real = real.and_then(|real| with_wildcard(&real.path, written.is_wildcard()).ok());
    Ok(real.filter(|real| document.get(real).is_some()).unwrap_or(written))
}

/// The pattern of a directory whose symlinks are resolved, or of all directories in it.
pub(crate) fn with_wildcard(real: &Path, wildcard: bool) -> Result<Pattern<'static>, Failure> {
    if !wildcard {
        return Ok(Pattern::literal(real)?.into_owned());
    }
    let children = real.join("*");
    let pattern = Pattern::parse(&children).map_err(|error| unusable(error.to_string()))?;
    Ok(pattern.into_owned())
}

/// What is registered as a path, or covers it.
pub(crate) fn covering(document: &Document, mounts: &Mounts, path: &Path) -> Option<Subject> {
    let registered = Pattern::parse(path).ok().and_then(|pattern| document.get(&pattern));
    if let Some(entry) = registered {
        return Some(Subject::of(&entry));
    }
    let real = mounts.resolve(path).map_or_else(|_| path.to_path_buf(), |resolved| resolved.path);
    let mut candidates: Vec<(usize, Subject)> =
        document.entries().filter_map(|entry| covers(&entry, &real)).collect();
    // The deepest first, and of two equally deep ones the explicit one, which hides the wildcard.
    candidates.sort_by_key(|(depth, subject)| (usize::MAX - depth, subject.entry.pattern.is_wildcard()));
    candidates.dedup_by_key(|(depth, _)| *depth);
    candidates.into_iter().map(|(_, subject)| subject).find(|subject| subject.entry.state != State::Ignore)
}

/// The mountpoint by which an entry covers a path, and how deep it lies.
fn covers(entry: &Entry<'_>, real: &Path) -> Option<(usize, Subject)> {
    let directory = entry.pattern.path();
    let below = real.strip_prefix(directory).ok()?;
    let subject = match (entry.pattern.is_wildcard(), below.components().next()) {
        (false, _) => Subject::of(entry),
        (true, Some(child)) => Subject::child(entry, directory.join(child)),
        (true, None) => return None,
    };
    Some((subject.mountpoint.as_deref()?.components().count(), subject))
}
