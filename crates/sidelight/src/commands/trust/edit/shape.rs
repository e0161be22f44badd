//! The same plan in other shapes: a Dockerfile, a folder of changed files, a ConfigMap with what mounts it. In: outcomes. Out: text, and
//! files in a folder that the user named.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sidelight_host::files::{Meta, create_directory, replace_file, replace_symlink};
use sidelight_model::trust::{Change, ChangeKind};

use crate::cli::TrustEdit;
use crate::exit::Failure;
use crate::render::escape;
use crate::schema::trust_edit::Outcome;

/// What a ConfigMap may hold (the API's limit on objects is a little above).
const CONFIG_MAP: usize = 1_000_000;

/// The folder beside the Dockerfile.
const LAID: &str = "trust";

/// Whether the user asked for another shape than the change itself.
pub(super) const fn is_asked(options: &TrustEdit) -> bool {
    options.as_dockerfile || options.as_patch || options.as_kubernetes
}

/// Makes the shape; gives what goes to standard output.
pub(super) fn make(outcomes: &[Outcome], image: &str, options: &TrustEdit) -> Result<String, Failure> {
    let changes = last(outcomes);
    if changes.is_empty() {
        return Ok(String::new());
    }
    if options.as_kubernetes {
        return Ok(kubernetes(&changes, outcomes));
    }
    let folder = options.output.as_deref().map(PathBuf::from);
    let Some(folder) = folder else {
        return Err(Failure::usage("a Dockerfile copies files: say where they go")
            .hint("--as-dockerfile -o DIR; then: docker build DIR"));
    };
    if options.as_patch {
        lay(&changes, &folder)?;
        let removed = changes.values().filter(|change| change.kind == ChangeKind::Remove);
        let lines = removed.map(|change| format!("removed, not in the folder: {}\n", escape::line(&change.path)));
        let shown = escape::line(&folder.display().to_string());
        let told = format!("{shown} holds what changes; lay it over the root: cp -a {shown}/. ROOT/\n");
        return Ok(told + &lines.collect::<String>());
    }
    std::fs::create_dir_all(&folder).map_err(|error| Failure::new(format_args!("{}: {error}", folder.display())))?;
    lay(&changes, &folder.join(LAID))?;
    let text = dockerfile(&changes, outcomes, image);
    replace_file(&folder.join("Dockerfile"), text.as_bytes(), &Meta::new(0o644)).map_err(Failure::new)?;
    Ok(text)
}

/// The last change of each path: a later certificate's holds the earlier one's too.
fn last(outcomes: &[Outcome]) -> BTreeMap<&str, &Change> {
    outcomes.iter().flat_map(|outcome| outcome.plan.changes()).map(|change| (change.path.as_str(), change)).collect()
}

/// Writes the changed files below a folder.
fn lay(changes: &BTreeMap<&str, &Change>, folder: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).map_err(|error| Failure::new(format_args!("{}: {error}", folder.display())))?;
    for change in changes.values() {
        // Paths of a plan are absolute, without `.` and `..`: nothing leads out of the folder.
        let path = folder.join(change.path.trim_start_matches('/'));
        let above = path.parent().unwrap_or(folder);
        match &change.kind {
            ChangeKind::Remove => continue,
            ChangeKind::Dir => std::fs::create_dir_all(&path),
            _ => std::fs::create_dir_all(above),
        }
        .map_err(|error| Failure::new(format_args!("{}: {error}", path.display())))?;
        match &change.kind {
            // Set-id bits, which a hostile image may have on a program in a bundle's place, stay out of this machine's folders.
            ChangeKind::File { bytes } => replace_file(&path, bytes, &Meta::new(change.mode & 0o777)),
            ChangeKind::Symlink { target } => replace_symlink(&path, Path::new(target), None),
            ChangeKind::Dir => create_directory(&path, change.mode & 0o777),
            ChangeKind::Remove => Ok(()),
        }
        .map_err(Failure::new)?;
    }
    Ok(())
}

/// A Dockerfile without RUN, so that images without a shell take it too.
fn dockerfile(changes: &BTreeMap<&str, &Change>, outcomes: &[Outcome], image: &str) -> String {
    let mut text = String::from(
        "# Made by `sidelight trust add … --as-dockerfile`: the changed trust stores stand in the folder trust/.\n",
    );
    for outcome in outcomes {
        text +=
            &format!("# {} SHA-256 {}\n", escape::line(outcome.anchor.certificate.short_name()), outcome.anchor.sha256);
    }
    text += &format!("FROM {}\nCOPY {LAID}/ /\n", escape::line(image));
    let removed: Vec<String> =
        changes.values().filter(|change| change.kind == ChangeKind::Remove).map(|change| change.path.clone()).collect();
    // COPY writes as root whoever the image's user is; only RUN does not.
    if !removed.is_empty() {
        // As JSON: no name of a hostile image can end the line and begin an instruction of its own.
        let command: Vec<String> =
            ["rm", "-f", "--"].map(str::to_owned).into_iter().chain(removed.iter().cloned()).collect();
        text += &format!("USER 0\nRUN {}\n", serde_json::json!(command));
    }
    for variable in
        outcomes.iter().flat_map(|outcome| &outcome.plan.variables).filter(|variable| !variable.is_set).take(1)
    {
        text += &format!("ENV {}={}\n", variable.name, variable.value);
    }
    if !removed.is_empty() {
        text += "# USER is root now: set it to what the image had, if it had another.\n";
    }
    text
}

