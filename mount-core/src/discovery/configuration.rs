//! What Dovecot's configuration says of mail, as `doveconf` prints it.

use std::collections::BTreeSet;

use super::candidate::{Candidate, Origin};
use super::reach::Reach;
use crate::error::Error;
use crate::operation::Role;

/// The name of the plugin in `mail_plugins`.
const PLUGIN: &str = "mount_guard";

/// Protocols that open mail whenever they are switched on.
const OPEN_MAIL: [&str; 3] = ["imap", "lmtp", "pop3"];

/// User databases that cannot say which users there are.
const UNLISTED: [&str; 3] = ["static", "prefetch", "checkpassword"];

/// Dovecot's settings, 2.3 or 2.4, with the sections they stand in.
#[derive(Debug, Clone, Default)]
pub struct Configuration {
    settings: Vec<Setting>,
}

#[derive(Debug, Clone)]
struct Setting {
    /// The headers of the enclosing sections, as in `protocol lmtp`.
    sections: Vec<String>,
    name: String,
    value: Vec<u8>,
}

impl Setting {
    /// The path of the setting, as in `namespace archive/location`.
    fn title(&self) -> String {
        self.sections.iter().map(String::as_str).chain([self.name.as_str()]).collect::<Vec<_>>().join("/")
    }

    fn is_within(&self, kind: &str) -> bool {
        self.sections.iter().any(|section| section.split(' ').next() == Some(kind))
    }

    fn origin(&self) -> Origin {
        Origin::Setting(self.title())
    }
}

impl Configuration {
    /// Understands the output of `doveconf -a`. Lines that are neither a setting nor a section are passed over.
    #[must_use]
    pub fn parse(text: &[u8]) -> Configuration {
        let mut sections: Vec<String> = Vec::new();
        let mut settings = Vec::new();
        for line in text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii) {
            let equals = line.iter().position(|byte| *byte == b'=').filter(|at| line[..*at].ends_with(b" "));
            match (line, equals) {
                ([] | [b'#', ..], _) => {}
                ([b'}', ..], _) => {
                    sections.pop();
                }
                (_, Some(at)) => settings.push(Setting {
                    sections: sections.clone(),
                    name: text_of(&line[..at]),
                    value: unquoted(line[at + 1..].trim_ascii()),
                }),
                ([header @ .., b'{'], None) => sections.push(text_of(header)),
                _ => {}
            }
        }
        Configuration { settings }
    }

    /// The places that the configuration names for mail, in all namespaces, protocols and other sections, with an
    /// error for each setting that cannot be understood.
    pub fn candidates(&self) -> impl Iterator<Item = Result<Candidate, Error>> + '_ {
        self.settings.iter().flat_map(|setting| match places(setting) {
            Ok(places) => places.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        })
    }

    /// The homes of users that the configuration names.
    pub fn homes(&self) -> impl Iterator<Item = Reach> + '_ {
        self.candidates().flatten().filter(|place| place.role == Role::Home).map(|place| place.reach)
    }

    /// Whether there is a user database that can say which users there are.
    #[must_use]
    pub fn lists_users(&self) -> bool {
        let databases = self.settings.iter().filter(|setting| setting.is_within("userdb"));
        let mut drivers = databases
            .filter(|setting| matches!(setting.name.as_str(), "driver" | "userdb_driver"))
            .map(|setting| text_of(&setting.value));
        drivers.any(|driver| !UNLISTED.contains(&driver.as_str()))
    }

    /// The directory of the running instance's sockets.
    #[must_use]
    pub fn base_dir(&self) -> Option<&[u8]> {
        let base =
            self.settings.iter().find(|setting| setting.sections.is_empty() && setting.name == "base_dir");
        base.map(|setting| setting.value.as_slice())
    }

    /// The user that mail processes run as, by name or number, where it is one for all.
    #[must_use]
    pub fn mail_user(&self) -> Option<String> {
        let outside = self.settings.iter().filter(|setting| setting.sections.is_empty());
        let named = outside.filter(|setting| setting.name == "mail_uid" && !setting.value.is_empty());
        named.map(|setting| text_of(&setting.value)).next()
    }

    /// The protocols that open mail without the plugin, by name: those that are switched on, and others where a
    /// section of their own leaves it out.
    #[must_use]
    pub fn unguarded_protocols(&self) -> Vec<String> {
        let everywhere = self.loads_plugin(None).unwrap_or(false);
        let switched_on = self.settings.iter().filter(|setting| setting.sections.is_empty());
        let switched_on = switched_on.filter(|setting| setting.name == "protocols");
        let mut protocols: BTreeSet<String> = switched_on
            .flat_map(|setting| text_of(&setting.value).split(' ').map(str::to_owned).collect::<Vec<_>>())
            .filter(|protocol| OPEN_MAIL.contains(&protocol.as_str()))
            .collect();
        for protocol in ["doveadm", "indexer-worker", "lda"] {
            if self.loads_plugin(Some(protocol)) == Some(false) {
                protocols.insert(protocol.to_owned());
            }
        }
        protocols.retain(|protocol| !self.loads_plugin(Some(protocol)).unwrap_or(everywhere));
        protocols.into_iter().collect()
    }

    /// Whether a protocol's section, or what stands outside of all, loads the plugin; `None` when it doesn't say.
    fn loads_plugin(&self, protocol: Option<&str>) -> Option<bool> {
        let section = protocol.map(|protocol| format!("protocol {protocol}"));
        let outer: Vec<&str> = section.as_deref().into_iter().collect();
        let mut said = None;
        for setting in &self.settings {
            let sections: Vec<&str> = setting.sections.iter().map(String::as_str).collect();
            if sections == outer && setting.name == "mail_plugins" {
                said = Some(text_of(&setting.value).split(' ').any(|plugin| plugin == PLUGIN));
            }
            // Dovecot 2.4 has a list in which each plugin is switched on or off.
            let in_list = sections
                .split_last()
                .is_some_and(|(last, outside)| *last == "mail_plugins" && outside == outer);
            if in_list && setting.name == PLUGIN {
                said = Some(setting.value == b"yes");
            }
        }
        said
    }
}

