//! Mount tables: recorded ones against util-linux as an oracle, and hostile ones.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use fixtures::tables;
use mount_core::table::MountTable;
use proptest::prelude::*;

/// What `findmnt` makes of a recorded table, one `id target` a line, in the file's order.
fn oracle(file: &Path) -> Vec<String> {
    let output = Command::new("findmnt")
        .args(["--tab-file", file.to_str().expect("an ordinary path"), "--noheadings", "--raw"])
        .args(["--output", "ID,FSTYPE"])
        .output()
        .expect("run findmnt");
    assert!(output.status.success(), "findmnt {file:?}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("ids and types are ASCII");
    text.lines().map(|line| line.trim().to_owned()).collect()
}

#[test]
fn recorded_tables_are_read_as_findmnt_reads_them() {
    let directory = tempfile::tempdir().expect("a directory");
    for recorded in tables::ALL.iter().filter(|recorded| recorded.name != tables::TORN.name) {
        let file = directory.path().join(recorded.name);
        std::fs::write(&file, recorded.bytes).expect("write the table");
        let table = MountTable::from_file(&file).expect(recorded.name);
        let mut ours: Vec<String> = table
            .mounts()
            .iter()
            .map(|mount| format!("{} {}", mount.id, String::from_utf8_lossy(&mount.fs_type)))
            .collect();
        let mut theirs = oracle(&file);
        // findmnt lists a tree's children before its next root, and we keep the order of the file.
        ours.sort();
        theirs.sort();
        assert_eq!(ours, theirs, "{}", recorded.name);
    }
}

#[test]
fn torn_table_is_an_error_that_names_the_line_and_no_shorter_table() {
    let error = MountTable::parse(tables::TORN.bytes).expect_err("cut off in the middle of a line");
    assert!(error.to_string().contains("line 4"), "{error}");
}

#[test]
fn live_table_is_walked_to_the_mount_that_the_kernel_reports() {
    let table = MountTable::of_self().expect("the live table");
    let root = table.locate(b"/").expect("a root");
    assert!(root.is_root);
    let proc =
        table.locate(b"/proc/self/mountinfo").expect("/proc is mounted, or this test could not read it");
    assert_eq!(proc.mount.fs_type, b"proc");
}

fn field() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![Just(b'\\'), Just(b'/'), Just(b'0'), Just(b'4'), any::<u8>()], 0..12)
}

/// Lines that look like those of a mount table, with hostile fields.
fn near_table() -> impl Strategy<Value = Vec<u8>> {
    let line = (0..6u32, 0..6u32, field(), field(), field()).prop_map(|(id, parent, root, at, source)| {
        [format!("{id} {parent} 0:1 /").as_bytes(), &root, b" /", &at, b" rw - tmpfs ", &source, b" rw\n"]
            .concat()
    });
    prop::collection::vec(line, 0..12).prop_map(|lines| lines.concat())
}

proptest! {
    #[test]
    fn any_bytes_are_a_table_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..400), path in field()) {
        if let Ok(table) = MountTable::parse(&bytes) {
            let _ = table.locate(&[b"/", path.as_slice()].concat());
        }
    }

    #[test]
    fn near_tables_are_walked_to_an_end(bytes in near_table(), path in field()) {
        if let Ok(table) = MountTable::parse(&bytes) {
            let path = [b"/", path.as_slice()].concat();
            if let Some(found) = table.locate(&path) {
                prop_assert!(table.mounts().contains(found.mount));
            }
        }
    }

    #[test]
    fn mountpoint_of_every_byte_survives_the_kernels_escapes(name in prop::collection::vec(1u8..=255, 1..40)) {
        prop_assume!(!name.contains(&b'/'));
        let mut line = b"1 0 8:1 / /".to_vec();
        for byte in &name {
            match byte {
                b' ' | b'\t' | b'\n' | b'\\' => line.extend_from_slice(format!("\\{byte:03o}").as_bytes()),
                byte => line.push(*byte),
            }
        }
        line.extend_from_slice(b" rw - ext4 /dev/sda1 rw\n");
        let table = MountTable::parse(&line).expect("a mount table");
        prop_assert_eq!(&table.mounts()[0].mountpoint[1..], name.as_slice());
    }
}

/// To look at all mounts for each of them would be 40,000,000,000 looks, which take minutes; one for each takes less than a
/// second.
#[test]
fn stack_of_two_hundred_thousand_mounts_is_walked_in_one_pass() {
    let mut bytes = b"1 0 8:1 / / rw - ext4 /dev/sda1 rw\n".to_vec();
    for id in 2..200_000u32 {
        bytes.extend_from_slice(format!("{id} {} 0:{id} / /srv rw - tmpfs none rw\n", id - 1).as_bytes());
    }
    let table = MountTable::parse(&bytes).expect("a mount table");
    let begun = Instant::now();
    let top = table.locate(b"/srv/mail").expect("mounted");
    assert_eq!(top.mount.id, 199_999);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}
