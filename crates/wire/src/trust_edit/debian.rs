//! What Debian's and Alpine's `update-ca-certificates` collect. In: a root. Out: the sources in their order, and the bundle they make.
//! Source: ca-certificates 20230311: the files of `/etc/ca-certificates.conf` in its order (not `#`, not `!`), then the administrator's
//! sorted by path; each verbatim, with a final newline where it has none.

use super::root::{Kind, Root, file_at, follow, name, within};

const CONF: &str = "/etc/ca-certificates.conf";
const DISTRIBUTION: &str = "/usr/share/ca-certificates";
const LOCAL: &str = "/usr/local/share/ca-certificates";

/// Folders within folders that are searched.
const DEPTH: usize = 16;

/// The files that go into the bundle, in order, as the links to them are written.
pub(super) fn sources(root: &dyn Root) -> Vec<String> {
    let mut found: Vec<String> = enabled(root).into_iter().filter(|path| file_at(root, path).is_some()).collect();
    found.extend(local(root));
    found
}

/// The distribution's files that are switched on.
fn enabled(root: &dyn Root) -> Vec<String> {
    let Some(bytes) = file_at(root, CONF).and_then(|conf| root.read(&conf).ok()) else { return Vec::new() };
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with(['#', '!']));
    lines.map(|line| within(DISTRIBUTION, line)).collect()
}

/// The administrator's files: `find -L … -name '*.crt' | sort`.
pub(super) fn local(root: &dyn Root) -> Vec<String> {
    let mut found = Vec::new();
    let mut to_list = vec![(LOCAL.to_owned(), 0)];
    while let Some((folder, depth)) = to_list.pop() {
        let Ok(real) = follow(root, &folder) else { continue };
        for (entry, kind) in root.list(&real).unwrap_or_default() {
            let path = within(&folder, &entry);
            let kind = match kind {
                Kind::Link(_) => follow(root, &path).ok().and_then(|to| root.look(&to).ok()?).map(|found| found.kind),
                other => Some(other),
            };
            match kind {
                Some(Kind::File) if entry.ends_with(".crt") => found.push(path),
                Some(Kind::Folder) if depth < DEPTH => to_list.push((path, depth + 1)),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

/// The bundle that these files make; `None` when one cannot be read.
pub(super) fn bundle(root: &dyn Root, sources: &[String]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    for source in sources {
        let bytes = root.read(&file_at(root, source)?).ok()?;
        whole.extend_from_slice(&bytes);
        if !bytes.is_empty() && !bytes.ends_with(b"\n") {
            whole.push(b'\n');
        }
    }
    Some(whole)
}

/// The configuration with a file of the distribution switched off; `None` when it does not name it.
pub(super) fn switched_off(conf: &[u8], file: &str) -> Option<Vec<u8>> {
    let listed = file.strip_prefix(DISTRIBUTION)?.trim_start_matches('/');
    let text = String::from_utf8_lossy(conf);
    let lines: Vec<String> = text
        .split_inclusive('\n')
        .map(|line| if line.trim_end_matches('\n') == listed { format!("!{line}") } else { line.to_owned() })
        .collect();
    let new = lines.concat();
    (new != text).then(|| new.into_bytes())
}

/// Whether a file is the distribution's.
pub(super) fn is_distributions(path: &str) -> bool {
    path.starts_with(DISTRIBUTION)
}

/// The configuration's path.
pub(super) fn conf(root: &dyn Root) -> Option<String> {
    file_at(root, CONF)
}

/// A hook of the update command other than those whose work is done here.
pub(super) fn unknown_hooks(root: &dyn Root) -> Vec<String> {
    const KNOWN: &[&str] = &["jks-keystore", "java-cacerts", "certhash", "ca-certificates-java"];
    let entries = root.list("/etc/ca-certificates/update.d").unwrap_or_default();
    let hooks = entries.into_iter().filter(|(_, kind)| !matches!(kind, Kind::Folder)).map(|(entry, _)| entry);
    hooks.filter(|hook| !KNOWN.contains(&name(hook))).collect()
}
