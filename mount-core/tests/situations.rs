//! Every method of detection over one table of real situations, and the calls it does without hidden from it.
//!
//! A method may be wrong only where it is documented to be (`docs/kernel-features.md`): those cells are listed
//! here, and a cell that is listed but right fails as well.

mod common;

use std::path::Path;
use std::time::Duration;

use common::Opened;
use fixtures::lab;
use fixtures::lab::{Answer, Call, Lab};
use fixtures::registry::Registry;
use fixtures::situations::{Question, Situation, Truth, privileged, unprivileged};
use mount_core::registry::{Entry, Options, Pattern, Store};
use mount_core::{Method, Mounts, Presence, State, WhenMissing};

/// The guard never blocks; a method that does is found out after this.
const PATIENCE: Duration = Duration::from_secs(2);

/// A method, on a kernel that lacks some calls, and where it is known to be wrong: situation, and what it says.
struct Column {
    method: Option<Method>,
    hidden: &'static [Call],
    wrong: Cells,
}

/// Situations, and all that is wrongly said in each.
type Cells = &'static [(&'static str, &'static [&'static str])];

const OLDER_THAN_5_6: &[Call] =
    &[Call::Statmount, Call::Listmount, Call::StatxUniqueMountId, Call::StatxMountId, Call::Openat2];

fn expected(truth: Truth) -> &'static str {
    match truth {
        Truth::Mounted => "mounted",
        Truth::NotMounted => "not-mounted",
        Truth::Idle => "idle",
        Truth::WrongFilesystem => "wrong-filesystem",
    }
}

fn require_identity(registry: &Registry, question: &Question) {
    let Some(expected) = question.expected else { return };
    let pattern = Pattern::parse(&question.path).expect("a path to register").into_owned();
    let mut entry = Entry::new(pattern, State::Online);
    entry.options.set(Options::FSTYPE, expected.filesystem.as_bytes());
    entry.options.set(Options::ROOT, expected.root.as_bytes());
    entry.options.require_identity(true);
    Store::new(registry.directories()).update(|list| list.insert(entry)).expect("register");
}

fn presence(registry: &Registry, method: Option<Method>, path: &Path) -> Presence {
    let open_with = |method| {
        Mounts::open_with_method(&registry.directories(), WhenMissing::NothingRegistered, method)
            .expect("open the registry")
    };
    let mounts = method.map_or_else(|| registry.open(), open_with);
    let cold = mounts.presence(path);
    assert_eq!(mounts.presence(path), cold, "the same in steady state");
    cold
}

/// What is wrongly said in one situation.
fn wrong_answers(lab: &Lab, column: &Column, situation: &Situation) -> Vec<String> {
    let questions = (situation.build)(lab);
    lab.without(column.hidden);
    let mut wrong = Vec::new();
    for (number, question) in questions.into_iter().enumerate() {
        let registry = Registry::new(&lab.dir(format!("registry{number}")));
        require_identity(&registry, &question);
        let ask = || presence(&registry, column.method, &question.path).as_str().as_bytes().to_vec();
        let said = match lab.ask(&question.asker, PATIENCE, ask) {
            Answer::Said(said) => String::from_utf8(said).expect("a word"),
            Answer::Blocked => "blocks".to_owned(),
        };
        if said != expected(question.truth) {
            wrong.push(said);
        }
    }
    wrong
}

fn check<'s>(column: &Column, situations: impl Iterator<Item = &'s Situation>) {
    for situation in situations {
        lab!(situation.name, |lab| {
            let documented = column.wrong.iter().find(|(name, _)| *name == situation.name);
            let documented = documented.map_or(&[][..], |(_, said)| said);
            let mut wrong = wrong_answers(lab, column, situation);
            wrong.sort_unstable();
            assert_eq!(wrong, documented, "wrong answers (left) and documented ones (right)");
        });
    }
}

/// Without `/proc` and without `statmount` there is no mount table.
const WITHOUT_TABLE: Cells = &[("chroot without /proc", &["unknown", "unknown"])];

