//! `audit`: what lies underneath.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::Command;

use fixtures::lab;

use crate::support::{Guard, text};

#[test]
#[ignore = "needs root: another user"]
fn hidden_files_are_counted_and_nothing_is_touched() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let bare = lab.dir("mail");
        fs::create_dir_all(bare.join("bob/cur")).expect("deliver underneath");
        fs::write(bare.join("bob/cur/1"), "hello").expect("deliver underneath");
        fs::write(bare.join("stray"), "12345678").expect("deliver underneath");
        let mail = lab.tmpfs("mail");
        lab.tmpfs("mail/inner");
        fs::write(mail.path().join("visible"), "not counted").expect("deliver");
        guard.add(mail.path());
        assert_eq!(guard.must(&["audit"]), "/media/mail\troot:root\t0755\tno\t2\t13\t0\t-\troot\tyes\n");
        mail_is_as_it_was(&mail);
    });
}

fn mail_is_as_it_was(mail: &fixtures::lab::Mount) {
    assert!(mail.path().join("visible").exists());
    let tables = fs::read_to_string("/proc/self/mountinfo").expect("read the mount table");
    assert_eq!(tables.matches(" /media/mail ").count(), 1, "{tables}");
}

#[test]
#[ignore = "needs root: another user"]
fn whether_the_mail_user_can_write_is_the_kernels_answer() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let bare = lab.dir("mail");
        let mail = lab.tmpfs("mail");
        guard.add(mail.path());
        let writable = |user: &str| {
            let row = guard.must(&["audit", "--user", user]);
            row.trim_end().rsplit('\t').next().map(str::to_owned)
        };
        assert_eq!(writable("nobody").as_deref(), Some("no"));
        mail.take_away();
        fs::set_permissions(&bare, Permissions::from_mode(0o777)).expect("open the bare directory to all");
        mail.bring_back();
        assert_eq!(writable("nobody").as_deref(), Some("yes"));
        guard.run(&["audit", "--user", "no-such-user"]).fails(64, &["no-such-user"]);
    });
}

#[test]
#[ignore = "needs root: another owner"]
fn mail_user_is_the_owner_of_what_is_mounted() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let mail = lab.tmpfs("mail");
        chown(mail.path(), Some(65534), Some(65534)).expect("give the filesystem to the mail user");
        guard.add(mail.path());
        let row = guard.must(&["audit", text(mail.path())]);
        assert!(row.ends_with("\tnobody\tno\n"), "{row}");
    });
}

#[test]
#[ignore = "needs root: loop devices"]
fn immutable_directory_keeps_root_out() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let disk = lab.ext4("disk");
        let bare = lab.dir("disk/mail");
        let status = Command::new("chattr").arg("+i").arg(&bare).status().expect("run chattr");
        assert!(status.success());
        let mail = lab.tmpfs("disk/mail");
        guard.add(mail.path());
        assert_eq!(guard.must(&["audit"]), "/media/disk/mail\troot:root\t0755\tyes\t0\t0\t0\t-\troot\tno\n");
        mail.take_away();
        assert!(disk.path().exists());
    });
}

#[test]
#[ignore = "needs root: another user"]
fn bare_directory_is_audited_where_it_lies() {
    lab!(|lab| {
        let guard = Guard::new(lab);
        let bare = lab.dir("bare");
        fs::write(bare.join("stray"), "x").expect("deliver into the bare directory");
        let inner = lab.tmpfs("bare/inner");
        fs::write(inner.path().join("mail"), "of another filesystem").expect("deliver into the inner one");
        guard.add(&bare);
        let row = guard.must(&["audit"]);
        assert!(row.starts_with("/media/bare\troot:root\t0755\tno\t1\t1\t"), "{row}");
    });
}
