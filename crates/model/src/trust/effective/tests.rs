//! Effective trust of hand-made surveys: rules that no program of the test machine can show, and the words that explain a loss.

use super::*;
use crate::trust::reference::Reference;
use crate::trust::{Config, Content, Entry, File, Format, Loss, Program, ProgramKind, Reader, Reading, Store};

/// The DER of the present list's root at `index`.
fn der(index: usize) -> Vec<u8> {
    let all = Reference::builtin().all().iter().filter_map(|root| root.certificate.as_ref());
    all.map(|certificate| certificate.der.clone()).nth(index).expect("a root")
}

fn file(path: &str, content: Content) -> (String, File) {
    let file = File { path: path.to_owned(), layer: None, mode: 0o644, uid: 0, gid: 0, size: 1, sha256: None, content };
    (path.to_owned(), file)
}

struct Image(Survey);

impl Image {
    fn new() -> Self {
        Self(Survey::default())
    }

    /// A store that every reader takes whole.
    fn store(mut self, path: &str, format: Format, roots: &[usize]) -> Self {
        let entries: Vec<Entry> = roots.iter().map(|index| self.entry(*index)).collect();
        let taken: Vec<usize> = (0..entries.len()).collect();
        let reads = |reader: &&Reader| match format {
            Format::Jks => **reader == Reader::JavaKeyStore,
            Format::NssDb => **reader == Reader::Nss,
            _ => !matches!(**reader, Reader::JavaKeyStore | Reader::Nss),
        };
        let reading =
            |reader: &Reader| Reading { reader: *reader, taken: taken.clone(), lost: Vec::new(), fails: None };
        let readings = Reader::ALL.iter().filter(reads).map(reading).collect();
        let store = Store { format, entries, keys: Vec::new(), faults: Vec::new(), readings, locked: false };
        self.0.files.extend([file(path, Content::Store(store))]);
        self
    }

    fn entry(&mut self, index: usize) -> Entry {
        let cert = self.0.pool.add(&der(index)).expect("a certificate");
        Entry { cert, alias: None, label: None, line: Some(1), offset: None, bits: None, is_anchor: true }
    }

    fn program(mut self, path: &str, program: Program, roots: Option<&[usize]>) -> Self {
        let store = roots.map(|roots| Store {
            format: Format::CompiledIn,
            entries: roots.iter().map(|index| self.entry(*index)).collect(),
            keys: Vec::new(),
            faults: Vec::new(),
            readings: Vec::new(),
            locked: false,
        });
        self.0.files.extend([file(path, Content::Program(program, store))]);
        self
    }

    fn text(mut self, path: &str, text: &str) -> Self {
        self.0.files.extend([file(path, Content::Text(text.to_owned()))]);
        self
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.0.config.env.push((name.to_owned(), value.to_owned()));
        self
    }

    fn command(mut self, words: &[&str]) -> Self {
        self.0.config = Config { entrypoint: words.iter().map(|word| (*word).to_owned()).collect(), ..self.0.config };
        self
    }

    fn of(&self, runtime: Runtime) -> Vec<Effective> {
        effective(&self.0, runtime, &Situation::default())
    }

    fn has(&self, one: &Effective, index: usize) -> bool {
        self.0.pool.find(&crate::x509::fingerprint(&der(index))).is_some_and(|cert| one.accepts(cert))
    }
}

