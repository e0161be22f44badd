//! Look-alikes of the families in memory: what is planned for each, that it is idempotent, that removing undoes it, and that nothing
//! damaged is made worse.

mod stores;

use std::collections::BTreeMap;

use sidelight_model::time::Timestamp;
use sidelight_model::trust::ChangeKind;

use super::*;
use crate::pem;

const CA_1: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../host/tests/fixtures/ca-1.pem"));
const CA_2: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../host/tests/fixtures/ca-2.pem"));
const LEAF: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../host/tests/fixtures/leaf.pem"));

const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

fn der(text: &str) -> Vec<u8> {
    pem::read(text.as_bytes()).0.remove(0).data
}

fn anchor() -> Anchor {
    Anchor::any(&der(CA_1)).unwrap()
}

fn other() -> Anchor {
    Anchor::any(&der(CA_2)).unwrap()
}

/// A root of files and links: `path = text`, `path -> target`, `path/`.
fn root(entries: &[(&str, &str)]) -> MemoryRoot {
    let mut root = MemoryRoot::default();
    for (path, content) in entries {
        if let Some(folder) = path.strip_suffix('/') {
            root.folder(folder, 0o755, 0, 0);
        } else if let Some(target) = content.strip_prefix("-> ") {
            root.link(path, target);
        } else {
            root.file(path, Some(content.as_bytes().to_vec()), 0o644, 0, 0);
        }
    }
    root
}

struct Wish<'a> {
    anchor: &'a Anchor,
    env: Vec<(String, String)>,
    passwords: Vec<String>,
    only: Option<Vec<StoreKind>>,
}

impl<'a> Wish<'a> {
    fn new(anchor: &'a Anchor) -> Self {
        Self { anchor, env: Vec::new(), passwords: vec![STOREPASS.to_owned()], only: None }
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    fn request(&self) -> Request<'_> {
        Request {
            anchor: self.anchor,
            at: Timestamp::from_secs(1_700_000_000),
            env: &self.env,
            passwords: &self.passwords,
            openssl_dirs: &[],
            only: self.only.as_deref(),
            system_only: false,
        }
    }
}

/// The root with a plan carried out.
fn done<'r>(root: &'r MemoryRoot, plan: &Plan) -> Sketch<'r> {
    let mut sketch = Sketch::new(root);
    plan.changes().for_each(|change| sketch.make(change.clone()));
    sketch
}

fn text(root: &dyn Root, path: &str) -> String {
    String::from_utf8(root.read(&follow(root, path).unwrap()).unwrap()).unwrap()
}

fn link(root: &dyn Root, path: &str) -> String {
    match root.look(path).unwrap().map(|found| found.kind) {
        Some(Kind::Link(target)) => target,
        other => panic!("{path} is {other:?}"),
    }
}

/// Everything that a plan leaves, path by path.
fn all(root: &dyn Root) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut to_list = vec!["/".to_owned()];
    while let Some(folder) = to_list.pop() {
        for (name, kind) in root.list(&folder).unwrap() {
            let path = format!("{}/{name}", folder.trim_end_matches('/'));
            match kind {
                Kind::Folder => to_list.push(path),
                Kind::Link(target) => drop(found.insert(path, format!("-> {target}"))),
                _ => {
                    let bytes = root.read(&path).unwrap_or_default();
                    found.insert(path, data_encoding::HEXLOWER.encode(&bytes));
                }
            }
        }
    }
    found
}

/// Adding is idempotent, and removing what was added leaves what was there.
fn there_and_back(root: &MemoryRoot, wish: &Wish<'_>) -> Plan {
    let plan = add(root, &wish.request());
    let after = done(root, &plan);
    let again = add(&after, &wish.request());
    assert!(again.changes().next().is_none(), "the second time there is nothing to do: {again:#?}");
    assert!(again.steps.iter().all(|step| step.did == Did::Already));
    let back = remove(&after, &wish.request());
    let mut undone = Sketch::new(&after);
    back.changes().for_each(|change| undone.make(change.clone()));
    let (before, now) = (all(root), all(&undone));
    let differs: Vec<_> =
        now.iter().filter(|(path, content)| before.get(*path) != Some(content)).map(|(path, _)| path).collect();
    assert!(before.keys().all(|path| now.contains_key(path)), "something is missing: {:?}", before.keys());
    // A Java store is written anew, without what was added.
    assert!(differs.iter().all(|path| path.contains("cacerts")), "{differs:?}");
    plan
}

