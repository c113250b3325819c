//! A filesystem that goes away in the middle of a session: what needs it is refused, one operation at a time,
//! and what doesn't goes on.

mod support;

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown};

use fixtures::client::imap::{Imap, Status};
use fixtures::dovecot::{Dovecot, Format, Role, Truth, losses, underneath};
use fixtures::lab;
use support::{Guard, Site, fill, message};

/// A session with the INBOX selected, and then one filesystem away.
fn session_with(site: &Site, away: Role) -> Imap {
    let mut imap = site.dovecot.imap("bob").expect("login");
    assert!(imap.command("SELECT INBOX").expect("IMAP").is_ok());
    site.take_away(away);
    imap
}

/// Asserts that the answer is a temporary refusal and that the session is still there.
fn assert_refused(imap: &mut Imap, command: &str) {
    let reply = match command {
        "APPEND" => imap.append("INBOX", &[], &message("refused")),
        _ => imap.command(command),
    };
    let reply = reply.expect("the session goes on");
    assert_eq!(reply.status, Status::No, "{command}: {}", reply.answer());
    assert!(reply.answer().contains("[UNAVAILABLE] "), "{command}: {}", reply.answer());
}

fn assert_accepted(imap: &mut Imap, command: &str) {
    let reply = match command {
        "APPEND" => imap.append("INBOX", &[], &message("accepted")),
        _ => imap.command(command),
    };
    let reply = reply.expect("the session goes on");
    assert!(reply.is_ok(), "{command}: {}", reply.answer());
}

fn assert_exit(dovecot: &Dovecot, arguments: &[&str], code: i32) {
    let output = dovecot.doveadm(arguments).expect("doveadm");
    assert_eq!(output.status.code(), Some(code), "{arguments:?} {output:?}");
}

/// Everything a client or an administrator can do that changes something or reads it.
const COMMANDS: [&str; 14] = [
    "FETCH 1:* BODY.PEEK[]",
    "STORE 5 +FLAGS (\\Answered)",
    "APPEND",
    "COPY 6 Archive",
    "MOVE 6 Archive",
    "CREATE New",
    "RENAME Archive Other",
    "DELETE Archive",
    "SUBSCRIBE INBOX",
    "UNSUBSCRIBE Archive",
    "LIST \"\" *",
    "STATUS Archive (MESSAGES UIDNEXT)",
    "SELECT Archive",
    "SELECT INBOX",
];

#[test]
#[ignore = "needs root: real Dovecot"]
fn nothing_is_done_without_the_directory_that_everything_needs() {
    for format in Format::ALL {
        let needed = |role: &&Role| !matches!(role, Role::Alt | Role::Home | Role::Inbox);
        for away in format.roles().iter().filter(needed) {
            // An mbox INBOX with its index elsewhere is read and written all the same: see below.
            if (format, *away) == (Format::Mbox, Role::Mail) {
                continue;
            }
            lab!(&format!("{format:?} {away:?}"), |lab| {
                let site = Site::start(lab, format, Guard::Guarded);
                fill(&site.dovecot);
                let before = Truth::of(&site.dovecot, "bob").expect("all can be read");
                let mut imap = session_with(&site, *away);
                COMMANDS.iter().for_each(|command| assert_refused(&mut imap, command));
                let lmtp =
                    site.dovecot.lmtp().expect("LMTP").deliver(&["bob"], &message("lmtp")).expect("LMTP");
                assert!((400..500).contains(&lmtp[0].code), "{lmtp:?}");
                let lda = site.dovecot.lda("bob", &message("lda")).expect("lda");
                assert_eq!(lda.status.code(), Some(75), "{lda:?}");
                for arguments in [
                    &["force-resync", "-u", "bob", "*"][..],
                    &["mailbox", "list", "-u", "bob"],
                    &["mailbox", "create", "-u", "bob", "New"],
                    &["backup", "-u", "bob", "mdbox:/tmp/copy"],
                    &["backup", "-R", "-u", "bob", "mdbox:/tmp/empty"],
                ] {
                    assert_exit(&site.dovecot, arguments, 75);
                }
                site.mount(*away).bring_back();
                assert_eq!(
                    underneath(site.mount(*away).path()).expect("look"),
                    Vec::<std::path::PathBuf>::new()
                );
                assert_accepted(&mut imap, "SELECT INBOX");
                assert_accepted(&mut imap, "APPEND");
                assert_eq!(losses(&before, &site.recovered(), &["<accepted>"]), [], "{}", site.dovecot.log());
                assert_eq!(site.dovecot.crashes(), Vec::<String>::new());
            });
        }
    }
}

