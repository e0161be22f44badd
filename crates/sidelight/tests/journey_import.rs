//! What sidelight has captured, read back. In: the real program with real clients, recording and capturing at once. Out: the import of
//! the capture holds what the recording holds.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use sidelight_model::finding::Finding;
use sidelight_model::flow::{ConnectionRecord, Decoded, Exchange, TlsSide};
use sidelight_sink::bus::Consumer;
use sidelight_sink::import::{ImportOptions, ImportReport, import};
use sidelight_sink::ledger::Ledger;
use sidelight_sink::store::{Query, Recording};
use sidelight_testkit::world::{self, NAME, python};
use sidelight_testkit::{Issuer, Origin, World, peers};
use sidelight_wire::flow_decoder::Limits;

const PROGRAM: &str = env!("CARGO_BIN_EXE_sidelight");

/// What a consumer was told, in words that do not depend on the moment: by connection, in the order in which it was told.
#[derive(Clone, Default)]
struct Ear(Arc<Mutex<BTreeMap<u64, Vec<String>>>>);

impl Ear {
    fn note(&self, conn: &ConnectionRecord, words: String) {
        self.0.lock().expect("no panic").entry(conn.id.0).or_default().push(words);
    }

    /// The connections on which something was found; their numbers do not count.
    fn connections(&self) -> Vec<Vec<String>> {
        let mut all: Vec<_> = self.0.lock().expect("no panic").values().cloned().collect();
        all.sort();
        all
    }
}

fn side(side: Option<&Arc<TlsSide>>) -> String {
    let shown = |it: &Arc<TlsSide>| {
        // A resumed handshake shows no certificates; the recording has those of the first one.
        let shown = it.chain.iter().filter(|_| !it.resumed);
        let chain: Vec<_> = shown.map(sidelight_testkit::sha256).collect();
        let ja3 = it.hello.as_ref().map(|hello| hello.ja3.clone());
        format!("{:?} {} {:?} {:?} {} {chain:?} {ja3:?}", it.version, it.cipher, it.alpn, it.sni, it.resumed)
    };
    side.map_or_else(|| "none".to_owned(), shown)
}

impl Consumer for Ear {
    fn exchange(&mut self, conn: &ConnectionRecord, it: &Arc<Exchange>) {
        let (mut request, mut response) = (it.request.clone(), it.response.clone());
        let bodies = request.iter_mut().map(|it| &mut it.body).chain(response.iter_mut().map(|it| &mut it.body));
        for body in bodies {
            let digest = sidelight_testkit::sha256(&body.kept);
            body.kept = digest.into_bytes().into();
        }
        self.note(
            conn,
            format!("{} {:?} {request:?} {response:?} {:?} {:?}", it.stream, it.version, it.grpc, it.pushed),
        );
    }

    fn decoded(&mut self, conn: &ConnectionRecord, decoded: &Decoded) {
        if let Decoded::WebSocket(it) = decoded {
            self.note(conn, format!("{:?} {:?} {:?} {}", it.direction, it.kind, it.kept, it.frames));
        }
    }

    fn finding(&mut self, _: &ConnectionRecord, _: &Finding) {}

    fn closed(&mut self, conn: &ConnectionRecord) {
        let verdict = conn.decision.as_ref().map(|it| it.verdict);
        let process = conn.process.as_ref().map(|it| (it.pid, it.name.clone()));
        let target = conn.target.as_ref().map(ToString::to_string);
        self.note(conn, format!("{verdict:?} {target:?} {process:?} {:?}", conn.upstream));
        self.note(conn, format!("service {}", side(conn.server_tls.as_ref())));
        self.note(conn, format!("client {}", side(conn.client_tls.as_ref())));
    }

    fn end(&mut self, _: &Ledger) {}
}

fn imported(path: &Path) -> (ImportReport, Ear) {
    let ear = Ear::default();
    let limits = Limits { body_kept: 1 << 20, hash_bodies: true, ..Limits::default() };
    let options = ImportOptions { limits, ..ImportOptions::default() };
    let report = import(path, &options, &mut [Box::new(ear.clone())]).unwrap_or_else(|error| panic!("{error}"));
    (report, ear)
}

/// Runs clients with a recording and a capture of this content; gives both.
fn recorded(content: &str) -> (Ear, ImportReport, Ear) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let (store, capture) = (path("it.sidelight"), path("it.pcapng"));
    let options = ["--mode", "explicit@127.0.0.1:0", "--store", &store, "--pcap", &capture, "--pcap-content", content];
    let root = Issuer::root("Import Test Root");
    let identity = world::identity(&root);
    let websocket = peers::python_server("websocket_server.py", folder.path(), &identity);
    let origin = Origin::https("127.0.0.1:0", &identity, &["h2", "http/1.1"]);
    let plain = Origin::plain("127.0.0.1:0");
    let world = World::around(PROGRAM, root, origin, &options, 1);
    for arguments in [&["--http1.1"][..], &["--http2"], &["--tls-max", "1.2"]] {
        world.compare(|side| side.curl(&[arguments, &[&side.url("/bytes/300007"), &side.url("/trailers")]].concat()));
        world.compare(|side| side.curl(&[arguments, &[&side.url("/echo"), "--data", "hello"]].concat()));
    }
    world.compare(|side| {
        let mut python = python(side, "websocket_client.py");
        python.env("WEBSOCKET_URL", format!("wss://{NAME}:{}/chat", websocket.address.port()));
        python
    });
    let url = format!("http://{NAME}:{}/bytes/5000", plain.address().port());
    world.compare(|side| side.curl(&["--proxytunnel", &url]));
    world.sidelight.stop();
    let ear = Ear::default();
    let recording = Recording::open(Path::new(&store)).expect("a recording");
    recording.replay(&Query::default(), &mut [Box::new(ear.clone())]).expect("a replay");
    let (report, other) = imported(Path::new(&capture));
    (ear, report, other)
}

#[test]
fn a_capture_holds_what_the_recording_holds() {
    for content in ["tls", "both"] {
        let (recording, report, capture) = recorded(content);
        assert!(report.damage.is_empty(), "{:?}", report.damage);
        let (ours, theirs) = (capture.connections(), recording.connections());
        assert_eq!(ours.len(), theirs.len(), "{content}\n{ours:#?}\n{theirs:#?}");
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert!(ours == theirs, "{content}\n{ours:#?}\n{theirs:#?}");
        }
    }
}

#[test]
fn the_content_alone_holds_the_exchanges() {
    let (recording, report, capture) = recorded("plain");
    assert!(report.damage.is_empty(), "{:?}", report.damage);
    let found = |ear: &Ear| {
        let is_found = |words: &String| !words.starts_with("service ") && !words.starts_with("client ");
        let mut all: Vec<_> = ear.connections().into_iter().flatten().filter(is_found).collect();
        all.sort();
        all
    };
    let (ours, theirs) = (found(&capture), found(&recording));
    assert_eq!(ours.len(), theirs.len(), "{ours:#?}\n{theirs:#?}");
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours, theirs);
    }
}