fn kinds(plan: &Plan) -> Vec<(StoreKind, &str)> {
    plan.steps.iter().map(|step| (step.kind, step.path.as_str())).collect()
}

#[test]
fn debian_is_as_its_command_would_leave_it() {
    let (ca, theirs) = (anchor(), other());
    // A source without final newline, in the bundle with one; ours sorts before the administrator's other file.
    let bundle = format!("{}{}", theirs.pem(), theirs.pem());
    let root = root(&[
        ("/etc/ca-certificates.conf", "# comment\nmozilla/a.crt\n!mozilla/off.crt\n\n"),
        ("/usr/share/ca-certificates/mozilla/a.crt", theirs.pem().trim_end()),
        ("/usr/share/ca-certificates/mozilla/off.crt", "off\n"),
        ("/usr/local/share/ca-certificates/zz/theirs.crt", &theirs.pem()),
        ("/usr/local/share/ca-certificates/not-read.pem", "x"),
        (BUNDLE, &bundle),
    ]);
    let plan = there_and_back(&root, &Wish::new(&ca));
    assert_eq!(plan.family, Some("Debian"));
    let after = done(&root, &plan);
    assert_eq!(
        text(&after, BUNDLE),
        format!("{}{}{}", theirs.pem(), ca.pem(), theirs.pem()),
        "sorted by path, not appended"
    );
    let file = format!("/usr/local/share/ca-certificates/{}.crt", ca.name);
    assert_eq!(text(&after, &file), ca.pem());
    assert_eq!(link(&after, &format!("/etc/ssl/certs/{}.pem", ca.name)), file);
    assert_eq!(link(&after, &format!("/etc/ssl/certs/{}.0", ca.subject_hash)), format!("{}.pem", ca.name));
}

#[test]
fn a_bundle_that_no_command_made_is_appended_to() {
    let (ca, theirs) = (anchor(), other());
    let root = root(&[
        ("/etc/ca-certificates.conf", "mozilla/a.crt\n"),
        ("/usr/share/ca-certificates/mozilla/a.crt", "gone from the bundle\n"),
        ("/usr/local/share/ca-certificates/", ""),
        (BUNDLE, &format!("by hand\n{}no line end", theirs.pem())),
    ]);
    let plan = there_and_back_but_newline(&root, &ca);
    assert_eq!(text(&done(&root, &plan), BUNDLE), format!("by hand\n{}no line end\n{}", theirs.pem(), ca.pem()));
}

/// The newline that a bundle lacked stays.
fn there_and_back_but_newline(root: &MemoryRoot, ca: &Anchor) -> Plan {
    let wish = Wish::new(ca);
    let plan = add(root, &wish.request());
    let after = done(root, &plan);
    assert!(add(&after, &wish.request()).changes().next().is_none());
    plan
}

#[test]
fn what_the_administrator_put_there_already_is_used() {
    let ca = anchor();
    let root = root(&[
        ("/etc/ca-certificates.conf", ""),
        ("/usr/local/share/ca-certificates/corp root (old).crt", &ca.pem()),
        (BUNDLE, ""),
    ]);
    let plan = add(&root, &Wish::new(&ca).request());
    let after = done(&root, &plan);
    assert_eq!(text(&after, BUNDLE), ca.pem());
    let named = "corp_root_=old=.pem";
    assert_eq!(
        link(&after, &format!("/etc/ssl/certs/{named}")),
        "/usr/local/share/ca-certificates/corp root (old).crt"
    );
    assert_eq!(link(&after, &format!("/etc/ssl/certs/{}.0", ca.subject_hash)), named);
    assert_eq!(plan.of(StoreKind::Anchors).map(|step| step.did).collect::<Vec<_>>(), [Did::Already]);
}

#[test]
fn alpine_has_an_empty_line_after_each_and_a_prefix() {
    let (ca, theirs) = (anchor(), other());
    let root = root(&[
        ("/etc/alpine-release", "3.20"),
        ("/usr/sbin/update-ca-certificates", "x"),
        (BUNDLE, &format!("{0}\n{0}\n", theirs.pem())),
        ("/etc/ssl/cert.pem", "-> certs/ca-certificates.crt"),
    ]);
    let plan = there_and_back(&root, &Wish::new(&ca));
    let after = done(&root, &plan);
    assert_eq!(text(&after, BUNDLE), format!("{0}\n{0}\n{1}\n", theirs.pem(), ca.pem()));
    assert_eq!(link(&after, &format!("/etc/ssl/certs/{}.0", ca.subject_hash)), format!("ca-cert-{}.pem", ca.name));
    let bundles: Vec<_> = plan.of(StoreKind::Bundle).map(|step| step.path.as_str()).collect();
    assert_eq!(bundles, [BUNDLE], "two names, one file");
}

