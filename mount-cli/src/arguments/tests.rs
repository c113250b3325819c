use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use lexopt::Parser;

use super::value::{mode, number, owner, seconds};
use super::*;

fn parsed(words: &[&str]) -> Result<Invocation, Failure> {
    parse(Parser::from_args(words))
}

#[test]
fn everything_after_the_hyphens_is_the_command_to_run() {
    let invocation = parsed(&["exec", "--for", "sync", "/a", "/b", "--", "rsync", "--delete", "--", "x"]);
    let Ok(Invocation { command: Command::Exec { operation, paths, program, arguments }, .. }) = invocation
    else {
        panic!("{invocation:?}");
    };
    assert_eq!(operation, Operation::Sync);
    assert_eq!(paths, [Path::new("/a"), Path::new("/b")]);
    assert_eq!(program, "rsync");
    assert_eq!(arguments, ["--delete", "--", "x"]);
}

#[test]
fn option_of_another_command_is_refused() {
    for words in [&["check", "--not-mounted", "/a"][..], &["add", "--for", "open", "/a"], &["--all", "state"]]
    {
        assert!(matches!(parsed(words), Err(Failure::Usage(_))), "{words:?}");
    }
}

#[test]
fn common_options_may_stand_anywhere() {
    for words in [&["--format=json", "state"][..], &["state", "--format", "json"]] {
        let format = parsed(words).map(|invocation| invocation.settings.format);
        assert!(matches!(format, Ok(Some(Format::Json))), "{words:?}");
    }
}

#[test]
fn owner_takes_names_and_numbers() {
    assert!(matches!(owner("root"), Ok((uid, gid)) if uid.is_root() && gid.as_raw() == 0));
    assert!(matches!(owner("4711:4712"), Ok((uid, gid)) if uid.as_raw() == 4711 && gid.as_raw() == 4712));
    assert!(owner("4711").is_err(), "no group is known for it");
    assert!(owner("root:no-such-group").is_err());
}

#[test]
fn numbers_out_of_range_are_refused() {
    assert!(seconds(OsStr::new("0")).is_err());
    assert!(seconds(OsStr::new("NaN")).is_err());
    assert!(seconds(OsStr::new("1e300")).is_err());
    assert_eq!(seconds(OsStr::new("0.5")).ok(), Some(Duration::from_millis(500)));
    assert!(mode(OsStr::new("10000")).is_err());
    assert!(mode(OsStr::new("rwx")).is_err());
    assert!(number(OsStr::new("0")).is_err());
}
