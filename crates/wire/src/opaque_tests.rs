//! Tests of the names: the first words of conversations as programs speak them.

use super::*;

/// Client, server, name.
const OPENINGS: &[(&[u8], &[u8], Option<&str>)] = &[
    (b"", b"SSH-2.0-OpenSSH_9.2p1\r\n", Some("ssh")),
    (b"SSH-2.0-Go\r\n", b"", Some("ssh")),
    (b"\x16\x03\x01\x02\x00\x01", b"", Some("tls")),
    (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", b"", Some("proxy-protocol")),
    (b"", b"RFB 003.008\n", Some("vnc")),
    (b"", b"INFO {\"server_id\":\"N\"} \r\n", Some("nats")),
    (b"", b"@RSYNCD: 31.0\n", Some("rsync")),
    (b"AMQP\0\0\x09\x01", b"", Some("amqp")),
    (b"AMQP\x03\x01\0\0", b"", Some("amqp")),
    (b"\x13BitTorrent protocol\0\0", b"", Some("bittorrent")),
    (b"\x10\x13\0\x04MQTT\x05\x02", b"", Some("mqtt")),
    (b"\x10\xa1\x01\0\x06MQIsdp\x03", b"", Some("mqtt")),
    (b"\0\0\0\xa4\xfeSMB@\0", b"", Some("smb")),
    (b"0032git-upload-pack /project.git\0host=x\0", b"", Some("git")),
    (b"\0AUTH EXTERNAL 30\r\n", b"", Some("dbus")),
    (b"l\0\x0b\0\0\0\0\0", b"", Some("x11")),
    (b"<?xml version='1.0'?>\n<stream:stream to='a'>", b"", Some("xmpp")),
    (b"\0\x11ClickHouse client", b"", Some("clickhouse")),
    (b"\0\x4a\0\0\x01\0\0\0\x01\x3a(DESCRIPTION=(CONNECT_DATA=", b"", Some("oracle")),
    (b"\0\0\0\x08\x04\xd2\x16\x2f", b"N", Some("postgres")),
    (b"\0\0\0\x29\0\x03\0\0user\0ann\0database\0db\0\0", b"R", Some("postgres")),
    (b"", b"\x4a\0\0\0\x0a8.0.36\0\x09\0\0\0", Some("mysql")),
    (b"\x12\x01\0\x0c\0\0\0\0\0\0\x15\0", b"", Some("mssql")),
    (b"\x3a\0\0\0\x01\0\0\0\0\0\0\0\xdd\x07\0\0\0\0\0\0", b"", Some("mongodb")),
    (b"\x03\0\0\x13\x0e\xe0\0\0\0\0\0\x01\0\x08\0\x03\0\0\0", b"", Some("rdp")),
    (b"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\0\x80\0", b"", Some("ldap")),
    (b"*1\r\n$4\r\nPING\r\n", b"", Some("redis")),
    (b"PING\r\n", b"+PONG\r\n", Some("redis")),
    (b"get key\r\n", b"END\r\n", Some("memcached")),
    (b"\x80\x0b\0\0\0\0\0\0", b"\x81\x0b\0\0", Some("memcached")),
    (b"", b"* OK IMAP4rev1 ready\r\n", Some("imap")),
    (b"", b"+OK ready <1.2@pop.test>\r\n", Some("pop3")),
    (b"CAPA\r\n", b"+OK\r\n", Some("pop3")),
    (b"lhlo c\r\n", b"220 l\r\n", Some("lmtp")),
    (b"", b"220 mail.test ESMTP Postfix\r\n", Some("smtp")),
    (b"EHLO c\r\n", b"220 mail.test\r\n", Some("smtp")),
    (b"USER anonymous\r\n", b"220 ready\r\n", Some("ftp")),
    (b"", b"220 (vsFTPd 3.0.3)\r\n", Some("ftp")),
    (b"", b"200 news.test ready\r\n", Some("nntp")),
    (b"", b"\"IMPLEMENTATION\" \"Dovecot\"\r\n", Some("managesieve")),
    (b"CAP LS 302\r\nNICK ann\r\n", b"", Some("irc")),
    (b"REGISTER sip:a.test SIP/2.0\r\n", b"", Some("sip")),
    (b"OPTIONS rtsp://a.test/ RTSP/1.0\r\n", b"", Some("rtsp")),
    (b"", b"\xff\xfd\x18\xff\xfd\x20", Some("telnet")),
    (b"\x05\x01\0", b"\x05\0", Some("socks5")),
    (b"\x04\0\0\0\x05\0\0\0\0", b"\x84\0\0\0\x06", Some("cassandra")),
    (b"\0\0\0\x11\0\x12\0\x03\0\0\0\x01\0\x05kafka\0\0", b"", Some("kafka")),
    (b"\0\x1d\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x08registry\x04test\0\0\x01\0\x01", b"", None),
    (b"\0\x1f\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x08registry\x04test\0\0\x01\0\x01", b"", Some("dns")),
    (b"\0\0\0\x20\x80\x01\0\x01\0\0\0\x04ping", b"", Some("thrift")),
    (b"\x80\0\0\x28\x12\x34\x56\x78\0\0\0\0\0\0\0\x02\0\x01\x86\xa3", b"", Some("sunrpc")),
    (b"\x01\x01\0\x01\0\x08\0\0\0\x01\0\0\0\0\0\0", b"", Some("fastcgi")),
    (b"\x12\x34\0\x01\x0a", b"", Some("ajp")),
    (b"<34>1 2026-11-22T19:00:00Z host su - - - failed\n", b"", Some("syslog")),
    (b"12 <34>Nov 22 x\n", b"", Some("syslog")),
    // Nothing that would be sure.
    (b"", b"", None),
    (b"hello", b"world", None),
    (b"PING\r\n", b"", None),
    (b"", b"220 ready\r\n", None),
    (b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\n", None),
    (b"\x00\x00\x00\x00", b"", None),
    (b"<html>", b"", None),
    (b"\x16", b"", None),
];

#[test]
fn conversations_are_named_by_their_first_words() {
    for (client, server, name) in OPENINGS {
        assert_eq!(looks_like(client, server), *name, "{} / {}", client.escape_ascii(), server.escape_ascii());
    }
}

#[test]
fn every_name_has_an_example() {
    for (name, _) in SIGNATURES {
        assert!(OPENINGS.iter().any(|(_, _, example)| example == &Some(*name)), "{name}");
    }
}

#[test]
fn no_beginning_of_an_example_is_named_otherwise() {
    for (client, server, name) in OPENINGS {
        for cut in 0..client.len().max(server.len()) {
            let beginning = looks_like(&client[..cut.min(client.len())], &server[..cut.min(server.len())]);
            assert!(beginning.is_none() || beginning == *name, "{cut} of {name:?}: {beginning:?}");
        }
    }
}