fn program(values: &[(&'static str, &str)], markers: &[&'static str]) -> Program {
    Program {
        kind: ProgramKind::Executable,
        markers: markers.to_vec(),
        values: values.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(),
        go_modules: Vec::new(),
        known_keys: Vec::new(),
    }
}

const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

#[test]
fn fallback_roots_of_go_count_only_without_the_systems() {
    let mut go = program(&[("go", "go1.27.3")], &["x509usefallbackroots"]);
    go.go_modules = vec![("golang.org/x/crypto/x509roots/fallback".into(), "v0.0.0-20260601".into())];
    let image = || Image::new().program("/app/server", go.clone(), Some(&[1]));
    let bare = image();
    let found = bare.of(Runtime::Go);
    assert!(bare.has(&found[0], 1) && found[0].label.contains("server"), "{found:?}");
    let with_system = image().store(BUNDLE, Format::Pem, &[0]);
    let found = with_system.of(Runtime::Go);
    assert!(with_system.has(&found[0], 0) && !with_system.has(&found[0], 1));
    assert!(found[0].notes[0].contains("not used"), "{:?}", found[0].notes);
    let forced = image().store(BUNDLE, Format::Pem, &[0]).env("GODEBUG", "x509usefallbackroots=1");
    let found = forced.of(Runtime::Go);
    assert!(!forced.has(&found[0], 0) && forced.has(&found[0], 1));
}

#[test]
fn the_systems_roots_are_added_only_by_a_node_that_knows_the_option() {
    let node = |version| program(&[("node", version)], &["NODE_EXTRA_CA_CERTS"]);
    let image = |version| {
        let image = Image::new().program("/usr/local/bin/node", node(version), Some(&[0]));
        image.store("/etc/ssl/cert.pem", Format::Pem, &[1]).env("NODE_USE_SYSTEM_CA", "1")
    };
    for (version, is_added) in [("20.20.2", false), ("22.14.0", false), ("22.15.0", true), ("24.6.0", true)] {
        let image = image(version);
        let found = image.of(Runtime::Node);
        assert!(image.has(&found[0], 0));
        assert_eq!(image.has(&found[0], 1), is_added, "{version}: {:?}", found[0]);
    }
}

#[test]
fn each_bundle_of_python_is_a_result_of_its_own() {
    let image = Image::new()
        .program("/usr/bin/python3.12", program(&[], &[]), None)
        .store("/etc/ssl/cert.pem", Format::Pem, &[0])
        .store("/usr/lib/python3.12/site-packages/certifi/cacert.pem", Format::Pem, &[1])
        .store("/usr/lib/python3.12/site-packages/botocore/cacert.pem", Format::Pem, &[2])
        .store("/usr/lib/python3.12/site-packages/pip/_vendor/certifi/cacert.pem", Format::Pem, &[3])
        .store("/app/own.pem", Format::Pem, &[4])
        .env("REQUESTS_CA_BUNDLE", "/app/own.pem");
    let found = image.of(Runtime::Python);
    let labels: Vec<&str> = found.iter().map(|one| one.label.as_str()).collect();
    assert_eq!(labels, ["Python 3.12: ssl", "Python 3.12: boto (AWS)", "Python 3.12: requests", "Python 3.12: pip"]);
    assert!(image.has(&found[0], 0) && !image.has(&found[0], 4));
    for one in &found[1..] {
        assert!(image.has(one, 4) && !image.has(one, 1), "{one:?}");
    }
    assert!(found[0].notes.iter().any(|note| note.contains("requests looks at it")), "{:?}", found[0].notes);
}

#[test]
fn the_nearest_word_wins_and_is_named() {
    let image = Image::new()
        .store("/a.pem", Format::Pem, &[0])
        .store("/b.pem", Format::Pem, &[1])
        .program(
            "/start.sh",
            program(&[("text", "#!/bin/sh\nset -e\nexport SSL_CERT_FILE=/b.pem\nexec /app\n")], &[]),
            None,
        )
        .env("SSL_CERT_FILE", "/a.pem")
        .command(&["/start.sh"]);
    let found = image.of(Runtime::OpenSsl);
    assert!(image.has(&found[0], 1) && !image.has(&found[0], 0));
    assert_eq!(found[0].sources[0].why, "SSL_CERT_FILE in /start.sh, line 3");
    let by_hand = Situation { env: vec![("SSL_CERT_FILE".into(), Some("/a.pem".into()))], ..Situation::default() };
    let found = effective(&image.0, Runtime::OpenSsl, &by_hand);
    assert!(image.has(&found[0], 0) && found[0].sources[0].why.contains("as you gave it"));
    let unset = Situation { env: vec![("SSL_CERT_FILE".into(), None)], ..Situation::default() };
    assert_eq!(effective(&image.0, Runtime::OpenSsl, &unset)[0].roots, []);
    let command = Image::new().store("/b.pem", Format::Pem, &[1]).command(&["env", "SSL_CERT_FILE=/b.pem", "/app"]);
    let found = command.of(Runtime::OpenSsl);
    assert!(command.has(&found[0], 1));
    assert_eq!(found[0].sources[0].why, "SSL_CERT_FILE in the image's entrypoint");
}

#[test]
fn an_anchor_that_was_not_taken_in_is_lost_with_its_fix() {
    let image = Image::new()
        .store(BUNDLE, Format::Pem, &[0])
        .store("/usr/local/share/ca-certificates/corp.crt", Format::Pem, &[1])
        .program("/app/server", program(&[("go", "go1.27.3")], &[]), None);
    let found = image.of(Runtime::Go);
    let lost = &found[0].lost[0];
    assert_eq!(lost.file, "/usr/local/share/ca-certificates/corp.crt");
    assert!(lost.why.contains("has not taken it into the bundle") && lost.silent, "{lost:?}");
    assert_eq!(lost.fix.as_deref(), Some("update-ca-certificates"));
}

#[test]
fn works_with_curl_not_with_the_go_service() {
    let mut image = Image::new()
        .store(BUNDLE, Format::Pem, &[0, 1])
        .program("/usr/bin/curl", program(&[("needed", "libcurl.so.4")], &[]), None)
        .program("/app/server", program(&[("go", "go1.27.3")], &[]), None)
        .command(&["/app/server"]);
    let Some(Content::Store(store)) = image.0.files.get_mut(BUNDLE).map(|file| &mut file.content) else { panic!() };
    let go = store.readings.iter_mut().find(|reading| reading.reader == Reader::Go).expect("Go");
    go.taken = vec![0];
    go.lost = vec![Loss { entry: Some(1), why: "line 9: a byte order mark".into(), silent: true }];
    let (curl, go) = (image.of(Runtime::Curl).remove(0), image.of(Runtime::Go).remove(0));
    let compared = compare(&curl, &go);
    assert_eq!(compared.shared, 1);
    assert_eq!(compared.only_second, []);
    let cert = image.0.pool.find(&crate::x509::fingerprint(&der(1))).expect("the root");
    assert_eq!(compared.only_first, [(cert, format!("{BUNDLE}: line 9: a byte order mark"))]);
    let all = runtimes(&image.0, &Situation::default());
    assert_eq!((all[0].runtime, all[0].is_started), (Runtime::Go, true));
    assert!(all.iter().any(|detected| detected.runtime == Runtime::Curl));
}

#[test]
fn dates_matter_to_some() {
    let image = Image::new().store(BUNDLE, Format::Pem, &[0]).store("/etc/ssl/certs/java/cacerts", Format::Jks, &[0]);
    let later = Situation { now: Timestamp::parse("2090-01-01T00:00:00Z"), ..Situation::default() };
    let of = |runtime| effective(&image.0, runtime, &later).remove(0);
    let go = of(Runtime::Go);
    assert!(go.roots[0].refused.as_deref().is_some_and(|why| why.starts_with("it expired on 20")), "{go:?}");
    assert!(!image.has(&go, 0) && image.has(&of(Runtime::Java), 0) && image.has(&of(Runtime::RustNative), 0));
}

#[test]
fn every_runtime_has_an_answer_for_an_empty_image() {
    let empty = Image::new();
    for runtime in Runtime::ALL {
        let found = empty.of(*runtime);
        assert_eq!((found.len(), found[0].runtime), (1, *runtime));
        assert_eq!(found[0].accepted().count(), 0);
        assert!(found[0].notes.iter().any(|note| note.contains("was found")), "{runtime}: {:?}", found[0].notes);
    }
    assert_eq!(effective_auto(&empty.0, &Situation::default()), []);
    assert_eq!(runtimes(&empty.0, &Situation::default()), []);
}

#[test]
fn java_reads_what_it_is_told_else_jssecacerts_else_cacerts() {
    let image = Image::new()
        .text("/usr/lib/jvm/j/release", "IMPLEMENTOR=\"x\"\nJAVA_VERSION=\"17.0.2\"\n")
        .program("/usr/lib/jvm/j/lib/server/libjvm.so", program(&[], &[]), None)
        .store("/usr/lib/jvm/j/lib/security/cacerts", Format::Jks, &[0])
        .store("/usr/lib/jvm/j/lib/security/jssecacerts", Format::Jks, &[1])
        .store("/app/own.jks", Format::Jks, &[2]);
    let found = image.of(Runtime::Java);
    assert_eq!(found[0].version.as_deref(), Some("17.0.2"));
    assert!(image.has(&found[0], 1) && !image.has(&found[0], 0));
    let image = image.command(&["java", "-Djavax.net.ssl.trustStore=/app/own.jks", "-jar", "app.jar"]);
    let found = image.of(Runtime::Java);
    assert!(image.has(&found[0], 2) && found[0].sources[0].why.contains("the image's command"));
    let image = image.command(&["java", "-Djavax.net.ssl.trustStore=/app/gone.jks"]);
    assert!(image.of(Runtime::Java)[0].fails.as_deref().is_some_and(|why| why.contains("trustAnchors")));
}
