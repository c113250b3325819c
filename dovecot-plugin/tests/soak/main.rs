//! Hundreds of sessions at once while mountpoints come and go: nothing that was accepted is lost, nothing is left
//! underneath, nothing is refused but what must be.
//!
//! Filesystems are unmounted as `umount` does, where it is let, and as `umount -l` does in the middle of whatever
//! goes on; there with a Dovecot as Debian ships it beside, to which the same happens. `cargo test` does so for some
//! seconds, `ci/soak` for five minutes with 200 sessions of 50 users, which is what `MOUNTGUARD_FULL` stands for.
//! `MOUNTGUARD_SOAK_SEED` has another run than usual.

mod actions;
mod after;
#[path = "../support/built.rs"]
mod built;
mod client;
mod clock;
mod crash;
mod ledger;
mod message;
mod plan;
mod random;
mod report;
mod run;
mod scale;
mod senders;
mod site;
mod tally;
mod weather;

use fixtures::dovecot::{Format, Guard};
use fixtures::lab;

use crash::Crash;
use report::Outcome;
use run::run;
use scale::Scale;
use site::Site;
use weather::Umount;

/// With `umount`, which waits for whoever is at work.
fn plain(format: Format) {
    let scale = Scale::from_environment();
    lab!(|lab| {
        announce(format, &scale);
        let site = Site::start(lab, format, Guard::Guarded, scale);
        let known = run(&[&site], Umount::Plain);
        let outcome = Outcome::of(&site, Umount::Plain, &known[0]);
        assert_happened(&outcome, &scale);
        assert_eq!(outcome.wrong.lost, Vec::<String>::new());
        assert_eq!(outcome.wrong.changed, Vec::<String>::new());
        assert_eq!(outcome.strays.concat(), Vec::<String>::new());
        assert_eq!(outcome.crashes, []);
        assert_eq!(outcome.false_refusals, Vec::<String>::new());
        assert_eq!(outcome.denials, 0, "said that something doesn't exist");
    });
}

/// With `umount -l`, which waits for nobody.
fn lazy(format: Format) {
    let scale = Scale::from_environment();
    lab!(|lab| {
        announce(format, &scale);
        let sites = [Guard::Guarded, Guard::Stock].map(|guard| Site::start(lab, format, guard, scale));
        sites.iter().for_each(|site| site.seal(plan::is_sealed));
        let [guarded, stock] = &sites;
        let known = run(&[guarded, stock], Umount::Lazy);
        let guarded = Outcome::of(guarded, Umount::Lazy, &known[0]);
        let stock = Outcome::of(stock, Umount::Lazy, &known[1]);
        assert_happened(&guarded, &scale);
        assert_eq!(guarded.wrong.lost, Vec::<String>::new());
        assert_eq!(guarded.strays[0], Vec::<String>::new());
        let (ours, theirs): (Vec<_>, Vec<_>) = guarded.crashes.iter().partition(|crash| crash.is_ours());
        assert_eq!(ours, Vec::<&Crash>::new());
        let without = stock.crashes.len().max(scale.few_crashes);
        assert!(theirs.len() <= without, "more crashes than without: {theirs:?}");
        assert!(
            stock.wrong.lost.len() + stock.strays[1].len() > 0,
            "Dovecot lost nothing without: this shows nothing"
        );
    });
}

/// Prints what will happen, so that it can be had again.
fn announce(format: Format, scale: &Scale) {
    let schedule = plan::schedule(plan::seed(), scale);
    report::keep(format.name(), "schedule", &schedule);
    report::show(&schedule);
}

/// Panics when nothing happened: a machine may be so busy that it was little.
fn assert_happened(outcome: &Outcome, scale: &Scale) {
    assert!(outcome.accepted > 0, "nothing was accepted");
    assert!(outcome.absences >= scale.mountpoints, "hardly anything was away: {}", outcome.absences);
    assert!(outcome.refusals > 0, "nothing was refused");
}

macro_rules! tests {
    ($($format:ident: $variant:ident,)*) => {
        $(mod $format {
            use fixtures::dovecot::Format;

            #[test]
            #[ignore = "needs root: real Dovecot"]
            fn nothing_is_lost_while_mountpoints_are_unmounted() {
                crate::plain(Format::$variant);
            }

            #[test]
            #[ignore = "needs root: real Dovecot"]
            fn no_accepted_mail_is_lost_while_mountpoints_are_unmounted_lazily() {
                crate::lazy(Format::$variant);
            }
        })*
    };
}

// Tests of their own, so that they run side by side.
tests! {
    mdbox: Mdbox,
    sdbox: Sdbox,
    maildir: Maildir,
    mbox: Mbox,
}
