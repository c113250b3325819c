//! The `mount_guard_*` settings of Dovecot's configuration.

use std::path::PathBuf;

use crate::judge::Source;

/// The settings as Dovecot has them; empty is not set.
pub(crate) struct RawText<'a> {
    pub(crate) state_dir: PathBuf,
    pub(crate) run_dir: PathBuf,
    pub(crate) mode: &'a str,
    pub(crate) registry: &'a str,
    pub(crate) message: &'a str,
    /// Where the process has changed its root to.
    pub(crate) chroot: PathBuf,
}

/// What the administrator set, for one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Where the registry is, or what is wrong with the settings: then everything is refused.
    pub(crate) source: Result<Source, String>,
    /// Log what would be refused, and let it go on.
    pub(crate) log_only: bool,
    /// What clients are told instead of the plugin's own texts.
    pub(crate) message: Option<String>,
}

impl Settings {
    /// The mode is `enforce` unless it is `log`; the registry may be missing unless it is `required`.
    pub(crate) fn parse(raw: &RawText<'_>) -> Settings {
        let message = (!raw.message.is_empty()).then(|| raw.message.to_owned());
        Settings { source: source(raw), log_only: raw.mode == "log", message }
    }
}

fn source(raw: &RawText<'_>) -> Result<Source, String> {
    // A misspelt `log` enforces, and says so: an outage must not be the moment to find out.
    if !matches!(raw.mode, "" | "enforce" | "log") {
        return Err(format!("mount_guard_mode = {:?}: there are enforce and log", raw.mode));
    }
    let required = match raw.registry {
        "" | "optional" => false,
        "required" => true,
        other => return Err(format!("mount_guard_registry = {other:?}: there are optional and required")),
    };
    Ok(Source {
        state_dir: raw.state_dir.clone(),
        run_dir: raw.run_dir.clone(),
        required,
        chroot: Some(raw.chroot.clone()).filter(|chroot| !chroot.as_os_str().is_empty()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(mode: &str, registry: &str) -> Settings {
        let dir = PathBuf::from("/run/dovecot");
        Settings::parse(&RawText {
            state_dir: dir.clone(),
            run_dir: dir,
            mode,
            registry,
            message: "",
            chroot: PathBuf::new(),
        })
    }

    #[test]
    fn unset_means_enforced_and_optional() {
        let settings = parse("", "");
        assert!(!settings.log_only);
        assert!(!settings.source.expect("valid").required);
    }

    #[test]
    fn registry_can_be_required() {
        assert!(parse("log", "required").source.expect("valid").required);
    }

    #[test]
    fn misspelt_values_are_errors_that_enforce() {
        for (mode, registry) in [("Log", ""), ("", "yes")] {
            let settings = parse(mode, registry);
            assert!(settings.source.is_err());
            assert!(!settings.log_only);
        }
    }
}