/// A ConfigMap, and as comments below it what mounts it.
fn kubernetes(changes: &BTreeMap<&str, &Change>, outcomes: &[Outcome]) -> String {
    let (mut data, mut binary, mut mounts, mut total) = (String::new(), String::new(), String::new(), 0);
    let mut left = Vec::new();
    let named: Vec<&str> =
        outcomes.iter().flat_map(|outcome| &outcome.plan.variables).map(|variable| variable.value.as_str()).collect();
    for (path, bytes) in files(changes, &named) {
        if total + bytes.len() > CONFIG_MAP {
            left.push(path);
            continue;
        }
        total += bytes.len();
        let key: String = path
            .trim_start_matches('/')
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || ".-_".contains(c) { c } else { '-' })
            .collect();
        match std::str::from_utf8(bytes) {
            Ok(text) if is_block(text) => {
                data += &format!("  {key}: |\n");
                for line in text.lines() {
                    data += &format!("    {}\n", line.trim_end());
                }
            }
            _ => binary += &format!("  {key}: {}\n", data_encoding::BASE64.encode(bytes)),
        }
        mounts +=
            &format!("#         - {{ name: sidelight-trust, mountPath: {path:?}, subPath: {key}, readOnly: true }}\n");
    }
    let mut text = String::from("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: sidelight-trust\n");
    if !data.is_empty() {
        text += &format!("data:\n{data}");
    }
    if !binary.is_empty() {
        text += &format!("binaryData:\n{binary}");
    }
    text += "# In the pod's template, for each container of this image:\n#   spec:\n#     volumes:\n#       - name: sidelight-trust\n\
             #         configMap: { name: sidelight-trust }\n#     containers:\n#       - name: NAME\n#         volumeMounts:\n";
    text += &mounts;
    let variables =
        outcomes.iter().flat_map(|outcome| &outcome.plan.variables).filter(|variable| !variable.is_set).take(1);
    for variable in variables {
        text += &format!("#         env:\n#         - {{ name: {}, value: {:?} }}\n", variable.name, variable.value);
    }
    for path in left {
        text += &format!("# left out, a ConfigMap holds no more than 1 MiB: {}\n", escape::line(path));
    }
    text
}

/// Whether a text can stand as lines of a block in YAML. What YAML takes for the end of a line where we do not (a lone carriage return, NEL, and
/// Unicode's separators) would let a hostile image's bundle leave the block and add objects of its own.
fn is_block(text: &str) -> bool {
    let sound =
        |c: char| !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') || matches!(c, '\n' | '\t');
    // The first line tells how far the block is indented.
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    text.replace("\r\n", "\n").chars().all(sound) && !first.starts_with([' ', '\t'])
}

