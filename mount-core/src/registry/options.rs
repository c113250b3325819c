//! What a line says beyond state and path.

use std::borrow::Cow;

use super::escape;

/// Whether the filesystem was recorded as read-write or read-only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// `mode=rw`: a read-only filesystem in its place refuses writing operations.
    ReadWrite,
    /// `mode=ro`.
    ReadOnly,
}

/// A mounted filesystem did not answer the prober.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stuck {
    /// Seconds since the epoch at which it was found stuck.
    pub since: Option<u64>,
}

/// The `key=value` options of a line, in the order and spelling of the file.
///
/// Kept as the text they were read from: what is not understood here goes through a rewrite byte for
/// byte. An option never makes its line unreadable, since that would leave a mountpoint unguarded.
/// Of two options with one key the later counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options<'a> {
    text: Cow<'a, [u8]>,
}

impl<'a> Options<'a> {
    /// Type of the expected filesystem, such as `ext4`.
    pub const FSTYPE: &'static str = "fstype";
    /// Source of the expected mount, such as `/dev/sdb1` or `filer:/export`.
    pub const SOURCE: &'static str = "source";
    /// UUID of the expected filesystem.
    pub const UUID: &'static str = "uuid";
    /// Directory within the filesystem that is expected at the mountpoint, `/` for the whole.
    pub const ROOT: &'static str = "root";

    const MODE: &'static str = "mode";
    const IDENTITY: &'static str = "identity";
    const OBSERVED: &'static str = "observed";
    const SINCE: &'static str = "since";
    const CHILD: &'static str = "child";

    /// In every line of something observed: a field follows a TAB.
    pub(super) const MARK_OF_OBSERVED: &'static [u8] = b"\tobserved=";
    /// In every line that [`Options::is_of_child`].
    pub(super) const MARK_OF_CHILD: &'static [u8] = b"\tchild";

    /// `text` is what follows the TAB after the path.
    pub(super) fn from_text(text: &'a [u8]) -> Self {
        Options { text: Cow::Borrowed(text) }
    }

    pub(super) fn as_text(&self) -> &[u8] {
        &self.text
    }

    /// The value of `key`. A value with a malformed escape is returned as it is written.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Cow<'_, [u8]>> {
        let text = self.fields().filter_map(|field| value_of(field, key)).last()?;
        Some(escape::decode(text).unwrap_or(Cow::Borrowed(text)))
    }

    /// Sets `key`, in its old place if it has one, else at the end.
    pub fn set(&mut self, key: &str, value: &[u8]) {
        let mut field = [key.as_bytes(), b"="].concat();
        escape::encode(value, &mut field);
        self.replace(key, Some(&field));
    }

    /// Takes `key` out.
    pub fn remove(&mut self, key: &str) {
        self.replace(key, None);
    }

    /// The recorded mode. A value that is not known counts as the stricter one.
    #[must_use]
    pub fn mode(&self) -> Option<Mode> {
        self.get(Self::MODE).map(|value| match value.as_ref() {
            b"ro" => Mode::ReadOnly,
            _ => Mode::ReadWrite,
        })
    }

    /// Records the mode.
    pub fn set_mode(&mut self, mode: Mode) {
        self.set(
            Self::MODE,
            match mode {
                Mode::ReadWrite => b"rw",
                Mode::ReadOnly => b"ro",
            },
        );
    }

    /// Whether another filesystem in its place is refused. A value that is not known says yes.
    #[must_use]
    pub fn identity_required(&self) -> bool {
        self.get(Self::IDENTITY).is_some()
    }

    /// Requires, or no longer requires, the recorded filesystem.
    pub fn require_identity(&mut self, required: bool) {
        if required {
            self.set(Self::IDENTITY, b"required");
        } else {
            self.remove(Self::IDENTITY);
        }
    }

    /// What the prober recorded. Only the runtime file has it.
    #[must_use]
    pub fn stuck(&self) -> Option<Stuck> {
        if self.get(Self::OBSERVED)?.as_ref() != b"stuck" {
            return None;
        }
        let since = self.get(Self::SINCE).and_then(|value| std::str::from_utf8(&value).ok()?.parse().ok());
        Some(Stuck { since })
    }

    pub(super) fn set_stuck(&mut self, stuck: Option<Stuck>) {
        let Some(Stuck { since }) = stuck else {
            self.remove(Self::OBSERVED);
            self.remove(Self::SINCE);
            return;
        };
        self.set(Self::OBSERVED, b"stuck");
        match since {
            Some(since) => self.set(Self::SINCE, since.to_string().as_bytes()),
            None => self.remove(Self::SINCE),
        }
    }

    /// Whether the line is no registration: only what was observed of one of the directories a wildcard speaks of.
    pub(super) fn is_of_child(&self) -> bool {
        self.get(Self::CHILD).is_some()
    }

    /// These options of a wildcard, for what was observed of one of its directories.
    pub(super) fn of_child(&self, stuck: Stuck) -> Options<'static> {
        let mut options = self.clone().into_owned();
        options.set(Self::CHILD, b"");
        options.set_stuck(Some(stuck));
        options
    }

    /// The same options with bytes of their own.
    #[must_use]
    pub fn into_owned(self) -> Options<'static> {
        Options { text: Cow::Owned(self.text.into_owned()) }
    }

    fn fields(&self) -> impl Iterator<Item = &[u8]> {
        self.text.split(|&byte| byte == b'\t').filter(|field| !field.is_empty())
    }

    fn replace(&mut self, key: &str, mut field: Option<&[u8]>) {
        let mut fields = Vec::new();
        for old in self.fields() {
            match value_of(old, key) {
                Some(_) => fields.extend(field.take()),
                None => fields.push(old),
            }
        }
        fields.extend(field);
        self.text = Cow::Owned(fields.join(&b'\t'));
    }
}

