//! A session with refusals under valgrind: no invalid access and no leak in the plugin.

mod support;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use fixtures::dovecot::{Format, Role};
use fixtures::lab;
use support::{Guard, Site, fill, message};

/// The reports of all processes that ended, once there are any and each of them is complete.
fn reports(directory: &Path) -> String {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let files = fs::read_dir(directory).expect("the directory of the reports");
        let texts: Vec<String> =
            files.map(|file| fs::read_to_string(file.expect("a report").path()).expect("text")).collect();
        if !texts.is_empty() && texts.iter().all(|text| text.contains("ERROR SUMMARY")) {
            return texts.concat();
        }
        assert!(Instant::now() < deadline, "valgrind doesn't end: {texts:?}");
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

/// The paragraphs of valgrind's reports that have the plugin on the stack. Its frames are the ones with a line of
/// source: Debian's Dovecot comes without.
fn findings(reports: &str) -> Vec<&str> {
    let ours = |paragraph: &&str| paragraph.contains(".c:") || paragraph.contains(".rs:");
    reports.split("== \n").filter(ours).collect()
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn session_with_refusals_leaves_no_error_and_no_leak() {
    lab!(|lab| {
        let directory = lab.dir("reports");
        fs::set_permissions(&directory, std::os::unix::fs::PermissionsExt::from_mode(0o777)).expect("chmod");
        let site = Site::start_with(lab, Format::Mdbox, Guard::Guarded, |config| {
            config.extra.push_str(&format!(
                "service imap {{\n  executable = /usr/bin/valgrind --leak-check=full --log-file={}/%p \
                 /usr/lib/dovecot/imap\n  vsz_limit = 0\n}}\n",
                directory.display()
            ));
        });
        fill(&site.dovecot);
        let mut imap = site.dovecot.imap("bob").expect("login");
        for away in [None, Some(Role::Alt), Some(Role::Index), None] {
            away.iter().for_each(|role| site.take_away(*role));
            for command in
                ["SELECT INBOX", "FETCH 1:* BODY.PEEK[]", "COPY 1 Archive", "CREATE New", "LIST \"\" *"]
            {
                imap.command(command).expect("IMAP");
            }
            imap.append("INBOX", &[], &message("new")).expect("IMAP");
            away.iter().for_each(|role| site.mount(*role).bring_back());
        }
        imap.command("LOGOUT").expect("IMAP");
        drop(imap);
        let reports = reports(&directory);
        assert_eq!(findings(&reports), Vec::<&str>::new(), "{reports}");
    });
}
