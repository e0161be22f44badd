//! The services and clients of the demonstration against each other, with a bare CONNECT proxy that only copies between them.
//! In: nothing. Out: every visit that can succeed without interception does; those that need one fail as they should.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// Answers CONNECT and copies; all names are loopback.
async fn bare_proxy() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut client = BufReader::new(socket);
                let mut line = String::new();
                client.read_line(&mut line).await.unwrap();
                let authority = line.split(' ').nth(1).unwrap().to_owned();
                let port: u16 = authority.rsplit_once(':').unwrap().1.parse().unwrap();
                while line != "\r\n" {
                    line.clear();
                    client.read_line(&mut line).await.unwrap();
                }
                let mut service = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
                client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                let _ = copy_bidirectional(&mut client, &mut service).await;
            });
        }
    });
    address
}

#[tokio::test]
async fn every_visit_plays() {
    let services = Services::start().await.unwrap();
    let proxy = bare_proxy().await;
    // Without an interception, the services' own CA is what clients see.
    for visit in visits(proxy, &services.ca_der, &services) {
        let outcome = visit.act.await;
        if visit.title.contains("pins") {
            let error = outcome.unwrap_err().to_string();
            assert!(error.contains("the certificate of pinned.test was accepted"), "{error}");
        } else {
            outcome.unwrap_or_else(|error| panic!("{}: {error}", visit.title));
        }
    }
}

#[tokio::test]
async fn a_client_that_trusts_nobody_gets_nowhere() {
    let services = Services::start().await.unwrap();
    let proxy = bare_proxy().await;
    let other = Issuer::new("another").unwrap();
    let failed = visits(proxy, &other.der(), &services).into_iter().take(4);
    for visit in failed {
        assert!(visit.act.await.unwrap_err().to_string().contains("certificate"), "{}", visit.title);
    }
}
