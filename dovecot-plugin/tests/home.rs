//! Delivery scripts that cannot be read are no reason to file the mail elsewhere.

mod support;

use std::fs;

use fixtures::dovecot::{Format, Role, Truth};
use fixtures::lab;
use support::{Guard, Site, message};

const SIEVE: &str = "\
protocol lmtp {
  mail_plugins = $mail_plugins sieve
}
protocol lda {
  mail_plugins = $mail_plugins sieve
}
plugin {
  sieve = file:~/sieve;active=~/.dovecot.sieve
}
lda_mailbox_autocreate = yes
";

/// Bob's script files everything into a mailbox of its own.
fn with_script(lab: &fixtures::lab::Lab, guard: Guard) -> Site {
    let site = Site::start_with(lab, Format::Mdbox, guard, |config| config.extra.push_str(SIEVE));
    let home = site.dovecot.store().path(Role::Home, "bob");
    fs::create_dir_all(&home).expect("the home");
    fs::write(home.join(".dovecot.sieve"), "require \"fileinto\";\nfileinto \"Filed\";\n")
        .expect("the script");
    for path in [home.clone(), home.join(".dovecot.sieve")] {
        std::os::unix::fs::chown(path, Some(5000), Some(5000)).expect("chown");
    }
    site
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn delivery_waits_for_the_home_its_script_lies_in() {
    for guard in [Guard::Stock, Guard::Guarded] {
        lab!(&format!("{guard:?}"), |lab| {
            let site = with_script(lab, guard);
            let deliver = |id: &str| {
                site.dovecot.lmtp().expect("LMTP").deliver(&["bob"], &message(id)).expect("LMTP")[0].clone()
            };
            assert!(deliver("before").accepted());
            site.take_away(Role::Home);
            let during = deliver("during");
            let lda = site.dovecot.lda("bob", &message("local")).expect("lda").status.code();
            // The session of a client needs no script.
            assert!(site.dovecot.imap("bob").expect("login").command("SELECT INBOX").expect("IMAP").is_ok());
            site.mount(Role::Home).bring_back();
            let truth = Truth::of(&site.dovecot, "bob").expect("all can be read");
            let misfiled = truth.mailboxes["INBOX"].mails.len();
            if guard == Guard::Stock {
                assert!(
                    during.accepted() && lda == Some(0) && misfiled == 2,
                    "{during:?} {lda:?} {misfiled}"
                );
            } else {
                assert!((400..500).contains(&during.code), "{during:?}");
                assert_eq!((lda, misfiled), (Some(75), 0), "{}", site.dovecot.log());
            }
            assert!(truth.mailboxes["Filed"].mails.len() == 1, "{truth:?}");
        });
    }
}