/// The places that one setting names.
fn places(setting: &Setting) -> Result<Vec<Candidate>, Error> {
    if setting.is_within("plugin") || setting.is_within("passdb") {
        return Ok(Vec::new());
    }
    let in_userdb = setting.is_within("userdb");
    let origin = setting.origin();
    let directory = |role| Candidate::of_directory(&setting.value, role, &origin).map(Vec::from_iter);
    match setting.name.as_str() {
        "mail_location" => Candidate::of_location(&setting.value, &origin),
        "location" if setting.is_within("namespace") => Candidate::of_location(&setting.value, &origin),
        "mail_home" => directory(Role::Home),
        "home" if in_userdb => directory(Role::Home),
        "mail_path" => directory(Role::Mail),
        "mail_index_path" | "mail_index_private_path" | "mail_cache_path" if setting.value != b"MEMORY" => {
            directory(Role::Index)
        }
        "mail_control_path" => directory(Role::Control),
        "mail_alt_path" => directory(Role::Alt),
        "mail_inbox_path" => directory(Role::Inbox),
        "mail_attachment_dir" | "mail_ext_attachment_path" => directory(Role::Attachments),
        "args" | "default_fields" | "override_fields" if in_userdb => fields(&setting.value, &origin),
        _ => Ok(Vec::new()),
    }
}

/// The places in a user database's fields, as in `uid=vmail home=/srv/mail/%u mail=maildir:~/mail`.
fn fields(text: &[u8], origin: &Origin) -> Result<Vec<Candidate>, Error> {
    let mut places = Vec::new();
    for field in text.split(|byte| *byte == b' ') {
        if let Some(home) = field.strip_prefix(b"home=") {
            places.extend(Candidate::of_directory(home, Role::Home, origin)?);
        } else if let Some(mail) = field.strip_prefix(b"mail=") {
            places.extend(Candidate::of_location(mail, origin)?);
        }
    }
    Ok(places)
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.trim_ascii()).into_owned()
}

