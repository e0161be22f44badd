//! TLS as OpenSSL speaks it: every kind of cipher suite, resumption, early data, changes of keys, a second hello.

use std::process::Command;

use sidelight_model::flow::{ConnectionRecord, Exchange};
use sidelight_testkit::Running;
use sidelight_testkit::origin::body;
use sidelight_testkit::process::run;
use sidelight_testkit::world::identity;

use crate::stage::{Imported, Stage};

const PORT: u16 = 4433;
const LENGTH: u64 = 70_001;

/// A stage with a server's certificate and the file that it serves.
fn stage() -> Stage {
    let stage = Stage::new(&["-i", "lo", "tcp"]);
    identity(&stage.root).write_to(stage.folder.path(), "server");
    std::fs::write(stage.path("page"), body(0, LENGTH)).unwrap();
    stage
}

/// `openssl s_server`, which serves the files of its folder unless it is told otherwise.
fn server(stage: &Stage, options: &[&str]) -> Running {
    let (chain, key) = identity(&stage.root).write_to(stage.folder.path(), "server");
    let mut command = stage.command("sh");
    // Its standard input must not end.
    command.args(["-c", "mkfifo -m 600 input 2>/dev/null; exec \"$@\" 0<>input", "sh", "openssl", "s_server"]);
    command.args(["-accept", &PORT.to_string(), "-http_server_binmode"]);
    command.arg("-cert").arg(&chain).arg("-cert_chain").arg(&chain).arg("-key").arg(key).args(options);
    stage.server(&mut command, ([127, 0, 0, 1], PORT).into())
}

/// `openssl s_client`, to which a shell says `input`.
fn client(stage: &Stage, input: &str, options: &[&str]) -> Command {
    let mut command = stage.command("sh");
    command.args(["-c", &format!("({input}) | \"$@\""), "sh", "openssl", "s_client", "-keylogfile", "keys"]);
    command.args(["-connect", &format!("127.0.0.1:{PORT}"), "-servername", "origin.test", "-CAfile", "root.pem"]);
    command.args(options);
    command
}

const GET: &str = "printf 'GET /page HTTP/1.0\\r\\n\\r\\n'";

/// The exchanges with a whole body, in the order of time.
fn pages(imported: &Imported) -> Vec<&(ConnectionRecord, Exchange)> {
    let is_whole = |exchange: &Exchange| {
        exchange.response.as_ref().is_some_and(|it| it.body.length == LENGTH && it.body.kept == body(0, LENGTH))
    };
    imported.heard.exchanges.iter().filter(|(_, exchange)| is_whole(exchange)).collect()
}

#[test]
fn every_cipher_suite() {
    let mut stage = stage();
    let old = [
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-ECDSA-AES128-CCM",
        "ECDHE-ECDSA-AES256-CCM8",
        "ECDHE-ECDSA-AES128-SHA",
        "ECDHE-ECDSA-AES256-SHA384",
    ];
    let new = [
        "TLS_AES_128_GCM_SHA256",
        "TLS_AES_256_GCM_SHA384",
        "TLS_CHACHA20_POLY1305_SHA256",
        "TLS_AES_128_CCM_SHA256",
        "TLS_AES_128_CCM_8_SHA256",
    ];
    let all = format!("{}:@SECLEVEL=0", old.join(":"));
    let _server = server(&stage, &["-WWW", "-cipher", &all, "-ciphersuites", &new.join(":")]);
    for cipher in old {
        run(&mut client(&stage, GET, &["-quiet", "-tls1_2", "-cipher", &format!("{cipher}:@SECLEVEL=0")])).success();
    }
    for cipher in new {
        run(&mut client(&stage, GET, &["-quiet", "-tls1_3", "-ciphersuites", cipher])).success();
    }
    let imported = stage.import();
    let found: Vec<_> = pages(&imported).iter().map(|(conn, _)| conn.server_tls.clone().unwrap()).collect();
    assert_eq!(found.len(), old.len() + new.len(), "{:#?}", imported.summary());
    for (side, cipher) in found.iter().zip(old.iter().chain(&new)) {
        let words: Vec<_> = cipher.split(['-', '_']).filter(|word| word.len() > 3).collect();
        assert!(side.cipher.contains(&words[0][..3.min(words[0].len())]), "{} for {cipher}", side.cipher);
        assert!(!side.chain.is_empty() && !side.resumed && side.group.as_deref() == Some("x25519"), "{side:?}");
    }
}

