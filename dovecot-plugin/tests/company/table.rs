//! What the plugin is loaded together with.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use fixtures::lab::Lab;

/// What is loaded beside the plugin, and what it needs.
pub(crate) struct Company {
    pub(crate) name: &'static str,
    pub(crate) plugins: &'static str,
    pub(crate) settings: &'static str,
    /// What its users would say besides.
    pub(crate) commands: &'static [&'static str],
    /// Prepares what the settings name.
    pub(crate) prepare: fn(&Lab),
}

const ALONE: Company = Company { name: "", plugins: "", settings: "", commands: &[], prepare: |_| () };

pub(crate) const COMPANIES: [Company; 13] = [
    Company {
        name: "quota",
        plugins: "quota",
        settings: "protocol imap {\n  mail_plugins = $mail_plugins imap_quota\n}\n\
                   plugin {\n  quota = count:User quota\n  quota_vsizes = yes\n  quota_rule = *:storage=10M\n}\n",
        commands: &["GETQUOTAROOT INBOX", "DELETE Newer"],
        ..ALONE
    },
    Company {
        name: "acl",
        plugins: "acl",
        settings: "protocol imap {\n  mail_plugins = $mail_plugins imap_acl\n}\nplugin {\n  acl = vfile\n}\n",
        commands: &["MYRIGHTS Archive", "LISTRIGHTS INBOX bob", "GETACL Archive", "SETACL Archive eve lr"],
        ..ALONE
    },
    Company {
        name: "lazy_expunge",
        plugins: "lazy_expunge",
        settings: "plugin {\n  lazy_expunge = Expunged\n}\n",
        commands: &["STATUS Expunged (MESSAGES)", "DELETE Newer"],
        ..ALONE
    },
    Company {
        name: "virtual",
        plugins: "virtual",
        settings: "namespace virtual {\n  prefix = virtual/\n  separator = /\n  \
                   location = virtual:@/virtual:INDEX=@/srv/index/virtual-%u\n}\n",
        commands: &["STATUS virtual/all (MESSAGES)", "SELECT virtual/all", "FETCH 1:* BODY.PEEK[]"],
        prepare: virtual_mailbox,
    },
    Company {
        name: "zlib",
        plugins: "zlib",
        settings: "plugin {\n  zlib_save = gz\n}\nprotocol imap {\n  mail_plugins = $mail_plugins imap_zlib\n}\n",
        ..ALONE
    },
    Company {
        name: "notify",
        plugins: "notify mail_log",
        settings: "plugin {\n  mail_log_events = delete undelete expunge copy save mailbox_create \
                   mailbox_delete mailbox_rename flag_change\n}\n",
        ..ALONE
    },
    Company {
        name: "fts",
        // Debian's fts_squat, the other engine without a server, ends every mail process with a segmentation fault.
        plugins: "fts fts_lucene",
        settings: "plugin {\n  fts = lucene\n  fts_lucene = whitespace_chars=@.\n  fts_autoindex = yes\n}\n\
                   service indexer-worker {\n  idle_kill = 1s\n}\n",
        commands: &["SELECT INBOX", "SEARCH BODY body", "SEARCH TEXT 5"],
        ..ALONE
    },
    Company {
        name: "sieve",
        settings: "protocol lmtp {\n  mail_plugins = $mail_plugins sieve\n}\nprotocol lda {\n  \
                   mail_plugins = $mail_plugins sieve\n}\nplugin {\n  sieve = file:@/script.sieve\n}\n",
        prepare: |lab| script(lab, "script.sieve", "require \"fileinto\";\nfileinto \"Archive\";\n"),
        ..ALONE
    },
    Company {
        name: "imap_sieve",
        settings: "protocol imap {\n  mail_plugins = $mail_plugins imap_sieve\n}\nplugin {\n  \
                   sieve_plugins = sieve_imapsieve\n  imapsieve_mailbox1_name = *\n  \
                   imapsieve_mailbox1_causes = COPY APPEND\n  \
                   imapsieve_mailbox1_before = file:@/script.sieve\n}\n",
        prepare: |lab| {
            let text = "require [\"imap4flags\", \"imapsieve\"];\naddflag \"sorted\";\n";
            script(lab, "script.sieve", text);
        },
        ..ALONE
    },
    Company { name: "NOTIFY", commands: &["NOTIFY SET (personal (MessageNew MessageExpunge))"], ..ALONE },
    Company { name: "no list index", settings: "mailbox_list_index = no\n", ..ALONE },
    Company {
        name: "LAYOUT=index",
        settings: "mail_location = mdbox:@/srv/mail/%u:INDEX=@/srv/index/%u:ALT=@/srv/alt/%u:LAYOUT=index\n",
        commands: &["RENAME Archive Moved", "RENAME Moved Archive"],
        ..ALONE
    },
    EVERYBODY,
];

/// All of them at once.
pub(crate) const EVERYBODY: Company = Company {
    name: "everybody",
    plugins: "quota acl lazy_expunge virtual zlib notify mail_log fts fts_lucene",
    settings: "\
protocol imap {
  mail_plugins = $mail_plugins imap_quota imap_acl imap_zlib imap_sieve
}
protocol lmtp {
  mail_plugins = $mail_plugins sieve
}
protocol lda {
  mail_plugins = $mail_plugins sieve
}
namespace virtual {
  prefix = virtual/
  separator = /
  location = virtual:@/virtual:INDEX=@/srv/index/virtual-%u
}
service indexer-worker {
  idle_kill = 1s
}
plugin {
  quota = count:User quota
  quota_vsizes = yes
  quota_rule = *:storage=10M
  acl = vfile
  lazy_expunge = Expunged
  zlib_save = gz
  mail_log_events = delete undelete expunge copy save mailbox_create mailbox_delete mailbox_rename flag_change
  fts = lucene
  fts_lucene = whitespace_chars=@.
  fts_autoindex = yes
  sieve = file:@/script.sieve
  sieve_plugins = sieve_imapsieve
  imapsieve_mailbox1_name = *
  imapsieve_mailbox1_causes = COPY APPEND
  imapsieve_mailbox1_before = file:@/mark.sieve
}
",
    commands: &[
        "GETQUOTAROOT INBOX",
        "MYRIGHTS Archive",
        "GETACL Archive",
        "SETACL Archive eve lr",
        "STATUS Expunged (MESSAGES)",
        "STATUS virtual/all (MESSAGES)",
        "SELECT virtual/all",
        "FETCH 1:* BODY.PEEK[]",
        "SELECT INBOX",
        "SEARCH BODY body",
        "SEARCH TEXT 5",
        "NOTIFY SET (personal (MessageNew MessageExpunge))",
        "DELETE Newer",
    ],
    prepare: |lab| {
        virtual_mailbox(lab);
        script(lab, "script.sieve", "require \"fileinto\";\nfileinto \"Archive\";\n");
        script(lab, "mark.sieve", "require [\"imap4flags\", \"imapsieve\"];\naddflag \"sorted\";\n");
    },
};

fn open(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o777)).expect("chmod");
}

fn virtual_mailbox(lab: &Lab) {
    let mailbox = lab.dir("virtual/all");
    fs::write(mailbox.join("dovecot-virtual"), "INBOX\nArchive\n  all\n").expect("a virtual mailbox");
    open(&mailbox);
}

fn script(lab: &Lab, name: &str, text: &str) {
    let path = lab.path(name);
    fs::write(&path, text).expect("the script");
    chown(path, Some(5000), Some(5000)).expect("chown");
    // Its compiled form lies beside it.
    open(lab.root());
}
