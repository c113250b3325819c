//! Directories that are there though their filesystem is not, ways that lead elsewhere, and filesystems that are
//! there but of no use.

mod support;

use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::path::Path;
use std::process::Command;

use fixtures::client::imap::{Imap, Status};
use fixtures::dovecot::{Format, Role, Truth, losses, underneath};
use fixtures::lab;
use support::{Guard, Site, fill, message};

const MAIL_USER: u32 = 5000;

fn assert_refused(imap: &mut Imap, command: &str) {
    let reply = imap.command(command).expect("the session goes on");
    assert_eq!(reply.status, Status::No, "{command}: {}", reply.answer());
    assert!(reply.answer().contains("[UNAVAILABLE] "), "{command}: {}", reply.answer());
}

fn assert_accepted(imap: &mut Imap, command: &str) {
    let reply = imap.command(command).expect("the session goes on");
    assert!(reply.is_ok(), "{command}: {}", reply.answer());
}

fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(status.expect("cp").success());
}

/// An old copy of the mails in the bare directory, as a restored backup leaves it.
#[test]
#[ignore = "needs root: real Dovecot"]
fn shadow_directory_is_no_way_round() {
    for format in [Format::Mdbox, Format::Maildir] {
        lab!(&format!("{format:?}"), |lab| {
            let site = Site::start(lab, format, Guard::Guarded);
            fill(&site.dovecot);
            let before = Truth::of(&site.dovecot, "bob").expect("all can be read");
            let mail = site.mount(Role::Mail);
            let backup = lab.path("backup");
            copy(mail.path(), &backup);
            site.take_away(Role::Mail);
            copy(&backup.join("."), mail.path());
            let stored = || {
                let listing = Command::new("find").arg(mail.path()).args(["-printf", "%p %s %T@\n"]).output();
                listing.expect("find").stdout
            };
            let shadow = stored();
            let mut imap = site.dovecot.imap("bob").expect("login");
            assert_refused(&mut imap, "SELECT INBOX");
            assert_refused(&mut imap, "CREATE New");
            let delivered =
                site.dovecot.lmtp().expect("LMTP").deliver(&["bob"], &message("x")).expect("LMTP");
            assert!((400..500).contains(&delivered[0].code), "{delivered:?}");
            assert!(stored() == shadow, "something was written underneath");
            mail.bring_back();
            assert_accepted(&mut imap, "SELECT INBOX");
            assert_eq!(losses(&before, &site.recovered(), &[]), []);
        });
    }
}

/// The user's directory was moved to another filesystem, and a symlink left in its place.
#[test]
#[ignore = "needs root: real Dovecot"]
fn symlink_to_an_absent_filesystem_is_refused() {
    lab!(|lab| {
        let site = Site::start(lab, Format::Maildir, Guard::Guarded);
        fill(&site.dovecot);
        let before = Truth::of(&site.dovecot, "bob").expect("all can be read");
        assert!(site.dovecot.await_quiet());
        let bob = site.dovecot.store().path(Role::Mail, "bob");
        let elsewhere = lab.tmpfs("elsewhere");
        elsewhere.take_away();
        chown(elsewhere.path(), Some(MAIL_USER), Some(MAIL_USER)).expect("a bare directory to write to");
        elsewhere.bring_back();
        copy(&bob, &elsewhere.path().join("bob"));
        fs::remove_dir_all(&bob).expect("moved");
        symlink(elsewhere.path().join("bob"), &bob).expect("a symlink");
        site.also_register(elsewhere.path());
        let mut imap = site.dovecot.imap("bob").expect("login");
        assert_accepted(&mut imap, "SELECT INBOX");
        elsewhere.take_away_lazily();
        for command in ["FETCH 1:* BODY.PEEK[]", "SELECT Archive", "CREATE New"] {
            assert_refused(&mut imap, command);
        }
        assert_eq!(underneath(elsewhere.path()).expect("look underneath").len(), 0);
        elsewhere.bring_back();
        assert_eq!(losses(&before, &site.recovered(), &[]), []);
    });
}

