//! Programs that take their roots from a settings file only: GNU Wget and apt. In: the settings in force. Out: a settings file that repeats
//! the user's and adds the bundle, and the variable that names it.
//! Source: wget(1), "Wgetrc Location"; apt.conf(5).

use super::bundle::LARGEST;
use super::{RunEnvError, RunEnvironment, RunInputs};
use crate::files::{read_bounded, write_short_lived};
use std::path::{Path, PathBuf};

/// One program's settings.
struct SettingsFile {
    /// Names the file, in place of the user's.
    variable: &'static str,
    /// The file in the user's home when the variable is not set.
    at_home: Option<&'static str>,
    /// The name of ours.
    name: &'static str,
    before: &'static str,
    after: &'static str,
}

const SETTINGS_FILES: &[SettingsFile] = &[
    SettingsFile {
        variable: "WGETRC",
        at_home: Some(".wgetrc"),
        name: "wgetrc",
        before: "ca_certificate = ",
        after: "\n",
    },
    SettingsFile {
        variable: "APT_CONFIG",
        at_home: None,
        name: "apt.conf",
        before: "Acquire::https::CaInfo \"",
        after: "\";\n",
    },
];

/// Writes them into `folder` and sets their variables.
pub(super) fn write(inputs: &RunInputs<'_>, made: &mut RunEnvironment, folder: &Path) -> Result<(), RunEnvError> {
    for settings in SETTINGS_FILES {
        let named = inputs.value(settings.variable).map(PathBuf::from);
        let home = || Some(Path::new(&inputs.value("HOME")?).join(settings.at_home?));
        let mut content = match named.clone().or_else(home).map(|path| read_bounded(&path, LARGEST)) {
            None => Vec::new(),
            Some(Ok(content)) => content,
            Some(Err(error)) if error.is_absent() && named.is_none() => Vec::new(),
            Some(Err(error)) => {
                made.warnings.push(format!("{} is left as it is: {error}", settings.variable));
                continue;
            }
        };
        let repeats = !content.is_empty();
        if repeats && !content.ends_with(b"\n") {
            content.push(b'\n');
        }
        content.extend_from_slice(settings.before.as_bytes());
        content.extend_from_slice(made.bundle.as_os_str().as_encoded_bytes());
        content.extend_from_slice(settings.after.as_bytes());
        let path = folder.join(settings.name);
        // The user's settings may hold a password; ours do not, and a command that gives up its rights must be able to read them.
        let mode = if repeats { 0o600 } else { 0o644 };
        write_short_lived(&path, &content, mode).map_err(RunEnvError::Write)?;
        made.set(settings.variable, path);
    }
    Ok(())
}