#[test]
fn rhel_has_everything_that_p11_kit_extracts() {
    let (ca, theirs) = (anchor(), other());
    let extracted = "/etc/pki/ca-trust/extracted";
    let commented = format!("# theirs\n{0}\n# theirs too\n{0}", theirs.pem());
    let (tls, mail, trusted) = (
        format!("{extracted}/pem/tls-ca-bundle.pem"),
        format!("{extracted}/pem/email-ca-bundle.pem"),
        format!("{extracted}/openssl/ca-bundle.trust.crt"),
    );
    let hash_folder = format!("{extracted}/pem/directory-hash");
    let root = root(&[
        ("/etc/pki/ca-trust/source/anchors/", ""),
        (&tls, &commented),
        (&mail, &commented),
        (&trusted, &commented),
        (&format!("{extracted}/edk2/cacerts.bin"), ""),
        (&format!("{hash_folder}/theirs.pem"), &theirs.pem()),
        (&format!("{hash_folder}/sidelight_CA_test_1.pem"), &theirs.pem()),
        (&format!("{hash_folder}/01234567.0"), "-> theirs.pem"),
        ("/etc/pki/tls/certs/ca-bundle.crt", "-> /etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"),
        ("/etc/pki/tls/certs/01234567.0", "-> ../../ca-trust/extracted/pem/directory-hash/01234567.0"),
        ("/etc/pki/tls/cert.pem", "-> certs/ca-bundle.crt"),
        ("/etc/ssl/certs", "-> ../pki/tls/certs"),
    ]);
    let plan = there_and_back(&root, &Wish::new(&ca));
    assert_eq!(plan.family, Some("RHEL"));
    let after = done(&root, &plan);
    let expected = format!("{commented}\n# sidelight CA test 1\n{}", ca.pem());
    assert_eq!(text(&after, &tls), expected);
    assert_eq!(text(&after, &mail), expected, "an anchor without purposes counts for mail too");
    let (blocks, faults) = pem::read(text(&after, &trusted).as_bytes());
    assert!(faults.is_empty());
    assert_eq!(blocks.last().unwrap().label, "TRUSTED CERTIFICATE");
    assert!(blocks.last().unwrap().data.starts_with(ca.der()));
    let copy = format!("{hash_folder}/sidelight_CA_test_1.1.pem");
    assert_eq!(text(&after, &copy), ca.pem(), "the name was taken");
    assert_eq!(after.look(&copy).unwrap().unwrap().mode, 0o444);
    for hash in ca.hashes() {
        assert_eq!(link(&after, &format!("{hash_folder}/{hash}.0")), "sidelight_CA_test_1.1.pem");
        let mirrored = link(&after, &format!("/etc/pki/tls/certs/{hash}.0"));
        assert_eq!(mirrored, format!("../../ca-trust/extracted/pem/directory-hash/{hash}.0"));
    }
    assert_eq!(after.read(&format!("{extracted}/edk2/cacerts.bin")).unwrap().len(), 44 + ca.der().len());
    assert!(matches!(after.look("/etc/pki/tls/cert.pem").unwrap().unwrap().kind, Kind::Link(_)), "links stay links");
}

#[test]
fn suse_keeps_its_comment_and_its_two_folders() {
    let (ca, theirs) = (anchor(), other());
    let comment = "#\n# automatically created by /usr/lib/ca-certificates/update.d/99certbundle.run. Do not edit!\n#\n";
    let bundle = format!("{comment}{0}{0}", theirs.pem());
    let folder = "/var/lib/ca-certificates";
    let root = root(&[
        ("/etc/pki/trust/anchors/", ""),
        (&format!("{folder}/ca-bundle.pem"), &bundle),
        (&format!("{folder}/pem/x.pem"), &theirs.pem()),
        (&format!("{folder}/openssl/x.pem"), &theirs.pem()),
        ("/etc/ssl/certs", "-> /var/lib/ca-certificates/pem"),
        ("/etc/ssl/ca-bundle.pem", "-> /var/lib/ca-certificates/ca-bundle.pem"),
    ]);
    let plan = there_and_back(&root, &Wish::new(&ca));
    assert_eq!(plan.family, Some("SUSE"));
    let after = done(&root, &plan);
    assert_eq!(text(&after, "/etc/ssl/ca-bundle.pem"), format!("{bundle}{}", ca.pem()));
    let trusted = text(&after, &format!("{folder}/openssl/{}.0", ca.subject_hash));
    assert!(trusted.starts_with("-----BEGIN TRUSTED CERTIFICATE-----\n"));
    assert_eq!(text(&after, &format!("{folder}/pem/{}.0", ca.subject_hash)), ca.pem());
}

