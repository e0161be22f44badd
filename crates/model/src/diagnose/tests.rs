//! The judge's rules, each on facts made by hand; what needs certificates is tested where they are made (tests/diagnose of the program).

use std::net::SocketAddr;
use std::time::Duration;

use super::*;
use crate::finding::{Cause, Party};
use crate::flow::Host;
use crate::time::Timestamp;
use crate::trust::Runtime;
use crate::x509::path::{Profile, Stack};

fn question() -> Question {
    Question {
        target: "a.test:443".parse().unwrap(),
        name: Host::Name("a.test".into()),
        sni: Some("a.test".into()),
        sni_forbidden: false,
        at: Timestamp::from_secs(1_795_000_000),
        rules: Profile::Stack(Stack::Of(Runtime::Curl)),
        alpn: Vec::new(),
        starttls: None,
        proxy: None,
        patience: Duration::from_secs(8),
        may_fetch: true,
        every_address: false,
        client: None,
        source: None,
        adding: Adding { before: "sidelight trust add".into(), after: "--into host".into() },
        trust_options: String::new(),
    }
}

fn alert(number: u8) -> End {
    End::Alert(AlertSeen { number, name: format!("alert_{number}"), meaning: "said no" })
}

/// An attempt that ended so; `answered` ones got a ServerHello.
fn attempt(variant: Variant, end: End) -> Attempt {
    let answered = end == End::Finished;
    Attempt { answered, version: answered.then_some(0x0304), hello_size: 1500, ..Attempt::new(variant, end) }
}

fn old(version: u16, suite: &str, dh_bits: Option<usize>) -> Attempt {
    let answer = attempt(Variant::Every(version), End::Finished);
    Attempt { version: Some(version), suite: Some(suite.into()), dh_bits, ..answer }
}

fn facts(attempts: Vec<Attempt>) -> Facts {
    let mut facts = Facts::new(question(), Roots::default());
    facts.reached = vec![Reach { address: address(), outcome: Ok(Duration::ZERO) }];
    facts.attempts = attempts;
    facts
}

fn address() -> SocketAddr {
    "192.0.2.1:443".parse().unwrap()
}

fn other_name() -> Variant {
    Variant::WithSni(plan::OTHER_NAME.to_owned())
}

#[test]
fn differences_between_attempts_name_what_cuts() {
    use End::{Closed, Finished, Reset, TimedOut};
    use Variant::{AsAsked, Small, Tls12, WithoutSni};
    let asked = |end: &End| attempt(AsAsked, end.clone());
    for end in [Reset, Closed, TimedOut] {
        let cases: Vec<(Vec<Attempt>, Cause)> = vec![
            (vec![attempt(Small, Finished)], Cause::LargeClientHelloDropped),
            (vec![attempt(Small, end.clone()), attempt(Tls12, Finished)], Cause::VersionIntolerant),
            (vec![attempt(Tls12, end.clone()), attempt(other_name(), Finished)], Cause::SniFiltered),
            (vec![attempt(WithoutSni, alert(112)), attempt(other_name(), end.clone())], Cause::SniFiltered),
            (vec![old(0x0302, "TLS_RSA_WITH_AES_128_CBC_SHA", None)], Cause::ProtocolTooOld),
            (vec![old(0x0303, "TLS_RSA_WITH_NULL_SHA256", None)], Cause::CipherMismatch),
            (vec![old(0x0303, "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", Some(1024))], Cause::WeakDh),
        ];
        for (further, cause) in cases {
            let all = std::iter::once(asked(&end)).chain(further).collect();
            assert_eq!(judge(&facts(all)).finding.cause, cause, "{end:?}");
        }
    }
}

#[test]
fn what_nothing_explains_is_told_by_its_end() {
    let stalled = Attempt { answered: true, ..attempt(Variant::AsAsked, End::TimedOut) };
    for (main, cause, fault) in [
        (attempt(Variant::AsAsked, End::Reset), Cause::ConnectionReset, Party::Network),
        (attempt(Variant::AsAsked, End::Closed), Cause::ConnectionClosed, Party::Server),
        (attempt(Variant::AsAsked, End::TimedOut), Cause::HandshakeTimeout, Party::Server),
        (stalled, Cause::HandshakeStalledMidway, Party::Server),
        (attempt(Variant::AsAsked, alert(80)), Cause::ServerInternalAlert, Party::Server),
        (attempt(Variant::AsAsked, alert(112)), Cause::SniUnrecognized, Party::Server),
        (attempt(Variant::AsAsked, alert(120)), Cause::AlpnMismatch, Party::Client),
        (attempt(Variant::AsAsked, alert(70)), Cause::ProtocolTooOld, Party::Server),
        (attempt(Variant::AsAsked, alert(40)), Cause::CipherMismatch, Party::Server),
        (attempt(Variant::AsAsked, End::ChainTooLarge("big".into())), Cause::ChainTooLarge, Party::Server),
    ] {
        let finding = judge(&facts(vec![main])).finding;
        assert_eq!((finding.cause, finding.fault), (cause, fault), "{finding:?}");
        assert!(finding.summary.contains("a.test:443") && !finding.fixes.is_empty(), "{finding:?}");
    }
}

