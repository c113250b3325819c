use proptest::prelude::*;

use super::*;

const HOME: &str = "/home/bob";

fn parse(location: &str) -> MailLocation {
    MailLocation::parse(location, Some(Path::new(HOME))).expect("a good location")
}

fn refusal(location: &str, home: Option<&str>) -> String {
    let error = MailLocation::parse(location, home.map(Path::new)).expect_err("a bad location");
    assert_eq!(error.kind(), ErrorKind::Usage);
    error.to_string()
}

fn paths(location: &str, role: Role) -> Vec<String> {
    let roots = parse(location).roots();
    roots.paths(&[role]).iter().map(|path| path.display().to_string()).collect()
}

#[test]
fn roles_default_to_the_mail_root() {
    for role in [Role::Mail, Role::Index, Role::Control] {
        assert_eq!(paths("mdbox:/srv/mail/bob", role), ["/srv/mail/bob"], "{role}");
    }
    for role in [Role::Alt, Role::Inbox, Role::Attachments, Role::Home] {
        assert!(paths("mdbox:/srv/mail/bob", role).is_empty(), "{role}");
    }
}

#[test]
fn each_key_gives_its_role_a_directory() {
    let location =
        "mdbox:/m:INDEX=/i:CONTROL=/c:ALT=/a:INBOX=/in:INDEXPVT=/p:INDEXCACHE=/ic:LISTINDEX=/l/list";
    assert_eq!(paths(location, Role::Mail), ["/m"]);
    assert_eq!(paths(location, Role::Index), ["/i", "/p", "/ic", "/l"]);
    assert_eq!(paths(location, Role::Control), ["/c"]);
    assert_eq!(paths(location, Role::Alt), ["/a"]);
    assert_eq!(paths(location, Role::Inbox), ["/in"]);
}

#[test]
fn list_index_is_relative_to_the_index_directory() {
    assert_eq!(paths("maildir:/m:INDEX=/i:LISTINDEX=lists/l", Role::Index), ["/i", "/i/lists"]);
    assert_eq!(paths("maildir:/m:LISTINDEX=lists/l", Role::Index), ["/m", "/m/lists"]);
    assert_eq!(paths("maildir:/m:LISTINDEX=l", Role::Index), ["/m"]);
    assert_eq!(paths("maildir:/m:INDEX=MEMORY:LISTINDEX=~/l/l", Role::Index), ["/home/bob/l"]);
    assert!(refusal("maildir:/m:INDEX=MEMORY:LISTINDEX=lists/l", None).contains("LISTINDEX"));
}

#[test]
fn indexes_in_memory_lie_nowhere() {
    for location in
        ["maildir:/m:INDEX=MEMORY", "maildir:/m:INDEX=MEMORY/", "maildir:/m:INDEX=", "maildir:/m:INDEX"]
    {
        assert!(paths(location, Role::Index).is_empty(), "{location}");
    }
}

#[test]
fn home_is_put_in_for_tilde_and_variable_and_relative_paths() {
    for location in ["maildir:~/Maildir", "maildir:%h/Maildir/", "maildir:%{home}/Maildir", "maildir:Maildir"]
    {
        assert_eq!(parse(location).root(), Path::new("/home/bob/Maildir"), "{location}");
    }
    assert_eq!(parse("maildir:~").root(), Path::new(HOME));
    assert_eq!(parse("maildir:~/").root(), Path::new(HOME));
    assert_eq!(parse("maildir:~//x").root(), Path::new("/home/bob/x"));
    assert_eq!(parse("maildir:/50%%").root(), Path::new("/50%"));
}

#[test]
fn home_that_is_needed_must_be_given_and_absolute() {
    for location in ["maildir:~/Maildir", "maildir:%h", "maildir:x", "maildir:/m:CONTROL=~/c"] {
        assert!(refusal(location, None).contains("home"), "{location}");
        assert!(refusal(location, Some("bob")).contains("not absolute"), "{location}");
    }
    assert!(MailLocation::parse("maildir:/m", None).is_ok());
    assert!(refusal("maildir:~eve/Maildir", Some(HOME)).contains("another user"));
}