/// The undecoded value of a field, when the field is one of `key`. `key` alone has an empty value.
fn value_of<'f>(field: &'f [u8], key: &str) -> Option<&'f [u8]> {
    match field.strip_prefix(key.as_bytes())? {
        [] => Some(&[]),
        [b'=', value @ ..] => Some(value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_options_keep_their_bytes_and_order() {
        let mut options = Options::from_text(b"zeta=1\tfstype=ext4\tflag\tx=\\9\xff");
        options.set(Options::FSTYPE, b"xfs");
        options.set(Options::SOURCE, b"/dev/a b");
        assert_eq!(options.as_text(), b"zeta=1\tfstype=xfs\tflag\tx=\\9\xff\tsource=/dev/a\\040b");
        assert_eq!(options.get("x").as_deref(), Some(&b"\\9\xff"[..]));
        assert_eq!(options.get(Options::SOURCE).as_deref(), Some(&b"/dev/a b"[..]));
    }

    #[test]
    fn key_is_not_found_by_its_beginning() {
        let options = Options::from_text(b"rooted=/a\troot=/b");
        assert_eq!(options.get(Options::ROOT).as_deref(), Some(&b"/b"[..]));
        assert_eq!(options.get("roo"), None);
    }

    #[test]
    fn later_of_two_counts_and_setting_leaves_one() {
        let mut options = Options::from_text(b"mode=rw\tmode=ro");
        assert_eq!(options.mode(), Some(Mode::ReadOnly));
        options.set_mode(Mode::ReadWrite);
        assert_eq!(options.as_text(), b"mode=rw");
    }

    #[test]
    fn unknown_values_count_as_the_stricter() {
        let options = Options::from_text(b"mode=sideways\tidentity=perhaps");
        assert_eq!(options.mode(), Some(Mode::ReadWrite));
        assert!(options.identity_required());
        assert!(!Options::default().identity_required());
    }

    #[test]
    fn stuck_is_set_and_cleared_without_a_trace() {
        let mut options = Options::from_text(b"fstype=nfs4");
        options.set_stuck(Some(Stuck { since: Some(1_700_000_000) }));
        assert_eq!(options.stuck(), Some(Stuck { since: Some(1_700_000_000) }));
        options.set_stuck(None);
        assert_eq!((options.stuck(), options.as_text()), (None, &b"fstype=nfs4"[..]));
    }
}