/// A value as it is meant: `doveconf` quotes what begins or ends with a blank.
fn unquoted(value: &[u8]) -> Vec<u8> {
    let Some(inner) = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")) else {
        return value.to_vec();
    };
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner.iter().copied();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'\\' { rest.next().unwrap_or(byte) } else { byte });
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOVECOT_23: &[u8] = b"\
# 2.3.19.1 (9b53102964): c.conf
base_dir = /run/dovecot
mail_attachment_dir = /srv/attachments
mail_home = /srv/home/%d/%n
mail_location = mdbox:/srv/mail/%d/%n:ALT=/srv/alt/%d/%n
mail_plugins = quota mount_guard
namespace archive {
  location = sdbox:/srv/archive/%u
  mailbox \"Sent Messages\" {
    special_use = \\Sent
  }
}
namespace inbox {
  inbox = yes
  location = 
}
protocols = \" imap lmtp pop3 sieve\"
ssl_key = # hidden, use -P to show it
passdb {
  args = home=/wrong
  driver = pam
}
userdb {
  args = uid=vmail home=/var/vmail/%d/%n mail=maildir:/var/maildirs/%u
  driver = static
}
plugin {
  mail_location = /wrong
}
protocol lmtp {
  mail_location = maildir:/srv/lmtp/%u
  mail_plugins = quota
}
protocol lda {
  mail_plugins = sieve
}
remote 10.0.0.0/8 {
  mail_home = /srv/remote
}
";

    const DOVECOT_24: &[u8] = b"\
mail_driver = sdbox
mail_home = /srv/home/%{user | domain}
mail_path = %{home}/mail
mail_index_path = /srv/index/%{user}
mail_alt_path = /srv/alt/%{user}
mail_plugins {
  mount_guard = yes
  quota = yes
}
namespace archive {
  mail_path = /srv/archive/%{user}
}
protocols = imap pop3
userdb static {
  fields {
    home = /var/vmail/%{user}
  }
  userdb_driver = static
}
protocol pop3 {
  mail_plugins {
    mount_guard = no
  }
}
";

    fn places_of(text: &[u8]) -> Vec<String> {
        let configuration = Configuration::parse(text);
        let candidates = configuration.candidates().map(|place| place.expect("settings in order"));
        candidates
            .map(|place| format!("{} {} {}", place.role, place.reach, place.origin).replace('"', ""))
            .collect()
    }

    #[test]
    fn every_setting_that_names_a_place_for_mail_is_found_with_its_section() {
        let expected = [
            "attachments /srv/attachments setting mail_attachment_dir",
            "home /srv/home/*/* setting mail_home",
            "mail /srv/mail/*/* setting mail_location",
            "alt /srv/alt/*/* setting mail_location",
            "mail /srv/archive/* setting namespace archive/location",
            "home /var/vmail/*/* setting userdb/args",
            "mail /var/maildirs/* setting userdb/args",
            "mail /srv/lmtp/* setting protocol lmtp/mail_location",
            "home /srv/remote setting remote 10.0.0.0/8/mail_home",
        ];
        assert_eq!(places_of(DOVECOT_23), expected);
    }

    #[test]
    fn settings_of_dovecot_2_4_are_known_too() {
        let expected = [
            "home /srv/home/* setting mail_home",
            "index /srv/index/* setting mail_index_path",
            "alt /srv/alt/* setting mail_alt_path",
            "mail /srv/archive/* setting namespace archive/mail_path",
            "home /var/vmail/* setting userdb static/fields/home",
        ];
        assert_eq!(places_of(DOVECOT_24), expected);
    }

    #[test]
    fn protocol_that_leaves_the_plugin_out_is_named() {
        assert_eq!(Configuration::parse(DOVECOT_23).unguarded_protocols(), ["lda", "lmtp"]);
        assert_eq!(Configuration::parse(DOVECOT_24).unguarded_protocols(), ["pop3"]);
        let everywhere = Configuration::parse(b"mail_plugins = mount_guard\nprotocols = imap lmtp\n");
        assert_eq!(everywhere.unguarded_protocols(), [""; 0]);
        let nowhere = Configuration::parse(b"mail_plugins = \nprotocols = imap sieve\n");
        assert_eq!(nowhere.unguarded_protocols(), ["imap"]);
    }

    #[test]
    fn static_user_database_cannot_be_listed() {
        assert!(!Configuration::parse(DOVECOT_23).lists_users());
        assert!(Configuration::parse(b"userdb {\n  driver = passwd\n}\n").lists_users());
    }

    #[test]
    fn setting_that_cannot_be_understood_hides_no_other() {
        let text = b"mail_location = maildir:~carol/x\nmail_home = /home/%u\n";
        let configuration = Configuration::parse(text);
        let (good, bad): (Vec<_>, Vec<_>) = configuration.candidates().partition(Result::is_ok);
        assert_eq!((good.len(), bad.len()), (1, 1));
    }

    #[test]
    fn any_bytes_are_taken() {
        let text = b"}\n}\n = \n{\n{ {\n=\nmail_home = \"\\\"\nnamespace \xff {\nlocation = \xff\xfe:\x01\n";
        assert!(Configuration::parse(text).candidates().all(|place| place.is_err()));
    }
}
