//! The format of Dovecot 2.1 to 2.2: `state path`, no first line, the path raw to the end of its line.

use std::borrow::Cow;

use super::content::{Content, Damage, LineFlaw, raw_lines, with_state};
use super::pattern::split_wildcard;
use super::{Options, PathFlaw, Pattern};
use crate::bytes::{octal, split_once};

/// Tells an old file from a damaged one.
///
/// That format never has a TAB between fields nor an octal escape; a file with either has lost its
/// first line, and to read its paths raw would guard other directories than the ones that are meant.
/// A raw path could hold a TAB of its own; that such a file is called damaged is the safe side.
pub(super) fn check(bytes: &[u8]) -> Result<(), Damage> {
    let mut readable = false;
    for (before, (_, line)) in raw_lines(bytes, 0).enumerate() {
        if line.contains(&b'\t') || has_octal_escape(line) {
            return Err(Damage::HeaderLost(before + 1));
        }
        readable |= matches!(content(line), Content::Registered(_));
    }
    if readable { Ok(()) } else { Err(Damage::NoRegistry) }
}

/// What a line says. Dovecot took any `*` at the end of a path for a wildcard, and compared what is
/// before it by whole components; only `/*` has a meaning here, and other ones are reported.
pub(super) fn content(raw: &[u8]) -> Content<'_> {
    if raw.is_empty() {
        return Content::Remark;
    }
    let Some((state, text)) = split_once(raw, b' ') else {
        return Content::Unreadable { flaw: LineFlaw::NoPath, pattern: None };
    };
    match pattern(text) {
        Ok(pattern) => with_state(state, pattern, Options::default()),
        Err(flaw) => Content::Unreadable { flaw: flaw.into(), pattern: None },
    }
}

fn pattern(text: &[u8]) -> Result<Pattern<'_>, PathFlaw> {
    let (path, wildcard) = split_wildcard(text);
    if path.ends_with(b"*") {
        return Err(PathFlaw::Wildcard);
    }
    Pattern::clean(Cow::Borrowed(path), wildcard)
}

fn has_octal_escape(line: &[u8]) -> bool {
    line.split(|&byte| byte == b'\\').skip(1).any(|after| octal(after).is_some())
}
