//! The watch, beyond what its unit tests and those of the command say of it.

mod common;

use std::time::{Duration, Instant};

use common::{Opened, remount_elsewhere};
use fixtures::lab;
use fixtures::lab::Call;
use fixtures::registry::Registry;
use mount_core::watch::{Rhythm, Watch};
use nix::mount::MsFlags;

/// Whatever is found in the rounds of the prober until there is something.
fn next_words(watch: &mut Watch) -> Vec<&'static str> {
    let deadline = Instant::now() + Duration::from_secs(60);
    while Instant::now() < deadline {
        watch.wait(&[]);
        let found = watch.step().transitions;
        if !found.is_empty() {
            return found.iter().map(|transition| transition.change.as_str()).collect();
        }
    }
    panic!("nothing is found");
}

/// Before Linux 6.13 the mount table describes it, and is not read again for want of a notice.
#[test]
fn filesystem_made_read_only_elsewhere_is_told_in_the_next_round() {
    for hidden in [&[], Call::MISSING_BEFORE_6_8] {
        lab!(&format!("{} calls hidden", hidden.len()), |lab| {
            let mail = lab.tmpfs("srv/mail");
            lab.without(hidden);
            let (interval, deadline) = (Duration::from_millis(10), Duration::from_secs(60));
            let registry = Registry::of_mounts(lab, &[&mail]);
            let mut watch =
                Watch::open(&registry.directories(), Rhythm { interval, deadline }).expect("open");
            assert!(watch.step().transitions.is_empty(), "all is well");
            remount_elsewhere(lab, mail.path(), MsFlags::MS_RDONLY);
            assert_eq!(next_words(&mut watch), ["read-only"]);
            remount_elsewhere(lab, mail.path(), MsFlags::empty());
            assert_eq!(next_words(&mut watch), ["read-write"]);
        });
    }
}