/// The attribute alone knows no types: an idle automount looks mounted, an identity cannot be compared, and what
/// cannot be walked stays unknown.
const MOUNT_ROOT: Cells = &[
    ("another layer expected", &["unknown", "unknown"]),
    ("autofs expired", &["mounted"]),
    ("autofs idle", &["mounted"]),
    ("autofs idle above a mount", &["mounted"]),
    ("autofs idle, its daemon silent", &["mounted"]),
    ("bind mount of a bare mountpoint", &["unknown"]),
    ("fuse, healthy", &["unknown"]),
    ("mount inside a dead fuse", &["unknown"]),
    ("mount inside a hung fuse", &["unknown"]),
    ("no mount inside a hung fuse", &["unknown"]),
    ("stacked, top removed", &["unknown"]),
    ("unsearchable parent", &["unknown", "unknown"]),
    ("volume of a container whose host lacks the disk", &["unknown"]),
    ("wrong filesystem", &["unknown", "unknown"]),
    ("wrong root of the right filesystem", &["unknown", "unknown"]),
    ("xfs shut down", &["unknown"]),
];

/// The portable rule is closed on mounts of the same device, open on btrfs subvolumes, idle automounts and the root
/// of a chroot, and cannot look beneath what does not answer.
const DEVICE: Cells = &[
    ("a file", &["unknown"]),
    ("another layer expected", &["unknown", "unknown"]),
    ("autofs expired", &["mounted"]),
    ("autofs idle", &["mounted"]),
    ("autofs idle above a mount", &["mounted"]),
    ("autofs idle, its daemon silent", &["mounted"]),
    ("bind mount of a bare mountpoint", &["not-mounted", "not-mounted"]),
    ("bind mount of a file", &["unknown", "unknown"]),
    ("bind mount of the same filesystem", &["not-mounted"]),
    ("bind mount onto itself", &["not-mounted"]),
    ("bind mount whose source was removed", &["not-mounted"]),
    ("btrfs subvolume as a directory", &["mounted", "mounted"]),
    ("chroot with /proc, its root not a mount", &["mounted"]),
    ("fuse not shared with the asker", &["unknown"]),
    ("fuse, healthy", &["unknown"]),
    ("mount inside a dead fuse", &["unknown"]),
    ("mount inside a hung fuse", &["unknown"]),
    ("no mount inside a hung fuse", &["unknown"]),
    ("shadowed: an ancestor bound onto itself", &["not-mounted"]),
    ("stacked, top removed", &["unknown"]),
    ("unreadable mount", &["unknown"]),
    ("unsearchable parent", &["unknown", "unknown"]),
    ("volume of a container whose host lacks the disk", &["not-mounted"]),
    ("wrong filesystem", &["unknown", "unknown"]),
    ("wrong root of the right filesystem", &["not-mounted", "not-mounted"]),
    ("xfs shut down", &["unknown"]),
];

macro_rules! columns {
    ($($(#[$meta:meta])* $name:ident { method: $method:expr, hidden: $hidden:expr, wrong: $wrong:expr, })+) => {$(
        $(#[$meta])*
        mod $name {
            use super::*;

            const COLUMN: Column = Column { method: $method, hidden: $hidden, wrong: $wrong };

            #[test]
            fn is_right_wherever_it_is_not_documented_to_be_wrong() {
                check(&COLUMN, unprivileged());
            }

            #[test]
            #[ignore = "needs root: loop devices, /dev/fuse, autofs, another user"]
            fn is_right_wherever_it_is_not_documented_to_be_wrong_as_root() {
                check(&COLUMN, privileged());
            }
        }
    )+};
}

columns! {
    default_method { method: None, hidden: &[], wrong: &[], }
    default_before_linux_6_8 { method: None, hidden: Call::MISSING_BEFORE_6_8, wrong: &[], }
    default_before_linux_5_8 { method: None, hidden: Call::MISSING_BEFORE_5_8, wrong: &[], }
    default_before_linux_5_6 { method: None, hidden: OLDER_THAN_5_6, wrong: WITHOUT_TABLE, }
    unique_id { method: Some(Method::UniqueId), hidden: &[], wrong: &[], }
    mount_id { method: Some(Method::MountId), hidden: &[], wrong: WITHOUT_TABLE, }
    parent_chain { method: Some(Method::ParentChain), hidden: &[], wrong: WITHOUT_TABLE, }
    mount_root { method: Some(Method::MountRoot), hidden: &[], wrong: MOUNT_ROOT, }
    device { method: Some(Method::Device), hidden: &[], wrong: DEVICE, }
}
