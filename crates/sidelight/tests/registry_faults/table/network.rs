//! Names, connections, proxies, and what is no TLS.

use std::io::Read as _;
use std::net::{Ipv4Addr, TcpStream};

use rustix::net::listen;
use sidelight_testkit::registry::{good, serve};
use sidelight_testkit::talk::Line;

use crate::ground::Ground;
use crate::ports::{bound, unheard};
use crate::row::{Row, Tool};

/// Hears the ClientHello.
fn hear_hello(line: &mut Line) {
    let _ = line.read(&mut [0; 16 * 1024]);
}

/// Answers the ClientHello with a fatal alert.
fn alert(name: &'static str, cause: &'static str, code: u8) -> Row {
    Row::talking(name, cause, move |mut line| {
        hear_hello(&mut line);
        line.say([0x15, 3, 3, 0, 2, 2, code]);
    })
}

/// A port at which SYNs get no answer: its queue is full.
fn silent_port() -> u16 {
    let (socket, port) = bound();
    listen(&socket, 0).expect("to listen");
    let first = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("the one that the queue takes");
    // The queue stays full as long as the process lives.
    std::mem::forget((socket, first));
    port
}

pub(super) fn rows(ground: &Ground) -> Vec<Row> {
    let at = |port: u16| format!("registry.test:{port}/team/app:1");
    let silent = Row::of("no answer to SYN", "connect_timeout", at(silent_port())).by(Tool::Ctr);
    let plain = serve(None, good);
    let plain_image = at(plain.address.port());
    let proxied = |name, cause, proxy: &str| Row::of(name, cause, at(unheard())).through(proxy);
    vec![
        silent,
        Row::talking("silence after the hello", "handshake_timeout", |mut line| {
            line.hear_all();
        }),
        Row::of("no such name", "dns_failure", "nosuch.invalid/team/app:1"),
        Row::of("nobody listens", "connection_refused", at(unheard())),
        Row::of("nobody listens, podman", "connection_refused", at(unheard())).by(Tool::Podman),
        Row::talking("closed after the hello", "connection_closed", |mut line| hear_hello(&mut line)),
        Row::talking("reset after the hello", "connection_reset", |mut line| {
            hear_hello(&mut line);
            line.reset();
        }),
        proxied("proxy is not there", "proxy_unreachable", &ground.proxies.absent),
        proxied("proxy wants a login", "proxy_auth_required", &ground.proxies.login),
        proxied("proxy refuses", "proxy_denied", &ground.proxies.denying),
        Row::of("plain HTTP", "plain_http", plain_image).beside(plain),
        Row::talking("SSH", "not_tls", |mut line| line.say("SSH-2.0-OpenSSH_9.2\r\n")),
        alert("TLS 1.0 alone", "protocol_too_old", 70),
        alert("no common cipher", "cipher_mismatch", 40),
        alert("unknown server name", "sni_unrecognized", 112),
        alert("internal error", "server_internal_alert", 80),
    ]
}