/// What has to be mounted: files, and links by hash as the files that they lead to. The administrator's folder matters to update
/// commands alone, which nobody runs in a pod; unless a variable (`named`) leads there.
fn files<'c>(changes: &BTreeMap<&'c str, &'c Change>, named: &[&str]) -> Vec<(&'c str, &'c [u8])> {
    let mut found = Vec::new();
    for (path, change) in changes {
        let mut at: &Change = change;
        for _ in 0..4 {
            let ChangeKind::Symlink { target } = &at.kind else { break };
            let folder = at.path.rsplit_once('/').map_or("", |(folder, _)| folder);
            let absolute = if target.starts_with('/') { target.clone() } else { format!("{folder}/{target}") };
            let Some(next) = changes.get(absolute.as_str()) else { break };
            at = next;
        }
        let anchors = [
            "/usr/local/share/ca-certificates/",
            "/etc/pki/ca-trust/source/",
            "/etc/pki/trust/anchors/",
            "/etc/ca-certificates/trust-source/",
        ];
        if anchors.iter().any(|start| path.starts_with(start)) && !named.contains(path) {
            continue;
        }
        if let ChangeKind::File { bytes } = &at.kind {
            found.push((*path, bytes.as_slice()));
        }
    }
    // Bundles matter most: they come first where not all fits.
    found.sort_by_key(|(path, _)| (!path.starts_with("/etc/"), *path));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidelight_host::trust_store::Anchor;
    use sidelight_model::time::Timestamp;
    use sidelight_wire::trust_edit::{MemoryRoot, Request, add};

    fn outcome() -> Outcome {
        let issuer = sidelight_testkit::Issuer::root("corp root");
        let anchor = Anchor::any(issuer.der()).unwrap();
        let mut root = MemoryRoot::default();
        root.file("/etc/ca-certificates.conf", Some(Vec::new()), 0o644, 0, 0);
        root.folder("/usr/local/share/ca-certificates", 0o755, 0, 0);
        root.file("/etc/ssl/certs/ca-certificates.crt", Some(Vec::new()), 0o644, 0, 0);
        root.file("/usr/bin/node", None, 0o755, 0, 0);
        let request = Request {
            anchor: &anchor,
            at: Timestamp::default(),
            env: &[],
            passwords: &[],
            openssl_dirs: &[],
            only: None,
            system_only: false,
        };
        let plan = add(&root, &request);
        Outcome { anchor, plan, result: "added", warnings: Vec::new() }
    }

    #[test]
    fn a_dockerfile_needs_no_shell() {
        let outcomes = [outcome()];
        let text = dockerfile(&last(&outcomes), &outcomes, "gcr.io/distroless/base");
        assert!(
            text.contains("FROM gcr.io/distroless/base\nCOPY trust/ /\nENV NODE_EXTRA_CA_CERTS=/usr/local/share/"),
            "{text}"
        );
        assert!(!text.contains("RUN") && !text.contains("USER"), "{text}");
        let folder = tempfile::tempdir().unwrap();
        lay(&last(&outcomes), folder.path()).unwrap();
        let bundle = std::fs::read_to_string(folder.path().join("etc/ssl/certs/ca-certificates.crt")).unwrap();
        assert_eq!(bundle, outcomes[0].anchor.pem());
        let hash = folder.path().join(format!("etc/ssl/certs/{}.0", outcomes[0].anchor.subject_hash));
        assert_eq!(std::fs::read_link(hash).unwrap(), Path::new(&format!("{}.pem", outcomes[0].anchor.name)));
    }

    #[test]
    fn a_config_map_holds_files_where_the_root_has_links() {
        let outcomes = [outcome()];
        let text = kubernetes(&last(&outcomes), &outcomes);
        let hash =
            format!("  etc-ssl-certs-{}.0: |\n    -----BEGIN CERTIFICATE-----\n", outcomes[0].anchor.subject_hash);
        assert!(text.contains(&hash), "{text}");
        assert!(text.contains("  etc-ssl-certs-ca-certificates.crt: |\n"), "{text}");
        let anchor = format!("  usr-local-share-ca-certificates-{}.crt: |\n", outcomes[0].anchor.name);
        assert!(text.contains(&anchor), "NODE_EXTRA_CA_CERTS names it: {text}");
        assert!(
            text.contains(
                "mountPath: \"/etc/ssl/certs/ca-certificates.crt\", subPath: etc-ssl-certs-ca-certificates.crt"
            ),
            "{text}"
        );
        assert!(text.contains("{ name: NODE_EXTRA_CA_CERTS, value: \"/usr/local/share/"), "{text}");
    }

    /// A change that a hostile image's own names and bytes went into.
    fn hostile(path: &str, kind: ChangeKind, mode: u32) -> Change {
        Change { path: path.to_owned(), kind, mode, uid: 0, gid: 0 }
    }

    #[test]
    fn a_hostile_image_writes_no_lines_of_its_own() {
        let removed = hostile("/etc/ssl/certs/a'\nRUN id #.pem", ChangeKind::Remove, 0);
        let changes = BTreeMap::from([(removed.path.as_str(), &removed)]);
        let text = dockerfile(&changes, &[], "x");
        assert!(text.contains(r#"RUN ["rm","-f","--","/etc/ssl/certs/a'\nRUN id #.pem"]"#), "{text}");
        assert!(!text.lines().any(|line| line.starts_with("RUN id")), "{text}");

        for bytes in ["# x\r---\rkind: Pod\r", "# x\u{85}kind: Pod", "# x\u{2028}kind: Pod", "      # x\n  kind: Pod\n"]
        {
            let file = hostile("/etc/ssl/cert.pem", ChangeKind::File { bytes: bytes.into() }, 0o644);
            let text = kubernetes(&BTreeMap::from([(file.path.as_str(), &file)]), &[]);
            assert!(!text.contains("Pod") && text.contains("binaryData:\n  etc-ssl-cert.pem: "), "{text}");
        }
        assert!(is_block("# Ünïcode\r\n\tx\n") && !is_block("\u{1b}[2J"));
    }

    #[test]
    fn set_id_bits_do_not_come_into_the_folder() {
        use std::os::unix::fs::PermissionsExt as _;
        let file = hostile("/etc/ssl/cert.pem", ChangeKind::File { bytes: b"\x7fELF".to_vec() }, 0o6755);
        let folder = tempfile::tempdir().unwrap();
        lay(&BTreeMap::from([(file.path.as_str(), &file)]), folder.path()).unwrap();
        let mode = std::fs::metadata(folder.path().join("etc/ssl/cert.pem")).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o755);
    }
}
