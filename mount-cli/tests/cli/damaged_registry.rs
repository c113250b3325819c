//! Registries that cannot be read, or only in part: told, refused, and never written over.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use fixtures::lab;

use crate::support::{Guard, Outcome, text};

/// Every command refuses, with this exit code unless a mail may be waiting for it, and leaves the file as it is.
#[track_caller]
fn all_refuse(guard: &Guard, mail: &Path, code: i32, words: &[&str]) {
    let mail = text(mail);
    let before = fs::metadata(guard.persistent()).expect("look at the registry").modified().ok();
    for arguments in [&["add", mail][..], &["remove", mail], &["state"], &["status"], &["check", mail]] {
        guard.run(arguments).fails(code, words);
    }
    all_defer(mail, words, |arguments| guard.run(arguments));
    assert_eq!(fs::metadata(guard.persistent()).expect("look again").modified().ok(), before);
}

/// Whatever stands in a mail's way is temporary.
#[track_caller]
fn all_defer(mail: &str, words: &[&str], run: impl Fn(&[&str]) -> Outcome) {
    for arguments in [&["exec", mail, "--", "true"][..], &["create-maildir", mail], &["create-mbox", mail]] {
        run(arguments).fails(75, words);
    }
}

#[test]
fn registry_that_is_a_directory_is_damaged() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let mail = lab.tmpfs("mail");
        fs::create_dir(guard.persistent()).expect("make a directory in its place");
        all_refuse(
            &guard,
            mail.path(),
            78,
            &[text(&guard.persistent()), "not a regular file", "put back a copy"],
        );
    });
}

#[test]
fn binary_and_empty_registries_are_damaged() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let mail = lab.tmpfs("mail");
        for (content, flaw) in
            [(&b"\x7fELF\0\0\0"[..], "NUL"), (b"", "empty"), (b"# mountguard 1", "cut off")]
        {
            fs::write(guard.persistent(), content).expect("write a damaged registry");
            all_refuse(
                &guard,
                mail.path(),
                78,
                &[text(&guard.persistent()), "line 1", flaw, "put back a copy"],
            );
            assert_eq!(fs::read(guard.persistent()).expect("read it again"), content);
        }
    });
}

/// A question reads no more of a long registry than it needs, and meets the damage by itself.
#[test]
fn damage_far_down_a_long_registry_is_damage_all_the_same() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let mail = lab.tmpfs("mail");
        let lines = (0..5_000).map(|number| format!("online /tank/{number}/mail\n"));
        let long = format!("# mountguard 1 generation=1\n{}online /srv/\0\n", lines.collect::<String>());
        fs::write(guard.persistent(), long).expect("write the registry");
        all_refuse(
            &guard,
            mail.path(),
            78,
            &[text(&guard.persistent()), "line 5002", "NUL", "put back a copy"],
        );
    });
}

#[test]
fn registry_of_100_megabytes_is_damaged() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let mail = lab.tmpfs("mail");
        let file = File::create(guard.persistent()).expect("create the registry");
        file.set_len(100 << 20).expect("extend it");
        all_refuse(&guard, mail.path(), 78, &[text(&guard.persistent()), "larger than 64 MiB"]);
    });
}

#[test]
fn lines_that_cannot_be_read_are_told_and_kept() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let mail = lab.tmpfs("mail");
        let mail = text(mail.path());
        let lines =
            format!("# mountguard 1 generation=3\nonline {mail}\nonline /srv/\\000\nonlien /srv/x\nonli");
        fs::write(guard.persistent(), &lines).expect("write a registry");
        let told = [
            "line 3: the path holds a NUL byte",
            "guards nothing",
            "line 4: the state does not exist",
            "counts as online",
            "line 5: no path",
            "repair it",
        ];
        let state = guard.run(&["state"]);
        state.succeeds(&told);
        assert_eq!(state.out, format!("{mail}\tonline\n"));
        guard.run(&["status"]).succeeds(&told);
        guard.must(&["state", mail, "offline"]);
        let expected =
            lines.replace("generation=3", "generation=4").replace("online /media", "offline /media");
        assert_eq!(guard.text(), expected + "\n");
    });
}

#[test]
fn lost_persistent_registry_is_damage_not_an_empty_list() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let mail = lab.tmpfs("mail");
        guard.add(mail.path());
        fs::remove_file(guard.persistent()).expect("lose the persistent registry");
        guard.run(&["state"]).fails(78, &[text(&guard.persistent()), "is gone", "restore"]);
        guard.run(&["add", text(mail.path())]).fails(78, &["is gone"]);
        // What is still known of it guards on.
        mail.take_away();
        guard.run(&["check", text(mail.path())]).fails(75, &["not-mounted"]);
    });
}

#[test]
fn missing_state_directory_is_told_with_a_remedy() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let mail = lab.tmpfs("mail");
        fs::remove_dir(&guard.state).expect("take the state directory away");
        guard
            .run(&["add", text(mail.path())])
            .fails(74, &[text(&guard.state), "create the directory", "--state-dir"]);
        assert_eq!(guard.must(&["state"]), "");
        guard.must(&["check", text(mail.path())]);
    });
}

#[test]
#[ignore = "needs root: another user"]
fn registry_that_may_not_be_read_refuses() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let mail = lab.tmpfs("mail");
        guard.add(mail.path());
        for file in [guard.persistent(), guard.run.join("mounts")] {
            fs::set_permissions(file, Permissions::from_mode(0o600)).expect("make it private");
        }
        let mail = text(mail.path());
        let words = ["mounts", "Permission denied", "run it as root"];
        for arguments in [&["check", mail][..], &["state"], &["status"]] {
            guard.run_as_nobody(arguments).fails(77, &words);
        }
        all_defer(mail, &words, |arguments| guard.run_as_nobody(arguments));
    });
}