#[test]
fn other_variables_are_refused_with_the_remedy() {
    for location in ["maildir:/m/%u", "maildir:/m/%", "maildir:/m:INDEX=/i/%Lh", "maildir:/m/%{userdb:x}"] {
        assert!(refusal(location, Some(HOME)).contains("doveadm user -f mail"), "{location}");
    }
}

#[test]
fn two_colons_are_one_in_the_path() {
    assert_eq!(parse("maildir:/a::b:INDEX=/c::::d:").root(), Path::new("/a:b"));
    assert_eq!(parse("maildir:/a::b:INDEX=/c::::d:").path("INDEX"), Some(Path::new("/c::d")));
    assert_eq!(parse("maildir:/a:::INDEX=/i").root(), Path::new("/a:"));
    assert_eq!(parse("maildir:/a:::INDEX=/i").path("INDEX"), Some(Path::new("/i")));
    assert_eq!(parse("maildir:/a::").root(), Path::new("/a:"));
}

#[test]
fn later_key_counts_and_unknown_keys_are_kept_without_a_role() {
    let location = parse("MBOX:/m:INDEX=/i:INDEX=/j:NO-NOSELECT:VOLATILEDIR=/v:FUTURE=/f");
    assert_eq!(location.driver(), "mbox");
    assert_eq!(location.path("INDEX"), Some(Path::new("/j")));
    assert_eq!(location.value("NO-NOSELECT"), Some(&b""[..]));
    assert_eq!(location.value("FUTURE"), Some(&b"/f"[..]));
    assert_eq!(location.value("UTF-8"), None);
    assert_eq!(location.roots().paths(Role::ALL), [Path::new("/m"), Path::new("/j")]);
}

#[test]
fn incomplete_locations_are_refused() {
    for location in [
        "",
        ":",
        "/srv/mail",
        "mdbox",
        "md-box:/m",
        "mdbox:",
        "mdbox::INDEX=/i",
        "mbox:INBOX=/x",
        "maildir:/m\0",
    ] {
        refusal(location, Some(HOME));
    }
    assert!(refusal("mbox:/m:CONTROL=", None).contains("no path for CONTROL"));
}

#[test]
fn relative_roots_are_refused() {
    let error = Roots::new("/m").with(Role::Alt, "alt").absolute().expect_err("alt is relative");
    assert!(error.to_string().contains("alt directory \"alt\""), "{error}");
}

/// A path that survives the way through a location: absolute, no NUL, no slash at the end.
fn any_path() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(1..=255u8, 1..40).prop_map(|mut tail| {
        tail.insert(0, b'/');
        tail.push(b'x');
        tail
    })
}

fn escaped(path: &[u8]) -> Vec<u8> {
    let twice = |byte: &u8| if matches!(byte, b':' | b'%') { vec![*byte; 2] } else { vec![*byte] };
    path.iter().flat_map(twice).collect()
}

proptest! {
    #[test]
    fn any_bytes_are_parsed_or_refused(text in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = MailLocation::parse(&text, Some(Path::new(HOME)));
        let _ = MailLocation::parse([b"mdbox:", text.as_slice()].concat(), None);
    }

    #[test]
    fn hostile_fields_give_absolute_paths_only(text in "[~/:=%hA-Z.]{0,60}") {
        if let Ok(location) = MailLocation::parse(format!("sdbox:{text}:ALT={text}"), Some(Path::new(HOME))) {
            prop_assert!(location.roots().absolute().is_ok());
        }
    }

    #[test]
    fn any_paths_survive_when_escaped(root in any_path(), index in any_path(), alt in any_path()) {
        let text = [b"mdbox:", &*escaped(&root), b":INDEX=", &escaped(&index), b":ALT=", &escaped(&alt)].concat();
        let location = MailLocation::parse(text, None).expect("escaped paths");
        prop_assert_eq!(location.root().as_os_str().as_bytes(), root);
        prop_assert_eq!(location.value("INDEX"), Some(index.as_slice()));
        prop_assert_eq!(location.value("ALT"), Some(alt.as_slice()));
    }
}
