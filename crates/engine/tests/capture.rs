//! What is captured below TLS: every byte of both sockets in order, and the secrets that decrypt them, as tshark sees it.

mod rig;
#[path = "rig/tshark.rs"]
mod tshark;

use std::process::Stdio;

use rig::{LIMIT, NAME, Pki, Rig, exchange, numbered, service, shake, tls_echo, wire};
use rustls::version::{TLS12, TLS13};
use sidelight_engine::{Capture, Mode, Settings};
use sidelight_model::flow::{ConnId, Direction, Event, EventKind, How, Leg, Verdict, WireEnd};
use sidelight_model::policy::Rules;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tshark::Files;

const BOTH: Direction = Direction::ToServer;
const ALL: Capture = Capture { packets: true, secrets: true };

fn capturing() -> Settings {
    Settings { capture: ALL, ..Settings::default() }
}

fn of(events: &[Event], conn: u64) -> Vec<Event> {
    events.iter().filter(|event| event.conn == ConnId(conn)).cloned().collect()
}

fn labels<'e>(events: &'e [Event], leg: Leg) -> Vec<&'e str> {
    let label = |event: &'e Event| match &event.kind {
        EventKind::Secret(on, line) if *on == leg => Some(line.label.as_str()),
        _ => None,
    };
    // A server that resumes derives this one even where no early data was offered.
    let mut labels: Vec<&str> =
        events.iter().filter_map(label).filter(|label| *label != "CLIENT_EARLY_TRAFFIC_SECRET").collect();
    labels.sort_unstable();
    labels
}

/// Lengths of what was read from the client, or written to the service, at a time.
fn pieces(events: &[Event], leg: Leg) -> Vec<usize> {
    let length = |event: &Event| match &event.kind {
        EventKind::Wire(on, Direction::ToServer, bytes) if *on == leg => Some(bytes.len()),
        _ => None,
    };
    events.iter().filter_map(length).collect()
}

fn ends(events: &[Event]) -> Vec<(Leg, Direction, WireEnd)> {
    let end = |event: &Event| match event.kind {
        EventKind::WireEnd(leg, direction, end) => Some((leg, direction, end)),
        _ => None,
    };
    events.iter().filter_map(end).collect()
}

