//! The text of a registry file: what is read, what is kept, what is refused.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use mount_core::registry::{
    Content, Damage, Document, Entry, Inserted, Line, LineFlaw, Lines, PathFlaw, Pattern,
};
use mount_core::{ErrorKind, State};
use proptest::collection::vec;
use proptest::prelude::*;

const HEADER: &[u8] = b"# mountguard 1 generation=7\n";

fn file(lines: &[u8]) -> Vec<u8> {
    [HEADER, lines].concat()
}

fn pattern(path: &str) -> Pattern<'_> {
    Pattern::parse(Path::new(path)).expect("a path that can be registered")
}

fn lines(bytes: &[u8]) -> Vec<Line<'_>> {
    Lines::read(bytes).expect("a registry").collect()
}

fn only_content(bytes: &[u8]) -> Content<'_> {
    let mut lines = lines(bytes);
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines.remove(0).content
}

fn entry_of(bytes: &[u8]) -> Entry<'_> {
    match only_content(bytes) {
        Content::Registered(entry) => entry,
        other => panic!("not an entry: {other:?}"),
    }
}

fn flaw_of(bytes: &[u8]) -> LineFlaw {
    match only_content(bytes) {
        Content::Unreadable { flaw, .. } => flaw,
        other => panic!("readable: {other:?}"),
    }
}

fn document(bytes: &[u8]) -> Document {
    Document::parse(bytes).expect("a registry")
}

fn text(document: &Document) -> String {
    String::from_utf8(document.to_bytes()).expect("a registry of ASCII")
}

#[test]
fn line_has_state_path_wildcard_and_options() {
    let bytes = file(b"failover /srv/a\\040b/*\tfstype=ext4\tmode=ro\n");
    let entry = entry_of(&bytes);
    assert_eq!(entry.state, State::Failover);
    assert_eq!((entry.pattern.as_bytes(), entry.pattern.is_wildcard()), (&b"/srv/a b"[..], true));
    assert_eq!(entry.options.get("fstype").as_deref(), Some(&b"ext4"[..]));
}

#[test]
fn escaped_asterisk_is_a_directory_of_that_name() {
    let bytes = file(b"online /srv/\\052\n");
    let entry = entry_of(&bytes);
    assert_eq!((entry.pattern.as_bytes(), entry.pattern.is_wildcard()), (&b"/srv/*"[..], false));
    assert_eq!(document(&bytes).to_bytes(), bytes);
}

#[test]
fn header_alone_is_a_list_of_none() {
    assert_eq!(lines(HEADER), []);
    assert_eq!(document(HEADER).to_bytes(), HEADER);
}

#[test]
fn unreadable_lines_are_told_apart_and_make_no_other_void() {
    assert_eq!(flaw_of(&file(b"online\n")), LineFlaw::NoPath);
    assert_eq!(flaw_of(&file(b"onlin /srv/mail\n")), LineFlaw::State);
    assert_eq!(flaw_of(&file(b"online /srv/my mail\n")), LineFlaw::Unescaped);
    assert_eq!(flaw_of(&file(b"online /srv/mail\r\n")), LineFlaw::Unescaped);
    assert_eq!(flaw_of(&file(b"online /srv/\\9\n")), LineFlaw::Escape);
    assert_eq!(flaw_of(&file(b"online srv/mail\n")), LineFlaw::Path(PathFlaw::Relative));
    assert_eq!(flaw_of(&file(b"online /srv/\\000\n")), LineFlaw::Path(PathFlaw::Nul));
    assert_eq!(flaw_of(&file(b"online /srv/*/mail\n")), LineFlaw::Path(PathFlaw::Wildcard));
    let bytes = file(b"nonsense\nonline /srv/mail\n");
    let read = lines(&bytes);
    assert_eq!(read.iter().map(|line| line.number).collect::<Vec<_>>(), [2, 3]);
    assert!(matches!(read[1].content, Content::Registered(_)));
}

#[test]
fn remarks_and_empty_lines_are_nothing_to_report() {
    for remark in [&b"\n"[..], b"# online /srv/mail\n", b"#\n"] {
        assert_eq!(only_content(&file(remark)), Content::Remark);
    }
}

