//! Delivery scripts that cannot be read are no reason to file the mail elsewhere.

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use fixtures::dovecot::{Format, Role, Truth, underneath};
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

const MANAGESIEVE: &str = "\
protocols = $protocols sieve
service managesieve-login {
  inet_listener sieve {
    port = 0
  }
  unix_listener sieve {
    mode = 0666
  }
}
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

/// Delivers by dovecot-lda, and does something else as soon as it has looked at the home.
fn deliver_and_after_a_look_at_home(site: &Site, id: &str, meanwhile: impl FnOnce()) -> ExitStatus {
    let home = site.dovecot.store().path(Role::Home, "bob");
    let trace = site.dovecot.run_dir().join(id);
    let mut command = Command::new("strace");
    command
        .args(["--follow-forks", "--trace=close", "--inject=close:signal=SIGSTOP:when=1", "--output"])
        .arg(&trace);
    command.arg("--trace-path").arg(&home).arg("/usr/lib/dovecot/dovecot-lda");
    command.arg("-c").arg(site.dovecot.configuration()).args(["-f", "a@example.org", "-d", "bob"]);
    let mut strace = command.stdin(Stdio::piped()).spawn().expect("strace of dovecot-lda");
    strace.stdin.take().expect("piped").write_all(&message(id)).expect("the message");
    let deadline = Instant::now() + Duration::from_secs(60);
    while !fs::read_to_string(&trace).is_ok_and(|trace| trace.contains("stopped by SIGSTOP")) {
        assert!(Instant::now() < deadline, "dovecot-lda does not look at the home");
        thread::sleep(Duration::from_millis(10));
    }
    meanwhile();
    let trace = fs::read_to_string(&trace).expect("the trace");
    let lda = trace.split_whitespace().next().expect("each line begins with the process");
    assert!(Command::new("kill").args(["-CONT", lda]).status().expect("kill").success());
    strace.wait().expect("dovecot-lda ends")
}

#[test]
#[ignore = "needs root: real Dovecot, strace"]
fn mail_is_not_kept_in_the_inbox_when_the_home_goes_before_its_script_is_read() {
    lab!(|lab| {
        let site = with_script(lab, Guard::Guarded);
        let status = deliver_and_after_a_look_at_home(&site, "during", || site.take_away(Role::Home));
        site.mount(Role::Home).bring_back();
        assert_eq!(status.code(), Some(75), "{}", site.dovecot.log());
        let status = deliver_and_after_a_look_at_home(&site, "after", || ());
        assert_eq!(status.code(), Some(0), "{}", site.dovecot.log());
        let truth = Truth::of(&site.dovecot, "bob").expect("all can be read");
        assert_eq!(truth.mailboxes["INBOX"].mails.len(), 0, "{truth:?}");
        assert_eq!(truth.mailboxes["Filed"].mails.len(), 1, "{truth:?}");
    });
}

/// The server's answers up to the tagged one, which begins with OK, NO or BYE; empty when it has ended.
fn managesieve_answer(server: &mut BufReader<UnixStream>) -> String {
    let mut answer = String::new();
    while server.read_line(&mut answer).is_ok_and(|length| length > 0) {
        let last = answer.lines().last().unwrap_or_default();
        if ["OK", "NO", "BYE"].iter().any(|word| last.starts_with(word)) {
            return last.to_owned();
        }
    }
    answer
}

#[test]
#[ignore = "needs root: real Dovecot"]
fn script_is_not_put_underneath() {
    for guard in [Guard::Stock, Guard::Guarded] {
        lab!(&format!("{guard:?}"), |lab| {
            let site = Site::start_with(lab, Format::Mdbox, guard, |config| {
                config.extra.push_str(SIEVE);
                config.extra.push_str(MANAGESIEVE);
            });
            site.take_away(Role::Home);
            let socket = UnixStream::connect(site.dovecot.run_dir().join("sieve")).expect("ManageSieve");
            socket.set_read_timeout(Some(Duration::from_secs(60))).expect("a time-out");
            let mut server = BufReader::new(socket);
            managesieve_answer(&mut server);
            // bob, and the password of all users
            let login = "AUTHENTICATE \"PLAIN\" \"AGJvYgBzZWNyZXQ=\"\r\n";
            server.get_mut().write_all(login.as_bytes()).expect("ManageSieve");
            let login = managesieve_answer(&mut server);
            // A server that has hung up can't be written to, which is an answer too.
            let _ = server.get_mut().write_all(b"PUTSCRIPT \"new\" {5+}\r\nkeep;\r\n");
            let put = managesieve_answer(&mut server);
            site.mount(Role::Home).bring_back();
            let strays = underneath(site.mount(Role::Home).path()).expect("look underneath");
            let said = format!("{login:?} {put:?} {strays:?} {}", site.dovecot.log());
            match guard {
                Guard::Stock => assert!(put.starts_with("OK") && !strays.is_empty(), "{said}"),
                Guard::Guarded => assert!(!put.starts_with("OK") && strays.is_empty(), "{said}"),
            }
        });
    }
}
