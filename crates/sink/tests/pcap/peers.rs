//! Other programs' TLS: Python with WebSocket messages, nginx with HTTP/2.

use sidelight_model::flow::{Decoded, HttpVersion, WebSocketKind};
use sidelight_testkit::origin::body;
use sidelight_testkit::peers;
use sidelight_testkit::process::run;
use sidelight_testkit::world::identity;

use crate::stage::Stage;

#[test]
fn websocket_messages_of_python() {
    let mut stage = Stage::new(&[]);
    let (chain, key) = identity(&stage.root).write_to(stage.folder.path(), "python");
    let mut server = stage.command(peers::python());
    server.env_remove("SSLKEYLOGFILE").arg(peers::script("websocket_server.py")).arg("4500").args([chain, key]);
    let _server = stage.server(&mut server, ([127, 0, 0, 1], 4500).into());
    let mut client = stage.command(peers::python());
    client.arg(peers::script("websocket_client.py")).env("WEBSOCKET_URL", "wss://origin.test:4500/chat");
    client.env("SIDE_CA", stage.path("root.pem"));
    run(&mut client).success();
    let imported = stage.import();
    let (_, exchange) = imported.exchange("/chat");
    assert_eq!(exchange.response.as_ref().unwrap().status, 101);
    let text = |decoded: &Decoded| match decoded {
        Decoded::WebSocket(message) if message.kind == WebSocketKind::Text => Some(message.kept.to_vec()),
        _ => None,
    };
    let texts: Vec<_> = imported.heard.decoded.iter().filter_map(text).collect();
    assert!(texts.iter().any(|text| text == b"hello"), "{:#?}", imported.summary());
}

#[test]
fn http2_of_nginx() {
    let mut stage = Stage::new(&[]);
    let (chain, key) = identity(&stage.root).write_to(stage.folder.path(), "nginx");
    std::fs::create_dir(stage.path("site")).unwrap();
    std::fs::write(stage.path("site/page"), body(0, 400_000)).unwrap();
    let home = stage.folder.path().display();
    let text = format!(
        "daemon off; pid {home}/pid; error_log stderr warn; user root; events {{}}\n\
         http {{ access_log off; server {{ listen 127.0.0.1:4501 ssl http2; root {home}/site;\n\
         ssl_certificate {}; ssl_certificate_key {}; }} }}\n",
        chain.display(),
        key.display()
    );
    std::fs::write(stage.path("nginx.conf"), text).unwrap();
    let mut nginx = stage.command("nginx");
    nginx.env_remove("SSLKEYLOGFILE").arg("-p").arg(stage.folder.path()).arg("-c").arg(stage.path("nginx.conf"));
    let _server = stage.server(&mut nginx, ([127, 0, 0, 1], 4501).into());
    run(&mut stage.curl(&["--http2", "--output", "out", "https://origin.test:4501/page"])).success();
    let imported = stage.import();
    let (conn, exchange) = imported.exchange("/page");
    assert_eq!(exchange.version, HttpVersion::Http2);
    assert_eq!(exchange.response.as_ref().unwrap().body.kept, body(0, 400_000));
    assert_eq!(conn.client_tls.as_ref().unwrap().alpn.as_deref(), Some(&b"h2"[..]));
}