#[test]
fn distroless_and_scratch_need_no_tool() {
    let (ca, theirs) = (anchor(), other());
    let distroless = root(&[(BUNDLE, &theirs.pem()), ("/etc/os-release", "ID=debian")]);
    let plan = there_and_back(&distroless, &Wish::new(&ca));
    assert_eq!(kinds(&plan), [(StoreKind::Bundle, BUNDLE)]);
    let scratch = root(&[("/app", "x")]);
    let plan = add(&scratch, &Wish::new(&ca).request());
    assert_eq!(plan.steps[0].did, Did::Created);
    assert_eq!(text(&done(&scratch, &plan), BUNDLE), ca.pem());
    assert!(plan.notes[0].contains("holds this certificate alone"), "{:?}", plan.notes);
    let folders: Vec<_> =
        plan.changes().filter(|change| change.kind == ChangeKind::Dir).map(|change| change.path.as_str()).collect();
    assert_eq!(folders, ["/etc", "/etc/ssl", "/etc/ssl/certs"]);
}

#[test]
fn what_packages_carry_and_variables_name_is_reached() {
    let (ca, theirs) = (anchor(), other());
    let certifi = "/usr/lib/python3/dist-packages/certifi/cacert.pem";
    let pip = "/opt/venv/lib/python3.12/site-packages/pip/_vendor/certifi/cacert.pem";
    let mut root = root(&[
        (BUNDLE, &theirs.pem()),
        (certifi, &theirs.pem()),
        (pip, &theirs.pem()),
        ("/srv/own.pem", &theirs.pem()),
        ("/proc/1/root/usr/lib/python3/dist-packages/certifi/cacert.pem", &theirs.pem()),
    ]);
    root.file("/usr/local/bin/node", None, 0o755, 0, 0);
    root.file("/home/u/.pki/nssdb/cert9.db", Some(b"SQLite format 3\0".to_vec()), 0o600, 1000, 1000);
    let wish = Wish::new(&ca).env("REQUESTS_CA_BUNDLE", "/srv/own.pem").env("SSL_CERT_FILE", "/none.pem");
    let plan = there_and_back(&root, &wish);
    let expected = [
        (StoreKind::Bundle, BUNDLE),
        (StoreKind::Bundle, "/srv/own.pem"),
        (StoreKind::Vendored, pip),
        (StoreKind::Vendored, certifi),
    ];
    assert_eq!(kinds(&plan), expected);
    assert!(plan.notes.iter().any(|note| note.contains("SSL_CERT_FILE names /none.pem")), "{:?}", plan.notes);
    assert_eq!(plan.variables.len(), 1);
    assert_eq!((plan.variables[0].name, plan.variables[0].value.as_str()), ("NODE_EXTRA_CA_CERTS", BUNDLE));
    let [left] = &plan.left[..] else { panic!("{:?}", plan.left) };
    assert_eq!(left.kind, StoreKind::Nss);
    assert!(left.fix.as_ref().unwrap().starts_with("certutil -A -d sql:/home/u/.pki/nssdb -n "), "{left:?}");
}

#[test]
fn an_openssl_of_ones_own_is_found_by_its_library() {
    let ca = anchor();
    let library = "\0OPENSSLDIR: \"/opt/ssl\"\0";
    let root = root(&[(BUNDLE, &other().pem()), ("/opt/lib/libcrypto.so.3", library), ("/opt/ssl/certs/", "")]);
    let plan = there_and_back_but_newline(&root, &ca);
    let after = done(&root, &plan);
    let hashed = format!("/opt/ssl/certs/{}.0", ca.subject_hash);
    assert_eq!(link(&after, &hashed), format!("{}.pem", ca.name));
    assert_eq!(text(&after, &hashed), ca.pem());
}