#[test]
fn line_with_unknown_state_still_says_what_was_meant_to_be_guarded() {
    let bytes = file(b"onlin /srv/mail\n");
    match only_content(&bytes) {
        Content::Unreadable { flaw: LineFlaw::State, pattern: Some(meant) } => {
            assert_eq!(meant, pattern("/srv/mail"))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn unknown_lines_options_and_header_fields_are_kept_byte_for_byte() {
    let unknown = b"# a remark\n\nwhatever this \xff is\nonline /srv/./x\nonline /z\tnew=\\9\tflag\t\xfe=1\n";
    let bytes = [b"# mountguard 1 generation=7 host=a b\n", &unknown[..]].concat();
    let mut changed = document(&bytes);
    assert_eq!(changed.to_bytes(), bytes);
    changed.insert(Entry::new(pattern("/srv/mail"), State::Online).into_owned()).expect("a new mountpoint");
    assert_eq!(changed.to_bytes(), [&bytes[..], b"online /srv/mail\n"].concat());
    changed.set_state(&pattern("/z"), State::Offline).expect("a registered mountpoint");
    let line = b"offline /z\tnew=\\9\tflag\t\xfe=1\n";
    assert!(changed.to_bytes().windows(line.len()).any(|window| window == line));
}

#[test]
fn last_line_without_newline_guards_and_is_pointed_out() {
    let bytes = file(b"online /srv/a\nonline /srv/b");
    let read = lines(&bytes);
    assert_eq!(read.iter().map(|line| line.terminated).collect::<Vec<_>>(), [true, false]);
    assert!(matches!(&read[1].content, Content::Registered(entry) if entry.pattern == pattern("/srv/b")));
    let half = file(b"online /srv/a\nonl");
    assert_eq!(document(&half).to_bytes(), file(b"online /srv/a\nonl\n"));
}

#[test]
fn later_of_two_lines_counts_and_is_the_one_that_is_written() {
    let mut twice = document(&file(b"online /a\nonline /b\nignore /a\n"));
    assert_eq!(twice.get(&pattern("/a")).map(|entry| entry.state), Some(State::Ignore));
    assert_eq!(twice.entries().count(), 2);
    twice.forget(&pattern("/a")).expect("a registered mountpoint");
    assert_eq!(twice.to_bytes(), file(b"online /b\nforgotten /a\n"));
}

/// Nine questions and more are answered in another way than the first eight.
#[test]
fn changed_list_is_printed_alike_however_often_it_was_asked() {
    let bytes = file(b"online /a\nonline /b\nonlin /c\nonline /a\tmode=rw\nforgotten /d\noffline /a");
    for questions in [0, 100] {
        let mut list = document(&bytes);
        for _ in 0..questions {
            assert_eq!(list.get(&pattern("/b")).map(|entry| entry.state), Some(State::Online));
        }
        for path in ["/c", "/d", "/e"] {
            list.insert(Entry::new(pattern(path), State::Ignore)).expect("not registered");
        }
        for path in ["/a", "/e"] {
            list.set_state(&pattern(path), State::Failover).expect("registered");
        }
        let expected = b"online /b\nonlin /c\nignore /d\nfailover /a\nignore /c\nfailover /e\n";
        assert_eq!(list.to_bytes(), file(expected), "after {questions} questions");
        assert_eq!(list.entries().count(), 5);
    }
}

#[test]
fn forgotten_mountpoint_stays_known_until_it_is_revived() {
    let mut list = document(&file(b"online /a\tmode=rw\nonline /b\n"));
    let forgotten = list.forget(&pattern("/a")).expect("a registered mountpoint");
    assert_eq!(forgotten.state, State::Online);
    assert_eq!(list.to_bytes(), file(b"forgotten /a\nonline /b\n"));
    let list = &mut document(&list.to_bytes());
    assert!(list.is_forgotten(&pattern("/a")) && list.get(&pattern("/a")).is_none());
    assert!(!list.is_forgotten(&pattern("/b")) && !list.is_forgotten(&pattern("/c")));
    let again = list.forget(&pattern("/a")).expect_err("it is forgotten already");
    assert_eq!(again.kind(), ErrorKind::NotRegistered);
    let revived = list.insert(Entry::new(pattern("/a"), State::Offline).into_owned());
    assert_eq!(revived.expect("a forgotten mountpoint"), Inserted::Revived);
    assert_eq!(list.to_bytes(), file(b"offline /a\nonline /b\n"));
}

#[test]
fn duplicate_is_refused_with_the_state_it_has() {
    let mut list = document(&file(b"failover /a\n"));
    let error = list.insert(Entry::new(pattern("/a"), State::Online).into_owned()).expect_err("a duplicate");
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(error.to_string().contains("/a is registered already, as failover"), "{error}");
    let wildcard = list.insert(Entry::new(pattern("/a/*"), State::Ignore).into_owned());
    assert_eq!(wildcard.expect("another pattern"), Inserted::New);
}

#[test]
fn unregistered_mountpoint_is_named() {
    let error = document(HEADER).set_state(&pattern("/a"), State::Online).expect_err("nothing is registered");
    assert_eq!((error.kind(), error.to_string()), (ErrorKind::NotRegistered, "/a is not registered".into()));
}

#[test]
fn dovecot_2_2_file_is_read_raw_and_upgraded_when_printed() {
    let bytes = b"online /srv/my mail\nignore /mnt/*\noffline /srv/back\\slash\nonline /srv/a*b\n";
    let list = document(bytes);
    assert_eq!(
        text(&list),
        "# mountguard 1 generation=0\nonline /srv/my\\040mail\nignore /mnt/*\n\
         offline /srv/back\\134slash\nonline /srv/a\\052b\n"
    );
    assert_eq!(document(&list.to_bytes()).entries().collect::<Vec<_>>(), list.entries().collect::<Vec<_>>());
}

#[test]
fn dovecot_2_2_file_keeps_lines_that_mean_nothing_here() {
    let list = document(b"online /a\nonline /mnt*\nhalf\nodd /b\n");
    assert_eq!(text(&list), "# mountguard 1 generation=0\nonline /a\nonline /mnt*\nhalf\nodd /b\n");
    assert_eq!(list.entries().count(), 1);
}

#[test]
fn damaged_file_is_refused_with_the_line() {
    let damage = |bytes: &[u8]| Document::parse(bytes).expect_err("a damaged file");
    assert_eq!(damage(b""), Damage::Empty);
    assert_eq!(damage(b"online /a\nonline /b\0\n"), Damage::Binary(2));
    assert_eq!(damage(&file(b"online /a\0\n")), Damage::Binary(2));
    assert_eq!(damage(b"# mountguard 1 generation=7"), Damage::CutOff);
    assert_eq!(damage(b"# mountguard 1\n"), Damage::Header);
    assert_eq!(damage(b"# mountguard 1 generation=x\n"), Damage::Header);
    assert_eq!(damage(b"# mountgu\n"), Damage::Header);
    assert_eq!(damage(b"# mountguard 2 shape=other\n"), Damage::Version);
    assert_eq!(damage(b"online /a\nonline /b\tmode=rw\n"), Damage::HeaderLost(2));
    assert_eq!(damage(b"online /a\\040b\n"), Damage::HeaderLost(1));
    assert_eq!(damage(b"onl"), Damage::NoRegistry);
    assert_eq!(damage(b"\n\n"), Damage::NoRegistry);
    assert_eq!(damage(b"\x7fELF\x02\x01\x01\n"), Damage::NoRegistry);
}

/// Linear parsing of all takes seconds; quadratic parsing of one takes half an hour.
#[test]
fn megabyte_of_each_hostile_shape_is_read_to_the_end() {
    let (sender, receiver) = mpsc::channel();
    let parsing = thread::spawn(move || {
        parse_hostile_shapes();
        sender.send(()).expect("the test waits");
    });
    match receiver.recv_timeout(Duration::from_secs(300)) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("not in linear time"),
        _ => parsing.join().expect("each shape is read"),
    }
}

fn parse_hostile_shapes() {
    const SIZE: usize = 1 << 20;
    let repeated = |text: &[u8]| file(&text.repeat(SIZE / text.len()));
    let one_line = |text: &[u8]| file(&[b"online /", &text.repeat(SIZE / text.len())[..], b"\n"].concat());
    for text in
        [&b"\n"[..], b"\\", b"/", b" ", b"\t", b"*", b"#", b"\\057", b"x=\\134\t", b"a/", b"../", b"/*"]
    {
        assert_parses_whole(&one_line(text));
        assert_parses_whole(&repeated(text));
    }
    for line in [&b"online /a\n"[..], b"forgotten /a\n", b"online /a\\040b\tx=1\tx=2\n", b"x\n"] {
        assert_parses_whole(&repeated(line));
    }
}

/// Every byte after the header belongs to exactly one line, in order.
fn assert_parses_whole(bytes: &[u8]) {
    let mut position = HEADER.len();
    for line in Lines::read(bytes).expect("a registry") {
        assert_eq!(line.raw.as_ptr(), bytes[position..].as_ptr());
        position += line.raw.len() + usize::from(line.terminated);
    }
    assert_eq!(position, bytes.len());
    let document = document(bytes);
    for entry in document.entries() {
        let _ = (entry.options.mode(), entry.options.get("x"));
    }
    assert!(document.to_bytes().len() <= bytes.len() + 1);
}

fn any_component() -> impl Strategy<Value = Vec<u8>> {
    let byte =
        prop_oneof![any::<u8>(), Just(b'\\'), Just(b' '), Just(b'*'), Just(b'\t'), Just(b'\n'), b'0'..=b'7'];
    vec(byte.prop_filter("no separator", |byte| *byte != b'/' && *byte != 0), 1..12)
        .prop_filter("no dots", |component| component != b"." && component != b"..")
}

fn any_pattern() -> impl Strategy<Value = Pattern<'static>> {
    let path = vec(any_component(), 1..5).prop_map(|components| [b"/", &components.join(&b'/')[..]].concat());
    (path, any::<bool>()).prop_map(|(path, wildcard)| {
        if wildcard && !path.contains(&b'*') {
            let below = [&path[..], b"/*"].concat();
            return Pattern::parse(Path::new(OsStr::from_bytes(&below))).expect("a wildcard").into_owned();
        }
        Pattern::literal(Path::new(OsStr::from_bytes(&path))).expect("a clean path").into_owned()
    })
}

fn any_entry() -> impl Strategy<Value = Entry<'static>> {
    let key = prop::sample::select(&["fstype", "source", "uuid", "root", "mode", "later", "x"]);
    let state = prop::sample::select(State::ALL);
    (any_pattern(), state, vec((key, any::<Vec<u8>>()), 0..6)).prop_map(|(pattern, state, options)| {
        let mut entry = Entry::new(pattern, state);
        for (key, value) in options {
            entry.options.set(key, &value);
            assert_eq!(entry.options.get(key).as_deref(), Some(&value[..]));
        }
        entry
    })
}

