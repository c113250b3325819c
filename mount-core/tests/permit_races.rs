//! Creating through a permit raced against lazy unmounts, and the damage of the same race without one.

mod common;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Condvar, Mutex};

use common::{Opened, names_in};
use fixtures::lab;
use fixtures::lab::Mount;
use fixtures::registry::Registry;
use mount_core::{Attributes, Operation, State};

const CYCLES: usize = 10_000;
const CREATORS: usize = 2;

/// Attempts of each creator a cycle.
const ATTEMPTS: usize = 8;

/// How far a race has come. Those who wait sleep: on a busy machine who spins would have to wait for all others.
#[derive(Default)]
struct Course {
    progress: Mutex<Progress>,
    changed: Condvar,
}

#[derive(Default)]
struct Progress {
    cycle: usize,
    begun: usize,
    created: usize,
}

impl Course {
    /// Changes the progress once it is so far.
    fn when(&self, is_so_far: impl Fn(&Progress) -> bool, change: impl FnOnce(&mut Progress)) {
        let progress = self.progress.lock().expect("no creator panics");
        let mut progress =
            self.changed.wait_while(progress, |progress| !is_so_far(progress)).expect("no creator panics");
        change(&mut progress);
        self.changed.notify_all();
    }

    fn read<T>(&self, read: impl FnOnce(&Progress) -> T) -> T {
        read(&self.progress.lock().expect("no creator panics"))
    }
}

/// Mounts and detaches `mail` while creators make directories below it, until all cycles are through or `enough` have
/// gone astray; how many were made in all, and how many lie in the bare directory afterwards.
///
/// Each time it stays mounted until two attempts have begun, so that one is in the middle of its work when it goes:
/// the mount table's own lock would keep them out of a race run flat out. And each creator has a few attempts a
/// cycle only, which makes the race no gentler and its end come sooner.
fn race(mail: &Mount, enough: usize, create: impl Fn(&Path) -> bool + Send + Sync + Copy) -> (usize, usize) {
    let course = Course::default();
    std::thread::scope(|scope| {
        for creator in 0..CREATORS {
            let course = &course;
            scope.spawn(move || {
                for number in 0..CYCLES * ATTEMPTS {
                    let may_go_on = |progress: &Progress| number < (progress.cycle + 1) * ATTEMPTS;
                    course.when(may_go_on, |progress| progress.begun += 1);
                    if course.read(|progress| progress.cycle == CYCLES) {
                        break;
                    }
                    if create(&mail.path().join(format!("{creator}-{number}"))) {
                        course.when(|_| true, |progress| progress.created += 1);
                    }
                }
            });
        }
        for cycle in 0..CYCLES {
            // Counted before the creators get their attempts: afterwards they may have used them up already.
            let two_more = course.read(|progress| progress.begun) + 2;
            course.when(|_| true, |progress| progress.cycle = cycle);
            course.when(|progress| progress.begun >= two_more, |_| ());
            mail.take_away_lazily();
            let strays = names_in(mail.path()).len();
            mail.bring_back();
            if strays >= enough {
                break;
            }
        }
        course.when(|_| true, |progress| progress.cycle = CYCLES);
    });
    mail.take_away_lazily();
    (course.read(|progress| progress.created), names_in(mail.path()).len())
}

#[test]
fn ten_thousand_lazy_unmounts_leave_no_stray_with_permits() {
    lab!(|lab| {
        let mail = lab.tmpfs("srv/mail");
        let registry = Registry::in_lab(lab);
        registry.register(mail.path(), State::Online);
        let (created, strays) = race(&mail, 1, |path| {
            thread_local!(static MOUNTS: std::cell::OnceCell<mount_core::Mounts> = const { std::cell::OnceCell::new() });
            MOUNTS.with(|mounts| {
                let mounts = mounts.get_or_init(|| registry.open());
                let Ok(permit) = mounts.authorize(Operation::Create, &[path]) else { return false };
                permit.create_dir_all(path, &Attributes::mode(0o700)).is_ok()
            })
        });
        assert!(created > 100, "the creators must have had their chance: {created}");
        assert_eq!(strays, 0, "of {created} created");
    });
}

#[test]
fn the_same_race_leaves_strays_when_one_checks_first_and_creates_by_path() {
    lab!(|lab| {
        let mail = lab.tmpfs("srv/mail");
        let parent = fs::metadata(lab.path("srv")).expect("stat").dev();
        let (created, strays) = race(&mail, 10, |path| {
            let mountpoint = path.parent().expect("a mountpoint");
            let is_mounted = fs::metadata(mountpoint).is_ok_and(|found| found.dev() != parent);
            is_mounted && fs::create_dir(path).is_ok()
        });
        assert!(strays > 0, "the naive check must show the damage: none of {created} created");
    });
}
