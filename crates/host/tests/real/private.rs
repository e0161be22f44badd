//! A machine of one's own: the trust store's folders as copies, in a mount namespace that ends with the test. In: a test's name. Out: its
//! body run there, or the output with which it failed.

use sidelight_host::files::Snapshot;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Tells the test that runs inside from the one that starts it.
const ROLE: &str = "SIDELIGHT_TEST_ROLE";

/// What an update command may change.
const COPIED: &str =
    "/etc /usr/local/sbin /usr/local/share/ca-certificates /var/lib/dpkg /var/lib/ca-certificates-java";

/// Copies the folders onto a tmpfs and binds the copies over them, then becomes the test.
const SET_UP: &str = r#"
mount -t tmpfs tmpfs "$COPIES"
for folder in $COPIED; do
    test -d "$folder" || continue
    mkdir -p "$COPIES$folder"
    cp -a "$folder/." "$COPIES$folder"
    mount --bind "$COPIES$folder" "$folder"
done
mount -t tmpfs tmpfs /var/log
exec "$@"
"#;

/// The role that this process was started in.
pub(crate) fn role() -> Option<String> {
    std::env::var(ROLE).ok()
}

/// This test program again, with only the test `name`, in `role`.
pub(crate) fn again(name: &str, role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([name, "--exact", "--nocapture", "--test-threads=1"]).env(ROLE, role);
    command
}

/// Nothing may ever be tried on the true machine.
pub(crate) fn assert_private() {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    for folder in COPIED.split(' ') {
        let is_copy = mounts.lines().any(|mount| mount.starts_with(&format!("tmpfs {folder} tmpfs ")));
        assert!(is_copy || !Path::new(folder).exists(), "{folder} is not a copy");
    }
}

/// Runs `body` on a private machine. `name` is the path of the calling test, as in `debian::installs`.
pub(crate) fn on_private_machine(name: &str, body: impl FnOnce()) {
    if role().is_some() {
        assert_private();
        return body();
    }
    let copies = tempfile::tempdir().unwrap();
    let test = again(name, "inside");
    let mut command = Command::new("unshare");
    assert!(rustix::process::geteuid().is_root(), "this test needs root, for a mount namespace of its own");
    command.args(["--mount", "--propagation", "private", "sh", "-euc", SET_UP, "sh"]);
    command.arg(test.get_program()).args(test.get_args());
    command.env(ROLE, "inside").env("COPIES", copies.path()).env("COPIED", COPIED);
    let output = command.output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{name} on a private machine: {}\n{said}",
        output.status
    );
}

/// Everything below the copied folders, byte for byte, with modes, owners, times and links.
pub(crate) fn all() -> BTreeMap<PathBuf, Snapshot> {
    let mut found = BTreeMap::new();
    for folder in ["/etc/ssl/certs", "/usr/local/share/ca-certificates", "/var/lib/ca-certificates-java"] {
        add(Path::new(folder), &mut found);
    }
    found
}

/// Adds what is in a folder. Folders themselves count by name: their times change with every file in them.
pub(crate) fn add(folder: &Path, found: &mut BTreeMap<PathBuf, Snapshot>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        let snapshot = Snapshot::take(&path).unwrap();
        if let Snapshot::Directory { .. } = snapshot {
            add(&path, found);
        } else {
            found.insert(path, snapshot);
        }
    }
}

/// Compares two states and names what differs, without printing bundles.
pub(crate) fn assert_same(before: &BTreeMap<PathBuf, Snapshot>, after: &BTreeMap<PathBuf, Snapshot>, when: &str) {
    let paths = before.keys().chain(after.keys());
    let differing: Vec<&PathBuf> = paths.filter(|path| before.get(*path) != after.get(*path)).collect();
    assert!(differing.is_empty(), "{when}: not as before: {differing:?}");
    assert!(!before.is_empty());
}