fn position(events: &[Event], wanted: impl Fn(&EventKind) -> bool) -> usize {
    events.iter().position(|event| wanted(&event.kind)).expect("such an event")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tshark_decrypts_both_legs() {
    let said = numbered(300_000);
    for (version, expected) in [
        (&TLS12, &["CLIENT_RANDOM"][..]),
        (
            &TLS13,
            &[
                "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
                "CLIENT_TRAFFIC_SECRET_0",
                "EXPORTER_SECRET",
                "SERVER_HANDSHAKE_TRAFFIC_SECRET",
                "SERVER_TRAFFIC_SECRET_0",
            ],
        ),
    ] {
        let pki = Pki::new();
        let at = tls_echo(pki.server(&[version])).await;
        let mut rig = Rig::new(Mode::Forward(at.into()), capturing(), pki).await;
        let client = rig.client(&[version]);
        // The second one resumes the session of the first, on both sides.
        for conn in 1..=2 {
            assert!(exchange(rig.connect(&client).await, &said).await == said);
            let events = rig.events(1).await;
            for leg in [Leg::Client, Leg::Server] {
                assert_eq!(labels(&events, leg), expected, "{leg:?}, connection {conn}");
                assert_decrypts(&events, ConnId(conn), leg, &said);
            }
            assert_secrets_come_first(&events);
        }
    }
}

/// An echo of `said` is found in the leg's packets by its secrets, and tshark sees the hello as it was told.
fn assert_decrypts(events: &[Event], conn: ConnId, leg: Leg, said: &[u8]) {
    let files = Files::of(events, conn, leg);
    let decrypted = files.decrypted();
    assert!(decrypted.iter().all(|heard| heard == said), "{leg:?}, {conn:?}");
    assert_eq!(files.tshark(&["-Y", "_ws.malformed || tls.alert_message.level==2"]), "");
    let side = |event: &Event| match &event.kind {
        EventKind::ClientTls(side) if leg == Leg::Client => Some(side.clone()),
        EventKind::ServerTls(side) if leg == Leg::Server => Some(side.clone()),
        _ => None,
    };
    let side = events.iter().find_map(side).expect("TLS on this leg");
    assert_eq!(side.resumed, conn == ConnId(2), "{leg:?}");
    let hello = side.hello.as_ref().expect("the hello of this side");
    let fields = ["-Y", "tls.handshake.type==1", "-T", "fields", "-e", "tls.handshake.ja3"];
    assert_eq!(files.tshark(&fields).trim(), hello.ja3, "{leg:?}");
    assert_eq!(hello.sni.as_deref(), Some(NAME));
}

/// The first bytes that come after a ServerHello are encrypted: the secrets are told before them, on each leg.
fn assert_secrets_come_first(events: &[Event]) {
    for leg in [Leg::Client, Leg::Server] {
        let secret = position(events, |kind| matches!(kind, EventKind::Secret(on, _) if *on == leg));
        let is_answer = |kind: &EventKind| matches!(kind, EventKind::Wire(on, Direction::ToClient, _) if *on == leg);
        let first = position(events, is_answer);
        let modern = labels(events, leg).len() > 1;
        assert!(!modern || secret < first, "{leg:?}: the secret is event {secret}, the first answer {first}");
        let data = position(events, |kind| matches!(kind, EventKind::Data(..)));
        assert!(secret < data);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tshark_follows_key_updates() {
    let pki = Pki::new();
    let at = tls_echo(pki.server(&[&TLS13])).await;
    let mut rig = Rig::new(Mode::Forward(at.into()), capturing(), pki).await;
    let mut client = tokio::process::Command::new("openssl")
        .args(["s_client", "-quiet", "-no_ign_eof", "-servername", NAME, "-connect", &rig.at.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("openssl is installed");
    let mut say = client.stdin.take().unwrap();
    let mut hear = BufReader::new(client.stdout.take().unwrap()).lines();
    let talk = async {
        for (line, command) in [("before", None), ("after one", Some("K")), ("after another", Some("K"))] {
            if let Some(command) = command {
                say.write_all(format!("{command}\n").as_bytes()).await.unwrap();
                // A command stands alone at the beginning of what s_client reads at a time.
                tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            }
            say.write_all(format!("{line}\n").as_bytes()).await.unwrap();
            assert_eq!(hear.next_line().await.unwrap().as_deref(), Some(line));
        }
        drop(say);
        client.wait().await.unwrap();
    };
    tokio::time::timeout(LIMIT, talk).await.expect("the conversation ends");
    let events = rig.events(1).await;
    let files = Files::of(&events, ConnId(1), Leg::Client);
    let said = b"before\nafter one\nafter another\n".to_vec();
    assert_eq!(files.decrypted(), [said.clone(), said]);
    let updates = files.tshark(&["-Y", "tls.handshake.type==24", "-T", "fields", "-e", "tls.handshake.type"]);
    assert!(updates.matches("24").count() >= 2, "{updates}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_megabytes_pass_in_order() {
    let said = std::sync::Arc::new(numbered(50 << 20));
    let at = service(|socket| async move {
        let (mut reader, mut writer) = socket.into_split();
        let _ = tokio::io::copy(&mut reader, &mut writer).await;
        let _ = writer.shutdown().await;
    })
    .await;
    let mut rig = Rig::new(Mode::Forward(at.into()), capturing(), Pki::new()).await;
    let socket = TcpStream::connect(rig.at).await.unwrap();
    let client = socket.local_addr().unwrap();
    assert!(exchange(socket, &said).await == *said);
    let events = rig.events(1).await;
    for leg in [Leg::Client, Leg::Server] {
        for direction in [BOTH, BOTH.other()] {
            assert!(wire(&events, leg, direction) == *said, "{leg:?} {direction:?}");
        }
    }
    let mut told = ends(&events);
    told.sort_by_key(|(leg, direction, _)| (*leg, *direction));
    let fin = |leg, direction| (leg, direction, WireEnd::Fin);
    let wanted = [Leg::Client, Leg::Server].map(|leg| [fin(leg, BOTH), fin(leg, BOTH.other())]);
    assert_eq!(told, wanted.concat());
    let socket = |wanted: Leg| {
        let found = position(&events, |kind| matches!(kind, EventKind::Socket(leg, _) if *leg == wanted));
        let EventKind::Socket(_, ends) = events[found].kind else { panic!("it is a socket") };
        ends
    };
    assert_eq!((socket(Leg::Client).from, socket(Leg::Client).to), (client, rig.at));
    assert_eq!(socket(Leg::Server).to, at);
    assert_eq!(labels(&events, Leg::Client), [""; 0], "no TLS, no secrets");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_relayed_untouched_is_captured_too() {
    let pki = Pki::new();
    let at = tls_echo(pki.server(&[&TLS13])).await;
    let rules = Rules { pass: vec![NAME.parse().unwrap()], ..Rules::default() };
    let mut rig = Rig::new(Mode::Explicit { tls: false }, Settings { rules, ..capturing() }, pki).await;
    let config = rig.client(&[&TLS13]);
    let mut socket = TcpStream::connect(rig.at).await.unwrap();
    let asked = format!("CONNECT {NAME}:{} HTTP/1.1\r\n\r\n", at.port());
    socket.write_all(asked.as_bytes()).await.unwrap();
    let mut answer = [0; 39];
    socket.read_exact(&mut answer).await.unwrap();
    assert!(answer.ends_with(b"\r\n\r\n"), "{}", answer.escape_ascii());
    let said = numbered(100_000);
    assert!(exchange(shake(socket, &config).await, &said).await == said);
    let events = rig.events(1).await;
    let [client, server] =
        [Leg::Client, Leg::Server].map(|leg| [BOTH, BOTH.other()].map(|way| wire(&events, leg, way)));
    assert!(client[0].starts_with(asked.as_bytes()) && client[1].starts_with(&answer), "the preamble is on the leg");
    assert!(client[0][asked.len()..] == server[0] && client[1][answer.len()..] == server[1]);
    assert!(server[0].len() > said.len() && server[0].starts_with(&[22, 3, 1]));
    let pieces = pieces(&events, Leg::Client);
    let hello_length = 5 + usize::from(u16::from_be_bytes([server[0][3], server[0][4]]));
    assert_eq!(pieces[..2], [asked.len(), hello_length], "what was sent at once is read at once");
    let hello = position(&events, |kind| matches!(kind, EventKind::Hello(_)));
    let decided = position(&events, |kind| matches!(kind, EventKind::Decided(it) if it.verdict == Verdict::Relay));
    assert!(hello < decided);
    assert!(!events.iter().any(|event| matches!(event.kind, EventKind::Data(..) | EventKind::Secret(..))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_inside_tls_tells_the_secrets_of_both() {
    let pki = Pki::new();
    let at = tls_echo(pki.server(&[&TLS13])).await;
    let mut rig = Rig::new(Mode::Explicit { tls: true }, capturing(), pki).await;
    let config = rig.client(&[&TLS13]);
    let mut outer = rig.connect(&config).await;
    outer.write_all(format!("CONNECT {NAME}:{} HTTP/1.1\r\n\r\n", at.port()).as_bytes()).await.unwrap();
    outer.read_exact(&mut [0; 39]).await.unwrap();
    let name = rustls_pki_types::ServerName::try_from(NAME).unwrap();
    let mut inner = tokio_rustls::TlsConnector::from(config).connect(name, outer).await.unwrap();
    inner.write_all(b"deep inside").await.unwrap();
    inner.read_exact(&mut [0; 11]).await.unwrap();
    inner.shutdown().await.unwrap();
    drop(inner);
    let events = rig.events(1).await;
    let randoms: std::collections::HashSet<_> = events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::Secret(Leg::Client, line) => Some(line.client_random),
            _ => None,
        })
        .collect();
    assert_eq!((randoms.len(), labels(&events, Leg::Client).len()), (2, 10));
    let files = Files::of(&events, ConnId(1), Leg::Client);
    // tshark opens the outer one; in it stands the hello of the inner one, whose secrets are told too.
    let outer = files.decrypted().concat();
    let holds = |part: &[u8]| outer.windows(part.len()).any(|window| window == part);
    assert!(holds(b"CONNECT origin.test:") && holds(b"HTTP/1.1 200 "));
    let inside = randoms.iter().filter(|random| holds(&random[..])).count();
    assert_eq!(inside, 1, "one hello is inside the other's conversation");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_call_to_the_service_is_a_socket_of_its_own() {
    // It hangs up on whatever it hears, so the client's own hello is tried on a new connection.
    let at = service(|mut socket| async move {
        let _ = socket.read(&mut [0; 5]).await;
    })
    .await;
    let mut rig = Rig::new(Mode::Forward(at.into()), capturing(), Pki::new()).await;
    let config = rig.client(&[&TLS13]);
    let socket = TcpStream::connect(rig.at).await.unwrap();
    let name = rustls_pki_types::ServerName::try_from(NAME).unwrap();
    assert!(tokio_rustls::TlsConnector::from(config).connect(name, socket).await.is_err());
    let events = rig.events(1).await;
    let of_server: Vec<&EventKind> = events
        .iter()
        .map(|event| &event.kind)
        .filter(|kind| matches!(kind, EventKind::Socket(Leg::Server, _) | EventKind::WireEnd(Leg::Server, ..)))
        .collect();
    let sockets: Vec<usize> =
        (0..of_server.len()).filter(|index| matches!(of_server[*index], EventKind::Socket(..))).collect();
    assert_eq!(sockets.len(), 2, "{of_server:?}");
    assert!(sockets[1] > 1, "the first one ended before the second began: {of_server:?}");
    let hello = wire(&events, Leg::Client, BOTH);
    assert!(wire(&events, Leg::Server, BOTH).ends_with(&hello), "the client's own hello went out");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resets_are_told_as_resets() {
    let at = service(|mut socket| async move {
        let _ = socket.write_all(b"220 hello\r\n").await;
        let mut rest = Vec::new();
        let _ = socket.read_to_end(&mut rest).await;
    })
    .await;
    let mut rig = Rig::new(Mode::Forward(at.into()), capturing(), Pki::new()).await;
    let mut socket = TcpStream::connect(rig.at).await.unwrap();
    let mut greeting = [0; 11];
    socket.read_exact(&mut greeting).await.unwrap();
    socket2::SockRef::from(&socket).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(socket);
    let events = rig.events(1).await;
    assert!(events.iter().any(|it| matches!(&it.kind, EventKind::Closed(end) if matches!(end.how, How::ClientCut(_)))));
    assert_eq!(
        ends(&events),
        [(Leg::Client, BOTH, WireEnd::Reset), (Leg::Server, BOTH, WireEnd::Reset)],
        "the client's, and ours"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_captured_unless_asked() {
    for (packets, secrets) in [(false, false), (false, true), (true, false)] {
        let capture = Capture { packets, secrets };
        let pki = Pki::new();
        let at = tls_echo(pki.server(&[&TLS13])).await;
        let mut rig = Rig::new(Mode::Forward(at.into()), Settings { capture, ..Settings::default() }, pki).await;
        let config = rig.client(&[&TLS13]);
        assert_eq!(exchange(rig.connect(&config).await, b"word").await, b"word");
        let events = of(&rig.events(1).await, 1);
        let packets = events.iter().any(|it| matches!(it.kind, EventKind::Socket(..) | EventKind::Wire(..)));
        let secrets = events.iter().any(|it| matches!(it.kind, EventKind::Secret(..)));
        assert_eq!(Capture { packets, secrets }, capture);
    }
}