#[test]
fn hash_links_have_no_gap() {
    let ca = anchor();
    let hash = &ca.subject_hash;
    let root = root(&[
        ("/etc/ca-certificates.conf", ""),
        ("/usr/local/share/ca-certificates/", ""),
        (BUNDLE, ""),
        ("/etc/ssl/certs/theirs.pem", &other().pem()),
        (&format!("/etc/ssl/certs/{hash}.0"), "-> theirs.pem"),
    ]);
    let plan = add(&root, &Wish::new(&ca).request());
    let mut after = done(&root, &plan);
    assert_eq!(link(&after, &format!("/etc/ssl/certs/{hash}.1")), format!("{}.pem", ca.name));
    // Taking out the first lets the second move up.
    after.make(sidelight_model::trust::Change {
        path: "/etc/ssl/certs/theirs.pem".into(),
        kind: ChangeKind::File { bytes: other().pem().into() },
        mode: 0o644,
        uid: 0,
        gid: 0,
    });
    let theirs = other();
    let back = remove(&after, &Wish::new(&theirs).request());
    let mut left = Sketch::new(&after);
    back.changes().for_each(|change| left.make(change.clone()));
    assert_eq!(link(&left, &format!("/etc/ssl/certs/{hash}.0")), format!("{}.pem", ca.name));
    assert_eq!(left.look(&format!("/etc/ssl/certs/{hash}.1")).unwrap(), None);
}

#[test]
fn removing_a_root_of_the_distribution_switches_it_off() {
    let (ca, theirs) = (anchor(), other());
    let debian = root(&[
        ("/etc/ca-certificates.conf", "mozilla/ours.crt\nmozilla/theirs.crt\n"),
        ("/usr/share/ca-certificates/mozilla/ours.crt", &ca.pem()),
        ("/usr/share/ca-certificates/mozilla/theirs.crt", &theirs.pem()),
        ("/usr/local/share/ca-certificates/", ""),
        ("/etc/ssl/certs/ours.pem", "-> /usr/share/ca-certificates/mozilla/ours.crt"),
        (&format!("/etc/ssl/certs/{}.0", ca.subject_hash), "-> ours.pem"),
        (BUNDLE, &format!("{}{}", ca.pem(), theirs.pem())),
    ]);
    let plan = remove(&debian, &Wish::new(&ca).request());
    let after = done(&debian, &plan);
    assert_eq!(text(&after, BUNDLE), theirs.pem());
    assert_eq!(text(&after, "/etc/ca-certificates.conf"), "!mozilla/ours.crt\nmozilla/theirs.crt\n");
    assert_eq!(after.look("/etc/ssl/certs/ours.pem").unwrap(), None);
    assert_eq!(after.look(&format!("/etc/ssl/certs/{}.0", ca.subject_hash)).unwrap(), None);
    let rhel = root(&[
        ("/etc/pki/ca-trust/source/anchors/", ""),
        ("/usr/share/pki/ca-trust-source/ca-bundle.trust.p11-kit", &ca.pem()),
        ("/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", &format!("{}{}", ca.pem(), theirs.pem())),
    ]);
    let plan = remove(&rhel, &Wish::new(&ca).request());
    let after = done(&rhel, &plan);
    assert_eq!(text(&after, &format!("/etc/pki/ca-trust/source/blocklist/{}.crt", ca.name)), ca.pem());
    assert_eq!(text(&after, "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"), theirs.pem());
}

#[test]
fn only_what_was_asked_for_is_changed() {
    let ca = anchor();
    let root = root(&[
        ("/etc/ca-certificates.conf", ""),
        ("/usr/local/share/ca-certificates/", ""),
        (BUNDLE, ""),
        ("/x/certifi/cacert.pem", ""),
    ]);
    for kind in StoreKind::ALL {
        let wish = Wish { only: Some(vec![*kind]), ..Wish::new(&ca) };
        let plan = add(&root, &wish.request());
        assert!(plan.steps.iter().all(|step| step.kind == *kind), "{kind:?}: {plan:?}");
    }
}

#[test]
fn names_are_safe_in_files_and_shells() {
    assert!(anchor().name.starts_with("sidelight_CA_test_1-"), "{}", anchor().name);
    let leaf = Anchor::any(&der(LEAF)).unwrap();
    assert!(leaf.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)), "{}", leaf.name);
    assert!(matches!(Anchor::new(&der(LEAF)), Err(AnchorError::NoCa(_))));
}