/// Each mailbox directory may be a filesystem of its own.
#[test]
#[ignore = "needs root: real Dovecot"]
fn mountpoint_within_the_store_is_refused_by_itself() {
    lab!(|lab| {
        let site = Site::start(lab, Format::Maildir, Guard::Guarded);
        fill(&site.dovecot);
        let archive = site.dovecot.store().path(Role::Mail, "bob").join(".Archive");
        assert!(archive.is_dir(), "{archive:?}");
        site.also_register(&archive);
        let mut imap = site.dovecot.imap("bob").expect("login");
        assert_accepted(&mut imap, "SELECT INBOX");
        assert_refused(&mut imap, "SELECT Archive");
        assert_refused(&mut imap, "DELETE Archive");
        assert_accepted(&mut imap, "SELECT INBOX");
        assert_accepted(&mut imap, "FETCH 1:* BODY.PEEK[]");
    });
}

/// mdbox keeps the mails of all mailboxes in one directory, which may well be on a filesystem of its own.
#[test]
#[ignore = "needs root: real Dovecot"]
fn storage_of_mdbox_may_be_a_mountpoint_of_its_own() {
    for guard in [Guard::Stock, Guard::Guarded] {
        lab!(&format!("{guard:?}"), |lab| {
            let site = Site::start(lab, Format::Mdbox, guard);
            let user = site.dovecot.store().path(Role::Mail, "bob");
            for directory in [&user, &user.join("storage")] {
                fs::create_dir(directory).expect("a directory of the user's");
                chown(directory, Some(MAIL_USER), Some(MAIL_USER)).expect("chown");
            }
            let storage = lab.tmpfs(user.join("storage"));
            chown(storage.path(), Some(MAIL_USER), Some(MAIL_USER)).expect("chown");
            site.also_register(storage.path());
            fill(&site.dovecot);
            let before = Truth::of(&site.dovecot, "bob").expect("all can be read");
            let mut imap = site.dovecot.imap("bob").expect("login");
            assert_accepted(&mut imap, "SELECT INBOX");
            storage.take_away_lazily();
            if guard == Guard::Guarded {
                assert_refused(&mut imap, "FETCH 1:* BODY.PEEK[]");
                assert_refused(&mut imap, "STORE 1 +FLAGS (\\Deleted)");
                assert_refused(&mut imap, "SELECT INBOX");
            } else {
                let _ = imap.command("FETCH 1:* BODY.PEEK[]");
            }
            let _ = imap.append("INBOX", &[], b"Message-ID: <underneath>\r\n\r\nbody\r\n");
            drop(imap);
            let _ = site.dovecot.doveadm(&["force-resync", "-u", "bob", "INBOX"]).expect("doveadm");
            storage.bring_back();
            let lost = losses(&before, &site.recovered(), &[]);
            let strays = underneath(storage.path()).expect("look");
            let unhurt = lost.is_empty() && strays.is_empty();
            assert_eq!(unhurt, guard == Guard::Guarded, "{lost:?} {strays:?}\n{}", site.dovecot.log());
        });
    }
}

fn register_with(site: &Site, option: &str) {
    let mail = site.mount(Role::Mail).path().display();
    let text = format!("# mountguard 1 generation=9\nonline {mail}\t{option}\n");
    fs::write(site.dovecot.run_dir().join("mounts"), text).expect("the runtime registry");
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn read_only_filesystem_is_read_and_not_written() {
    lab!(|lab| {
        let site = Site::start(lab, Format::Maildir, Guard::Guarded);
        fill(&site.dovecot);
        assert!(site.dovecot.await_quiet());
        register_with(&site, "mode=rw");
        site.mount(Role::Mail).remount_read_only();
        let mut imap = site.dovecot.imap("bob").expect("login");
        assert_accepted(&mut imap, "SELECT INBOX");
        assert_accepted(&mut imap, "FETCH 1:* BODY.PEEK[]");
        for command in ["CREATE New", "COPY 1 Archive", "DELETE Archive"] {
            assert_refused(&mut imap, command);
        }
    });
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn filesystem_recorded_as_stuck_is_refused_and_counts_again_when_it_answers() {
    lab!(|lab| {
        let site = Site::start(lab, Format::Mdbox, Guard::Guarded);
        fill(&site.dovecot);
        let mut imap = site.dovecot.imap("bob").expect("login");
        assert_accepted(&mut imap, "SELECT INBOX");
        register_with(&site, "observed=stuck");
        for command in ["STATUS Archive (MESSAGES)", "CREATE New", "COPY 1 Archive", "SELECT Archive"] {
            assert_refused(&mut imap, command);
        }
        register_with(&site, "mode=rw");
        assert_accepted(&mut imap, "SELECT Archive");
    });
}