/// What alternate storage is not needed for, and what it is; the mails 2 and 3 are in it (mdbox leaves 1, which has
/// a copy in another mailbox).
fn use_without_alternate_storage(site: &Site, imap: &mut Imap) {
    let mdbox = site.dovecot.store().format == Format::Mdbox;
    for command in ["NOOP", "LIST \"\" *", "STATUS Archive (MESSAGES)", "FETCH 4:6 BODY.PEEK[]", "APPEND"] {
        assert_accepted(imap, command);
    }
    for command in ["STORE 1 +FLAGS (\\Answered)", "COPY 6 Archive", "SEARCH UNSEEN"] {
        assert_accepted(imap, command);
    }
    for command in ["FETCH 2 BODY.PEEK[]", "SEARCH BODY zzz", "DELETE Archive"] {
        assert_refused(imap, command);
    }
    for command in ["RENAME Archive Other", "RENAME Other Archive", "COPY 2 Archive"] {
        if mdbox { assert_accepted(imap, command) } else { assert_refused(imap, command) }
    }
    assert_accepted(imap, "STORE 3 +FLAGS (\\Deleted)");
    if !mdbox {
        assert_refused(imap, "EXPUNGE");
    }
    assert_accepted(imap, "STORE 3 -FLAGS (\\Deleted)");
    for arguments in [
        &["force-resync", "-u", "bob", "*"][..],
        &["altmove", "-u", "bob", "mailbox", "INBOX", "all"],
        &["backup", "-u", "bob", "mdbox:/tmp/copy"],
    ] {
        assert_exit(&site.dovecot, arguments, 75);
    }
    // sdbox has nothing to purge.
    assert_exit(&site.dovecot, &["purge", "-u", "bob"], if mdbox { 75 } else { 0 });
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn primary_mail_goes_on_without_alternate_storage() {
    for format in [Format::Mdbox, Format::Sdbox] {
        lab!(&format!("{format:?}"), |lab| {
            let site = Site::start(lab, format, Guard::Guarded);
            fill(&site.dovecot);
            let before = Truth::of(&site.dovecot, "bob").expect("all can be read");
            let mut imap = session_with(&site, Role::Alt);
            use_without_alternate_storage(&site, &mut imap);
            let delivered =
                site.dovecot.lmtp().expect("LMTP").deliver(&["bob"], &message("lmtp")).expect("LMTP");
            assert!(delivered[0].accepted(), "{delivered:?}");
            drop(imap);
            site.mount(Role::Alt).bring_back();
            assert_eq!(
                underneath(site.mount(Role::Alt).path()).expect("look"),
                Vec::<std::path::PathBuf>::new()
            );
            let mut after = site.recovered();
            // What was asked for and accepted.
            let mail = after.mailboxes.get_mut("INBOX").and_then(|inbox| inbox.mails.get_mut(&1));
            mail.expect("mail 1").flags.remove("\\Answered");
            assert_eq!(losses(&before, &after, &["<accepted>", "<lmtp>"]), [], "{}", site.dovecot.log());
            assert_eq!(site.dovecot.crashes(), Vec::<String>::new());
        });
    }
}

/// Deletes the file of a mail in primary storage, as a disk would that loses it.
fn lose_primary_file(site: &Site) {
    let user = site.dovecot.store().path(Role::Mail, "bob");
    let (directory, name) = match site.dovecot.store().format {
        Format::Mdbox => (user.join("storage"), "m."),
        _ => (user.join("mailboxes/INBOX/dbox-Mails"), "u.6"),
    };
    for entry in std::fs::read_dir(directory).expect("primary storage") {
        let entry = entry.expect("a file");
        if entry.file_name().to_string_lossy().starts_with(name) {
            std::fs::remove_file(entry.path()).expect("lose it");
        }
    }
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn no_rebuild_begins_while_alternate_storage_is_away() {
    for format in [Format::Mdbox, Format::Sdbox] {
        for guard in [Guard::Stock, Guard::Guarded] {
            lab!(&format!("{format:?} {guard:?}"), |lab| {
                let site = Site::start(lab, format, guard);
                fill(&site.dovecot);
                let mut imap = site.dovecot.imap("bob").expect("login");
                assert!(imap.command("SELECT INBOX").expect("IMAP").is_ok());
                lose_primary_file(&site);
                // Everything is mounted, so this marks the mailbox corrupted, and rightly.
                let _ = imap.command("FETCH 6 BODY.PEEK[]");
                site.take_away(Role::Alt);
                for command in ["NOOP", "CLOSE", "LOGOUT"] {
                    let _ = imap.command(command);
                }
                drop(imap);
                let _ = site.dovecot.doveadm(&["force-resync", "-u", "bob", "INBOX"]).expect("doveadm");
                site.mount(Role::Alt).bring_back();
                let output = site.dovecot.doveadm(&["search", "-u", "bob", "mailbox", "INBOX", "uid", "2:3"]);
                let left = String::from_utf8_lossy(&output.expect("doveadm").stdout).lines().count();
                let log = site.dovecot.log();
                assert_eq!(left == 2, guard == Guard::Guarded, "{format:?} {guard:?}: {left} left\n{log}");
                assert!(guard == Guard::Stock || site.dovecot.crashes().is_empty(), "{log}");
            });
        }
    }
}

/// Leaves an expunge in the index that is yet to be done, of another mail than the mailbox has by that number.
fn leave_false_expunge(site: &Site) {
    let log = site.dovecot.store().path(Role::Index, "bob").join("mailboxes/INBOX/dovecot.index.log");
    let mut log = OpenOptions::new().append(true).open(log).expect("the log of the index");
    // 28 bytes long in all, an expunge (2000) and not by mistake (cd90), the number, and what identifies the mail.
    let mut record = vec![0x80, 0x80, 0x80, 0x87, 0x90, 0xed, 0, 0, 5, 0, 0, 0];
    record.extend([0xaa; 16]);
    log.write_all(&record).expect("write");
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn corruption_found_while_synchronising_rebuilds_nothing_without_alternate_storage() {
    for guard in [Guard::Stock, Guard::Guarded] {
        lab!(&format!("{guard:?}"), |lab| {
            let site = Site::start(lab, Format::Mdbox, guard);
            fill(&site.dovecot);
            let before = Truth::of(&site.dovecot, "bob").expect("all can be read");
            assert!(site.dovecot.await_quiet(), "the sessions end");
            leave_false_expunge(&site);
            site.take_away(Role::Alt);
            let mut imap = site.dovecot.imap("bob").expect("login");
            let selected = imap.command("SELECT INBOX").expect("IMAP").answer().to_owned();
            let _ = imap.command("LOGOUT");
            drop(imap);
            site.mount(Role::Alt).bring_back();
            let output = site.dovecot.doveadm(&["force-resync", "-u", "bob", "INBOX"]).expect("doveadm");
            assert!(guard == Guard::Stock || output.status.success(), "{output:?}");
            let lost = losses(&before, &site.recovered(), &[]);
            let log = site.dovecot.log();
            assert_eq!(lost.is_empty(), guard == Guard::Guarded, "{lost:?}, {selected}\n{log}");
            assert!(guard == Guard::Stock || selected.contains("[UNAVAILABLE] "), "{selected}\n{log}");
            assert!(guard == Guard::Stock || site.dovecot.crashes().is_empty(), "{log}");
        });
    }
}

/// A mail with a part that is stored as an attachment.
fn with_attachment() -> Vec<u8> {
    let content = "QXR0YWNobWVudCBvZiBhIG1haWw=\r\n".repeat(60);
    let head = "Message-ID: <attached>\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n\
                Content-Disposition: attachment\r\nContent-Transfer-Encoding: base64\r\n\r\n";
    format!("{head}{content}").into()
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn only_bodies_need_the_attachments_that_are_stored_outside() {
    for format in [Format::Mdbox, Format::Sdbox] {
        lab!(&format!("{format:?}"), |lab| {
            let attachments = lab.tmpfs(lab.path("attachments"));
            let own = attachments.path().join("bob");
            let site = Site::start_with(lab, format, Guard::Guarded, |config| {
                let directory = own.display();
                let setting = format!("mail_attachment_dir = {directory}\nmail_attachment_min_size = 1k\n");
                config.extra.push_str(&setting);
            });
            fs::create_dir(&own).expect("a directory for attachments");
            fs::set_permissions(&own, Permissions::from_mode(0o777)).expect("the user can write to it");
            site.also_register(attachments.path());
            let mut imap = site.dovecot.imap("bob").expect("login");
            assert!(imap.append("INBOX", &[], &with_attachment()).expect("IMAP").is_ok());
            drop(imap);
            let mut imap = site.dovecot.imap("bob").expect("login");
            assert_accepted(&mut imap, "SELECT INBOX");
            attachments.take_away_lazily();
            for command in ["FETCH 1 (X-GUID)", "STORE 1 +FLAGS (\\Answered)", "NOOP"] {
                assert_accepted(&mut imap, command);
            }
            assert_refused(&mut imap, "FETCH 1 BODY.PEEK[]");
            attachments.bring_back();
            assert_accepted(&mut imap, "FETCH 1 BODY.PEEK[]");
            assert_eq!(site.dovecot.crashes(), Vec::<String>::new(), "{}", site.dovecot.log());
        });
    }
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn mbox_inbox_and_folders_go_on_without_each_other() {
    for (away, goes_on, refused) in
        [(Role::Mail, "SELECT INBOX", "SELECT Archive"), (Role::Inbox, "SELECT Archive", "SELECT INBOX")]
    {
        lab!(&format!("{away:?}"), |lab| {
            let site = Site::start(lab, Format::Mbox, Guard::Guarded);
            fill(&site.dovecot);
            let before = Truth::of(&site.dovecot, "bob").expect("all can be read");
            let mut imap = session_with(&site, away);
            assert_accepted(&mut imap, goes_on);
            assert_accepted(&mut imap, "FETCH 1:* BODY.PEEK[]");
            assert_refused(&mut imap, refused);
            let delivered =
                site.dovecot.lmtp().expect("LMTP").deliver(&["bob"], &message("lmtp")).expect("LMTP");
            assert_eq!(delivered[0].accepted(), away == Role::Mail, "{delivered:?}");
            drop(imap);
            site.mount(away).bring_back();
            assert_eq!(underneath(site.mount(away).path()).expect("look"), Vec::<std::path::PathBuf>::new());
            assert_eq!(losses(&before, &site.recovered(), &[]), [], "{}", site.dovecot.log());
        });
    }
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn empty_mbox_inbox_is_given_no_uidvalidity_from_underneath_the_folders() {
    for guard in [Guard::Stock, Guard::Guarded] {
        lab!(&format!("{guard:?}"), |lab| {
            let site = Site::start(lab, Format::Mbox, guard);
            let inbox = site.dovecot.store().path(Role::Inbox, "bob");
            fs::write(&inbox, "").expect("an INBOX as it is made for a new user");
            chown(&inbox, Some(5000), Some(5000)).expect("chown");
            site.take_away(Role::Mail);
            let answer = {
                let mut imap = site.dovecot.imap("bob").expect("login");
                imap.command("SELECT INBOX").expect("the session goes on").answer()
            };
            assert!(site.dovecot.await_quiet());
            site.mount(Role::Mail).bring_back();
            let strays = underneath(site.mount(Role::Mail).path()).expect("look underneath");
            match guard {
                Guard::Stock => assert!(!strays.is_empty(), "{answer}"),
                Guard::Guarded => {
                    assert_eq!(strays, Vec::<std::path::PathBuf>::new(), "{answer}");
                    assert!(answer.contains("[UNAVAILABLE] "), "{answer}");
                    let mut imap = site.dovecot.imap("bob").expect("login");
                    assert_accepted(&mut imap, "SELECT INBOX");
                }
            }
        });
    }
}
