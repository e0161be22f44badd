//! A look at a server of this process, and what the tests of its parts need.

use std::sync::Arc;
use std::time::Duration;

use rustls::sign::SingleCertAndKey;
use sidelight_model::diagnose::{Adding, End, Question};
use sidelight_model::flow::{Authority, Host};
use sidelight_model::time::Timestamp;
use sidelight_model::x509::path::Profile;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::{LOOK, Ways, look};
use crate::ca::{Authority as CertificateAuthority, CaOptions};
use crate::forge::Forge;
use crate::resolve::Resolver;
use crate::tls::{Trusted, server_builder};

pub(super) fn question(target: &str) -> Question {
    let target: Authority = target.parse().unwrap();
    Question {
        name: target.host.clone(),
        target,
        sni: None,
        sni_forbidden: false,
        at: Timestamp::from_secs(0),
        rules: Profile::Strict,
        alpn: Vec::new(),
        starttls: None,
        proxy: None,
        patience: Duration::from_secs(5),
        may_fetch: true,
        every_address: false,
        client: None,
        source: None,
        adding: Adding::default(),
        trust_options: String::new(),
    }
}

pub(super) fn ways() -> Ways {
    let given = [("inside.test".to_owned(), vec!["127.0.0.1".parse().unwrap()])].into();
    Ways {
        resolver: Resolver::new(given),
        resolver_name: Default::default(),
        proxy: None,
        identity: None,
        trusted: Trusted::default(),
        progress: None,
    }
}

#[tokio::test]
async fn a_look_ends_in_order_and_says_nothing() {
    let now = super::now();
    let authority = Arc::new(CertificateAuthority::ephemeral(&CaOptions::default(), now).unwrap());
    let leaf = Forge::new(authority).unwrap().own_leaf(&Host::parse("127.0.0.1").unwrap(), now).unwrap();
    let resolver = SingleCertAndKey::from((*leaf).clone());
    let mut config = server_builder().with_no_client_auth().with_cert_resolver(Arc::new(resolver));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap().to_string();
    let server = tokio::spawn(async move {
        let (conn, _) = listener.accept().await.unwrap();
        let start = tokio_rustls::LazyConfigAcceptor::new(Default::default(), conn).await.unwrap();
        let marked = start.client_hello().alpn().is_some_and(|mut offered| offered.any(|name| name == LOOK));
        let accepted = start.into_stream(Arc::new(config)).await;
        let mut stream = accepted.expect("the handshake is finished");
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).await.expect("a close_notify");
        stream.write_all(b"still here").await.expect("no reset");
        stream.shutdown().await.expect("no reset");
        assert_eq!(stream.get_mut().0.read(&mut [0]).await.expect("no reset"), 0);
        (marked, heard)
    });
    let facts = look(question(&target), Arc::new(ways())).await;
    let attempt = facts.attempts.first().expect("an attempt");
    assert!(matches!(attempt.end, End::Finished), "{:?}", attempt.end);
    assert_eq!((attempt.key_proved, attempt.chain.len()), (Some(true), leaf.cert.len()));
    assert_eq!(server.await.unwrap(), (true, Vec::new()));
}