#[test]
fn sessions_are_resumed() {
    let mut stage = stage();
    for (version, options) in [("-tls1_2", &["-WWW"][..]), ("-tls1_2", &["-WWW", "-no_ticket"]), ("-tls1_3", &["-WWW"])]
    {
        let _server = server(&stage, options);
        run(&mut client(&stage, GET, &["-quiet", version, "-sess_out", "session"])).success();
        run(&mut client(&stage, GET, &["-quiet", version, "-sess_in", "session"])).success();
    }
    let imported = stage.import();
    let sides: Vec<_> = pages(&imported).iter().map(|(conn, _)| conn.server_tls.clone().unwrap()).collect();
    let found: Vec<_> = sides.iter().map(|side| (side.resumed, side.chain.is_empty())).collect();
    assert_eq!(found, [(false, false), (true, true)].repeat(3), "{:#?}", imported.summary());
}

#[test]
fn early_data_is_read_when_it_was_accepted() {
    let mut stage = stage();
    std::fs::write(stage.path("early"), "GET /early HTTP/1.0\r\n\r\n").unwrap();
    {
        let _server = server(&stage, &["-early_data"]);
        run(&mut client(&stage, "sleep 0.5", &["-tls1_3", "-sess_out", "session"])).success();
        run(&mut client(&stage, "sleep 0.5", &["-tls1_3", "-sess_in", "session", "-early_data", "early"])).success();
    }
    // The next one knows nothing of that session: it rejects, and the client says nothing more.
    let _server = server(&stage, &["-WWW"]);
    run(&mut client(&stage, GET, &["-quiet", "-tls1_3", "-sess_in", "session", "-early_data", "early"])).success();
    let imported = stage.import();
    let early: Vec<_> = imported.heard.data.values().filter(|data| data[0].starts_with(b"GET /early")).collect();
    assert_eq!(early.len(), 1, "{:#?}", imported.summary());
    assert_eq!(pages(&imported).len(), 1, "{:#?}", imported.summary());
}

#[test]
fn keys_change_and_hellos_come_twice() {
    let mut stage = stage();
    // These commands work as long as the client's input has not ended.
    let update = format!("sleep 0.3; echo K; sleep 0.3; echo K; sleep 0.3; {GET}; sleep 3");
    let again = format!("sleep 0.3; echo R; sleep 0.5; {GET}; sleep 3");
    {
        let _server = server(&stage, &["-WWW", "-client_renegotiation"]);
        run(&mut client(&stage, &update, &["-tls1_3"])).success();
        run(&mut client(&stage, &again, &["-tls1_2"])).success();
    }
    let _server = server(&stage, &["-WWW", "-groups", "P-384"]);
    run(&mut client(&stage, GET, &["-quiet", "-tls1_3", "-groups", "X25519:P-384"])).success();
    let imported = stage.import();
    assert_eq!(pages(&imported).len(), 3, "{:#?}", imported.summary());
    let group = pages(&imported)[2].0.server_tls.as_ref().unwrap().group.clone();
    assert_eq!(group.as_deref(), Some("secp384r1"));
}

#[test]
fn tls_may_begin_later() {
    let mut stage = stage();
    let script = "import socket,ssl,sys\n\
        socket.setdefaulttimeout(30)\n\
        s=socket.create_server(('127.0.0.1',4433));print('ready',flush=True);c,_=s.accept()\n\
        c.sendall(b'220 mail.test ESMTP\\r\\n')\n\
        c.recv(999);c.sendall(b'250-mail.test\\r\\n250 STARTTLS\\r\\n')\n\
        c.recv(999);c.sendall(b'220 go ahead\\r\\n')\n\
        x=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER);x.load_cert_chain(sys.argv[1],sys.argv[2])\n\
        t=x.wrap_socket(c,server_side=True);t.recv(999);t.sendall(b'250 pleased to meet you\\r\\n');t.unwrap()\n";
    let (chain, key) = identity(&stage.root).write_to(stage.folder.path(), "server");
    let mut python = stage.command("python3");
    python.args(["-c", script]).args([chain, key]);
    let mut server = Running::start(&mut python, &stage.path("python.log"));
    let log = stage.path("python.log");
    server.until("listening", || std::fs::read_to_string(&log).is_ok_and(|text| text.contains("ready")));
    let input = "sleep 0.3; printf 'EHLO inside\\r\\n'; sleep 0.5";
    run(&mut client(&stage, input, &["-quiet", "-starttls", "smtp"]));
    drop(server);
    let imported = stage.import();
    let data: Vec<_> = imported.heard.data.values().collect();
    let [both] = data.as_slice() else { panic!("{:#?}", imported.summary()) };
    let text = both.each_ref().map(|side| String::from_utf8_lossy(side).into_owned());
    assert!(text[0].contains("STARTTLS\r\n") && text[0].ends_with("EHLO inside\r\n"), "{text:?}");
    assert!(text[1].starts_with("220 mail.test") && text[1].ends_with("pleased to meet you\r\n"), "{text:?}");
    assert!(imported.heard.closed[0].client_tls.is_some());
}
