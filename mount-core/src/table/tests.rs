use super::*;

fn located(table: &str, path: &str) -> (Option<u32>, bool) {
    let table = MountTable::parse(table.as_bytes()).expect("a mount table");
    let found = table.locate(path.as_bytes());
    (found.map(|found| found.mount.id), found.is_some_and(|found| found.is_root))
}

const HOST: &str = "\
1 0 8:1 / / rw - ext4 /dev/sda1 rw
2 1 8:2 / /srv rw - ext4 /dev/sda2 rw
3 2 8:3 / /srv/mail rw shared:1 - xfs /dev/sdb1 rw
";

#[test]
fn path_lies_in_the_deepest_mount_and_only_its_mountpoint_is_the_root() {
    assert_eq!(located(HOST, "/srv/mail"), (Some(3), true));
    assert_eq!(located(HOST, "/srv/mail/bob"), (Some(3), false));
    assert_eq!(located(HOST, "/srv/mailbox"), (Some(2), false));
    assert_eq!(located(HOST, "/"), (Some(1), true));
}

#[test]
fn mount_whose_ancestor_was_mounted_over_is_not_seen() {
    let table = format!("{HOST}4 2 8:4 / /srv rw - tmpfs none rw\n");
    assert_eq!(located(&table, "/srv/mail"), (Some(4), false));
}

#[test]
fn top_of_a_stack_counts_whatever_the_order_of_lines() {
    let table = "\
1 0 8:1 / / rw - ext4 /dev/sda1 rw
9 5 8:9 / /srv rw - tmpfs top rw
5 1 8:5 / /srv rw - ext4 /dev/sdb1 rw
";
    assert_eq!(located(table, "/srv"), (Some(9), true));
}

#[test]
fn chroot_into_a_plain_directory_has_no_root_in_its_table() {
    let table = "7 3 0:5 / /proc rw - proc proc rw\n8 3 8:2 / /mail rw - ext4 /dev/sdb1 rw\n";
    assert_eq!(located(table, "/mail"), (Some(8), true));
    assert_eq!(located(table, "/home"), (None, false));
}

#[test]
fn escapes_carriage_returns_and_empty_sources_are_read() {
    let table = b"1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:9 / /a\\040b\rc rw - tmpfs  rw,size=1k\n";
    let table = MountTable::parse(table).expect("a mount table");
    let mount = table.locate(b"/a b\rc").expect("listed").mount;
    assert_eq!((mount.id, mount.source.as_slice(), mount.read_only), (2, &b""[..], false));
}

#[test]
fn fields_before_the_source_may_stand_further_apart() {
    assert_eq!(located("1 1 0:5 /  / rw shared:8 - rootfs rootfs rw\n", "/"), (Some(1), true));
}

#[test]
fn line_that_is_no_mount_is_named() {
    let error = MountTable::parse(b"1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 torn").expect_err("half a line");
    assert!(error.to_string().contains("line 2"), "{error}");
}

#[test]
fn circle_of_parents_ends() {
    assert_eq!(located("1 2 8:1 / /a rw - x x rw\n2 1 8:1 / /a rw - x x rw\n", "/a"), (None, false));
}
