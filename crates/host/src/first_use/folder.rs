//! A folder for what the command is to trust, where the root cannot be changed. In: the environment. Out: a new folder in memory or on
//! disk that the command's user can read.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

/// Beginning of its name.
const PREFIX: &str = "sidelight-trust-";

/// Makes a folder in the first place that can be written: TMPDIR, then memory, then the usual ones. It stays, because the command reads it;
/// those of earlier starts are taken away when we are the first process of a container, and nobody else can be using them.
///
/// # Errors
/// When no place can be written: their names, and why not.
pub fn trust_folder(environment: &dyn Fn(&str) -> Option<OsString>) -> Result<PathBuf, String> {
    let named = environment("TMPDIR").filter(|value| !value.is_empty()).map(PathBuf::from);
    let usual = ["/dev/shm", "/tmp", "/run", "/var/tmp"].map(PathBuf::from);
    let mut tried = Vec::new();
    for base in named.into_iter().chain(usual) {
        if std::process::id() == 1 {
            remove_earlier(&base);
        }
        match tempfile::Builder::new().prefix(PREFIX).tempdir_in(&base) {
            Ok(folder) => {
                let path = folder.keep();
                let open = std::fs::Permissions::from_mode(0o755);
                std::fs::set_permissions(&path, open).map_err(|error| format!("{}: {error}", path.display()))?;
                return Ok(path);
            }
            Err(error) => tried.push(format!("{} ({})", base.display(), error)),
        }
    }
    Err(tried.join(", "))
}

fn remove_earlier(base: &std::path::Path) {
    let Ok(entries) = std::fs::read_dir(base) else { return };
    for entry in entries.filter_map(Result::ok) {
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if is_ours && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            // What cannot be removed is somebody else's.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}