const PIECES: &[&[u8]] = &[
    b"online ",
    b"offline ",
    b"forgotten ",
    b"/srv",
    b"/a\\040",
    b"\\1",
    b"*",
    b"/",
    b"..",
    b"\t",
    b"x=\\",
    b"mode=rw",
    b"\n",
    b"\r",
    b" ",
    b"#",
    b"# mountguard 1 generation=3\n",
    b"\0",
];

/// Bytes that are nearly a registry.
fn any_file() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::sample::select(PIECES).prop_map(|piece: &[u8]| piece.to_vec()),
        vec(any::<u8>(), 0..4),
    ];
    (any::<bool>(), vec(piece, 0..60)).prop_map(|(header, pieces)| {
        let body = pieces.concat();
        if header { file(&body) } else { body }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn parse_is_the_inverse_of_print(entries in vec(any_entry(), 0..20), forgotten in vec(any_pattern(), 0..4)) {
        let mut list = Document::default();
        for entry in entries {
            let _ = list.insert(entry);
        }
        for pattern in forgotten {
            let _ = list.insert(Entry::new(pattern.clone(), State::Online));
            list.forget(&pattern).expect("just registered");
            prop_assert!(document(&list.to_bytes()).is_forgotten(&pattern));
        }
        let read = document(&list.to_bytes());
        prop_assert_eq!(read.entries().collect::<Vec<_>>(), list.entries().collect::<Vec<_>>());
        prop_assert_eq!(read.to_bytes(), list.to_bytes());
    }

    #[test]
    fn any_bytes_are_read_or_refused_and_reading_again_finds_the_same(bytes in prop_oneof![any_file(), any::<Vec<u8>>()]) {
        let Ok(list) = Document::parse(&bytes) else { return Ok(()) };
        let again = document(&list.to_bytes());
        prop_assert_eq!(again.entries().collect::<Vec<_>>(), list.entries().collect::<Vec<_>>());
        prop_assert_eq!(again.to_bytes(), list.to_bytes());
    }

    #[test]
    fn what_cannot_be_read_is_in_the_rewritten_file(body in any_file()) {
        let bytes = file(&body);
        let Ok(mut list) = Document::parse(&bytes) else { return Ok(()) };
        let _ = list.insert(Entry::new(pattern("/new"), State::Online).into_owned());
        let written = list.to_bytes();
        let opaque = |bytes: &[u8]| -> Vec<Vec<u8>> {
            let is_opaque = |line: &Line<'_>| matches!(line.content, Content::Unreadable { .. } | Content::Remark);
            lines(bytes).into_iter().filter(is_opaque).map(|line| line.raw.to_vec()).collect()
        };
        prop_assert_eq!(opaque(&written), opaque(&bytes));
    }
}