#[test]
fn a_server_that_is_not_always_well_is_not_taken_for_a_filter() {
    let again = attempt(Variant::Again, End::Finished);
    let small = attempt(Variant::Small, End::Finished);
    let finding = judge(&facts(vec![attempt(Variant::AsAsked, End::Reset), again, small])).finding;
    assert_eq!(finding.cause, Cause::ConnectionReset);
    assert!(finding.warnings.iter().any(|warning| warning.contains("not always well")), "{finding:?}");
}

#[test]
fn plain_answers_name_their_protocol() {
    let spoken = [
        (Spoken::Http, Cause::PlainHttp),
        (Spoken::Upgrades("imap"), Cause::StarttlsNeeded),
        (Spoken::Other("SSH"), Cause::NotTls),
        (Spoken::Unknown, Cause::NotTls),
    ];
    for (spoken, cause) in spoken {
        let at_once = attempt(Variant::AsAsked, End::NotTls(b"x\r\n".to_vec(), spoken));
        assert_eq!(judge(&facts(vec![at_once])).finding.cause, cause);
        let mut later = facts(vec![attempt(Variant::AsAsked, End::Closed)]);
        let words = PlainWords::Silence;
        later.plain = vec![Plain { words, heard: b"x\r\n".to_vec(), spoken, upgrades: false }];
        assert_eq!(judge(&later).finding.cause, cause);
    }
    let mut asked = facts(vec![attempt(Variant::AsAsked, End::Closed)]);
    let words = PlainWords::Starttls("postgres");
    asked.plain = vec![Plain { words, heard: b"S".to_vec(), spoken: Spoken::Unknown, upgrades: true }];
    let finding = judge(&asked).finding;
    assert_eq!(finding.cause, Cause::StarttlsNeeded);
    assert!(finding.fixes[0].how.contains("--starttls postgres"), "{finding:?}");
}

#[test]
fn tcp_and_proxies_come_before_everything() {
    let mut facts = facts(Vec::new());
    facts.reached = vec![
        Reach { address: address(), outcome: Err(Unreached::TimedOut) },
        Reach { address: "[2001:db8::1]:443".parse().unwrap(), outcome: Err(Unreached::Refused) },
    ];
    // One refusal proves that packets get there.
    assert_eq!(judge(&facts).finding.cause, Cause::ConnectionRefused);
    facts.reached.pop();
    assert_eq!(judge(&facts).finding.cause, Cause::ConnectTimeout);
    facts.question.proxy = Some(("proxy.test:3128".parse().unwrap(), "HTTPS_PROXY".into()));
    for (failure, cause) in [
        (ProxyFailure::Unreachable("refused".into()), Cause::ProxyUnreachable),
        (ProxyFailure::Login("407".into()), Cause::ProxyAuthRequired),
        (ProxyFailure::Refused("403".into()), Cause::ProxyDenied),
    ] {
        facts.proxy_failure = Some(failure);
        let finding = judge(&facts).finding;
        assert_eq!(finding.cause, cause);
        assert!(finding.summary.contains("HTTPS_PROXY"), "{finding:?}");
    }
}

/// Whatever is answered, each question is asked once, and asking ends.
#[test]
fn asking_ends() {
    for end in [End::Reset, End::TimedOut, End::Closed, alert(40), alert(120), End::Finished] {
        let mut facts = facts(vec![attempt(Variant::AsAsked, end.clone())]);
        facts.resolution.addresses = Some(Ok(vec![address().ip(), "192.0.2.2".parse().unwrap()]));
        let mut asked = Vec::new();
        for round in 0.. {
            let asks = plan(&facts);
            if asks.is_empty() {
                break;
            }
            assert!(round < 10, "{end:?}: still asking {asks:?}");
            for ask in asks {
                assert!(!asked.contains(&ask), "{end:?}: asked twice: {ask:?}");
                match &ask {
                    Ask::Try(variant) => facts.attempts.push(attempt(variant.clone(), end.clone())),
                    Ask::Say(words) => {
                        let (words, spoken) = (*words, Spoken::Unknown);
                        facts.plain.push(Plain { words, heard: Vec::new(), spoken, upgrades: false });
                    }
                    Ask::Suites(version) => facts.suites.push((*version, Vec::new())),
                    Ask::Issuer(url) | Ask::Ocsp(url) | Ask::List(url) => panic!("nothing to fetch: {url}"),
                }
                asked.push(ask);
            }
        }
        assert!(!asked.is_empty(), "{end:?}");
    }
}
