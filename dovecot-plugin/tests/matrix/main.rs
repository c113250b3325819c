//! The matrix: whatever is away and whatever is done meanwhile, nothing is lost, nothing is denied, and nothing
//! is left underneath. Without the plugin, much is.
//!
//! Each cell runs twice, with Debian's Dovecot and with the plugin in it. `plan.rs` has the whole matrix on a
//! page. `cargo test` runs a part in which every action meets every role in some format; `ci/matrix` runs all.
//! `MOUNTGUARD_MATRIX` is `all`, or words that a cell's name has to contain, to look into some.

#[path = "../support/built.rs"]
mod built;
mod cell;
mod commands;
mod delivery;
mod effect;
mod honest;
mod imap;
mod mbsync;
mod plan;
mod report;
mod scene;
mod scope;
mod setup;
mod site;

use fixtures::dovecot::{Format, Guard};
use fixtures::lab;

use cell::Cell;
use report::Report;
use scope::Scope;
use setup::{Setup, Variant};
use site::Site;

fn matrix(setup: Setup) {
    let scope = Scope::from_environment();
    let cells = scope.cells(setup);
    if cells.is_empty() {
        return;
    }
    for guard in [Guard::Stock, Guard::Guarded] {
        lab!(guard.name(), |lab| {
            let report = Report::create(setup, guard);
            let site = Site::start(lab, setup, guard);
            for (away, when, action) in &cells {
                report.add(&Cell::run(&site, *away, *when, action));
            }
        });
    }
    report::judge(setup);
    if setup.variant == Variant::Usual && !matches!(scope, Scope::Named(_)) {
        report::stock_has_lost(setup);
    }
}

macro_rules! tests {
    ($($format:ident: $variant:ident,)*) => {
        $(mod $format {
            use fixtures::dovecot::Format;

            #[test]
            #[ignore = "needs root: real Dovecot"]
            fn is_lossless_honest_and_clean() {
                crate::matrix(crate::setup::Setup::usual(Format::$variant));
            }

            #[test]
            #[ignore = "needs root: real Dovecot"]
            fn keeps_in_step_with_mbsync() {
                crate::mbsync::through_outages(Format::$variant);
            }
        })*
    };
}

// Tests of their own, so that they run side by side.
tests! {
    mdbox: Mdbox,
    sdbox: Sdbox,
    maildir: Maildir,
    maildir_fs: MaildirFs,
    mbox: Mbox,
}

macro_rules! variants {
    ($($name:ident: $format:ident $variant:ident,)*) => {
        $(#[test]
        #[ignore = "needs root: real Dovecot"]
        fn $name() {
            matrix(Setup { format: Format::$format, variant: Variant::$variant });
        })*
    };
}

// A selection: what is particular to each of them.
variants! {
    index_layout_is_lossless_honest_and_clean: Mdbox IndexLayout,
    no_list_index_is_lossless_honest_and_clean: Sdbox NoListIndex,
    shadow_directory_is_lossless_honest_and_clean: Maildir Shadow,
    sealed_directory_is_lossless_honest_and_clean: Mdbox Sealed,
}
