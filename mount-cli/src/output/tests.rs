use super::*;

const COLUMNS: &[&str] = &["path", "state", "why"];

fn odd() -> Rows {
    let mut rows = Rows::new(COLUMNS);
    let path = b"/srv/a b\t\\*\xff\x1b".to_vec();
    rows.push(vec![
        Cell::Pattern { path, wildcard: false },
        Cell::Word("online", Tone::Good),
        Cell::Text("tells\tof a \"path\\\"".to_owned()),
    ]);
    rows.push(vec![
        Cell::Pattern { path: "/mnt/\u{e4}\u{6f22}".into(), wildcard: true },
        Cell::Word("offline", Tone::Bad),
        Cell::Empty,
    ]);
    rows
}

fn rendered(format: Format, colour: bool) -> String {
    String::from_utf8(odd().render(format, colour)).expect("every format is UTF-8")
}

#[test]
fn tab_escapes_whatever_could_be_taken_for_structure() {
    let expected = "/srv/a\\040b\\011\\134\\052\\377\\033\tonline\ttells\\011of a \"path\\\"\n\
                    /mnt/\u{e4}\u{6f22}/*\toffline\t-\n";
    assert_eq!(rendered(Format::Tab, false), expected);
}

#[test]
fn table_aligns_by_width_and_has_no_blanks_at_the_end() {
    let expected = [
        "PATH                             STATE    WHY",
        "/srv/a\\040b\\011\\134\\052\\377\\033  online   tells\\011of a \"path\\\"",
        "/mnt/\u{e4}\u{6f22}/*                       offline  -",
        "",
    ]
    .join("\n");
    assert_eq!(rendered(Format::Table, false), expected);
}

#[test]
fn colour_is_around_words_only() {
    let table = rendered(Format::Table, true);
    assert!(table.contains("\x1b[32monline\x1b[0m   tells"), "{table:?}");
    assert!(table.contains("\x1b[31moffline\x1b[0m  -\n"), "{table:?}");
}

#[test]
fn json_is_lossless() {
    let value: serde_json::Value = serde_json::from_str(&rendered(Format::Json, false)).expect("JSON");
    assert_eq!(value[0]["path"]["hex"], "2f7372762f612062095c2aff1b");
    assert_eq!(value[0]["wildcard"], false);
    assert_eq!(value[1]["path"], "/mnt/\u{e4}\u{6f22}");
    assert_eq!(value[1]["wildcard"], true);
    assert_eq!(value[1]["why"], serde_json::Value::Null);
}

#[test]
fn nothing_is_no_line_and_an_empty_array() {
    let rows = Rows::new(COLUMNS);
    assert_eq!(rows.render(Format::Table, true), b"");
    assert_eq!(rows.render(Format::Tab, false), b"");
    assert_eq!(rows.render(Format::Json, false), b"[]\n");
}

#[test]
fn moments_are_right_around_leap_days() {
    assert_eq!(moment(0), "1970-01-01T00:00:00Z");
    assert_eq!(moment(951_782_399), "2000-02-28T23:59:59Z");
    assert_eq!(moment(951_782_400), "2000-02-29T00:00:00Z");
    assert_eq!(moment(951_868_800), "2000-03-01T00:00:00Z");
    assert_eq!(moment(4_107_542_400), "2100-03-01T00:00:00Z");
}
