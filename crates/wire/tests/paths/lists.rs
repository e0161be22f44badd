//! Revocation lists: who is named, which lists count, and what a list that cannot be used means.

use sidelight_model::time::Timestamp;
use sidelight_model::x509::path::{AnchorSet, Profile, Purpose, Question, explore};
use sidelight_wire::der;

use super::pki::{Draft, Key, NOW, algorithm, named, word};

const NUMBER: &[u64] = &[2, 5, 29, 20];
const POINT: &[u64] = &[2, 5, 29, 28];

/// A list in the making.
struct List {
    revoked: Vec<Vec<u8>>,
    next: i64,
    extensions: Vec<u8>,
}

impl List {
    fn of(revoked: &[&[u8]]) -> Self {
        let revoked = revoked.iter().map(|serial| serial.to_vec()).collect();
        Self { revoked, next: 86_400, extensions: extension(NUMBER, false, &der::unsigned(&[1])) }
    }

    fn sign(&self, issuer: &str, key: &Key) -> Vec<u8> {
        let moment = |seconds: i64| der::time(Timestamp::from_secs(NOW.as_secs() + seconds));
        let entries = self.revoked.iter().flat_map(|serial| der::sequence(&[&der::unsigned(serial), &moment(-60)]));
        let entries = der::element(der::tag::SEQUENCE, &entries.collect::<Vec<u8>>());
        let listed = der::context(0, &der::element(der::tag::SEQUENCE, &self.extensions));
        let entries = if self.revoked.is_empty() { Vec::new() } else { entries };
        let parts: [&[u8]; 7] = [
            &der::unsigned(&[1]),
            &algorithm(),
            &named(issuer),
            &moment(-3_600),
            &moment(self.next),
            &entries,
            &listed,
        ];
        let body = der::sequence(&parts);
        let signature = key.sign(&body);
        der::sequence(&[&body, &algorithm(), &der::bit_string(&signature)])
    }
}

fn extension(oid: &[u64], critical: bool, value: &[u8]) -> Vec<u8> {
    let critical = if critical { der::element(der::tag::BOOLEAN, &[0xff]) } else { Vec::new() };
    der::sequence(&[&der::oid(oid), &critical, &der::element(der::tag::OCTET_STRING, value)])
}

#[test]
fn lists_say_who_is_revoked() {
    let (top, bottom, stranger) = (Key::new(), Key::new(), Key::new());
    let root = Draft::ca("root", None).sign(&top, ("root", &top));
    let leaf = Draft::leaf(&["a.example"]).serial(&[0x55]).sign(&bottom, ("root", &top));
    let point = |field: u8| extension(POINT, true, &der::sequence(&[&der::implicit(field, &[0xff])]));
    let scoped = |field| List {
        extensions: [extension(NUMBER, false, &der::unsigned(&[1])), point(field)].concat(),
        ..List::of(&[&[0x55]])
    };
    let cases = [
        ("names it", List::of(&[&[0x11], &[0x55]]).sign("root", &top), "revoked at 0"),
        ("names others", List::of(&[&[0x11]]).sign("root", &top), "ok"),
        ("names nobody", List::of(&[]).sign("root", &top), "ok"),
        ("of another CA", List::of(&[&[0x55]]).sign("other", &stranger), "ok"),
        ("signed by another", List::of(&[&[0x55]]).sign("root", &stranger), "unusable_revocation_list at 0"),
        ("is stale", List { next: -60, ..List::of(&[]) }.sign("root", &top), "unusable_revocation_list at 0"),
        (
            "has no number",
            List { extensions: point(1), ..List::of(&[]) }.sign("root", &top),
            "unusable_revocation_list at 0",
        ),
        ("is about leaves", scoped(1).sign("root", &top), "revoked at 0"),
        ("is about CAs", scoped(2).sign("root", &top), "ok"),
        ("is indirect", scoped(4).sign("root", &top), "unusable_revocation_list at 0"),
        ("is none", vec![0x30, 0], "unusable_revocation_list at 0"),
    ];
    let anchors = AnchorSet::new([root.as_slice()]);
    for (what, list, expected) in cases {
        let exploration = explore(&Question {
            chain: std::slice::from_ref(&leaf),
            anchors: &anchors,
            crls: &[list],
            name: None,
            purpose: Purpose::Server,
            now: NOW,
            max_depth: None,
            profile: Profile::Strict,
            every_path: false,
        });
        assert_eq!(word(&exploration), expected, "a list that {what}");
    }
}
