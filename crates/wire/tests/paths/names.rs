//! Names: what a leaf speaks for, and where names below a CA may lie, for every kind of name.

use std::net::IpAddr;

use sidelight_model::x509::path::{Asked, Fault};
use sidelight_wire::certificate::{Extension, dns_name, ip_address};
use sidelight_wire::der;

use super::pki::{Draft, below, extension, named, word};

const CONSTRAINTS: &[u64] = &[2, 5, 29, 30];

fn email(mailbox: &str) -> Vec<u8> {
    der::implicit(1, mailbox.as_bytes())
}

fn uri(uri: &str) -> Vec<u8> {
    der::implicit(6, uri.as_bytes())
}

fn directory(name: &[u8]) -> Vec<u8> {
    der::context(4, name)
}

fn other(text: &str) -> Vec<u8> {
    let value = der::context(0, &der::element(der::tag::UTF8_STRING, text.as_bytes()));
    der::context(0, &[der::oid(&[1, 3, 6, 1, 4, 1, 99999, 2]), value].concat())
}

fn range(bytes: &[u8]) -> Vec<u8> {
    der::implicit(7, bytes)
}

/// nameConstraints of these bases.
fn constraints(permitted: &[Vec<u8>], excluded: &[Vec<u8>]) -> Extension {
    let list = |number: u8, bases: &[Vec<u8>]| {
        let trees: Vec<u8> = bases.iter().flat_map(|base| der::sequence(&[base])).collect();
        if bases.is_empty() { Vec::new() } else { der::context(number, &trees) }
    };
    extension(CONSTRAINTS, true, der::sequence(&[&list(0, permitted), &list(1, excluded)]))
}

/// The verdict on a leaf with `a.example` and this name, below a CA with this constraint.
fn under(constraint: Extension, name: Vec<u8>) -> String {
    let exploration =
        below(Draft::ca("middle", None).and(constraint), Draft::leaf_with(&[dns_name("a.example"), name]), "a.example");
    word(&exploration)
}

#[test]
fn constraints_hold_for_every_kind_of_name() {
    let leaf = named("the leaf");
    let ten = range(&[10, 0, 0, 0, 255, 0, 0, 0]);
    let address = |text: &str| ip_address(text.parse::<IpAddr>().unwrap());
    // (constraint, a name within, a name outside)
    let cases = [
        (dns_name("b.example"), dns_name("x.b.example"), None),
        (ten, address("10.1.2.3"), Some(address("11.1.2.3"))),
        (
            range(&[[0x20, 1, 0x0d, 0xb8].as_slice(), &[0; 12], &[0xff; 4], &[0; 12]].concat()),
            address("2001:db8::1"),
            Some(address("2001:db9::1")),
        ),
        (email("b.example"), email("who@b.example"), Some(email("who@x.b.example"))),
        (email(".b.example"), email("who@x.b.example"), Some(email("who@b.example"))),
        (email("who@b.example"), email("who@B.example"), Some(email("Who@b.example"))),
        (uri("b.example"), uri("https://b.example/x"), Some(uri("https://x.b.example/"))),
        (uri(".b.example"), uri("https://x.b.example:8443/"), Some(uri("https://b.example/"))),
        (directory(&leaf), directory(&leaf), Some(directory(&named("somebody else")))),
    ];
    for (constraint, inside, outside) in cases {
        let permitted = || constraints(std::slice::from_ref(&constraint), &[]);
        let excluded = || constraints(&[], std::slice::from_ref(&constraint));
        assert_eq!(under(excluded(), inside.clone()), "name_constraint_violation at 0", "excluded {constraint:02x?}");
        if let Some(outside) = outside {
            assert_eq!(under(permitted(), inside), "ok", "permitted {constraint:02x?}");
            assert_eq!(
                under(permitted(), outside.clone()),
                "name_constraint_violation at 0",
                "outside {constraint:02x?}"
            );
            if outside[0] != 0xa4 {
                assert_eq!(under(excluded(), outside), "ok", "beside {constraint:02x?}");
            }
        }
    }
}

#[test]
fn what_is_constrained_and_not_understood_is_refused() {
    assert_eq!(under(constraints(&[], &[other("x")]), other("x")), "name_constraint_violation at 0");
    assert_eq!(under(constraints(&[], &[other("x")]), dns_name("b.example")), "ok");
}

#[test]
fn constraints_of_another_kind_leave_a_name_alone() {
    for constraint in [email("example"), uri("example"), range(&[10, 0, 0, 0, 255, 0, 0, 0])] {
        assert_eq!(under(constraints(&[constraint], &[]), dns_name("b.example")), "ok");
    }
}

#[test]
fn malformed_constraints_make_their_ca_useless() {
    for constraint in [
        dns_name(".invalid"),
        dns_name("*.invalid"),
        range(&[10, 0, 0, 0]),
        range(&[10, 0, 0, 0, 255, 0, 255, 0]),
        email("a@b@example"),
    ] {
        assert_eq!(
            under(constraints(&[], std::slice::from_ref(&constraint)), dns_name("b.example")),
            "unusable_name_constraint at 1",
            "{constraint:02x?}"
        );
    }
    assert_eq!(under(constraints(&[], &[]), dns_name("b.example")), "hollow_name_constraints at 1");
}

#[test]
fn constraints_add_up_along_the_path_and_name_who_made_them() {
    let exploration = below(
        Draft::ca("middle", None).and(constraints(&[dns_name("b.example")], &[])),
        Draft::leaf(&["a.example"]),
        "a.example",
    );
    let fault = &exploration.best().unwrap().first_fault().unwrap().fault;
    assert!(matches!(fault, Fault::Constrained { name, by: 1, .. } if name == "a.example"), "{fault:?}");
}

#[test]
fn the_leaf_speaks_for_names_as_the_standard_says() {
    for (listed, asked, expected) in [
        ("a.example", "A.Example", "ok"),
        ("a.example", "a.example.", "ok"),
        ("*.example.org", "a.example.org", "ok"),
        ("*.example.org", "example.org", "name_mismatch at 0"),
        ("*.example.org", "b.a.example.org", "name_mismatch at 0"),
        ("a*.example.org", "a1.example.org", "malformed_name at 0"),
        ("a.*.example.org", "a.b.example.org", "malformed_name at 0"),
        ("*.org", "example.org", "name_mismatch at 0"),
        ("xn--bcher-kva.example", "b\u{fc}cher.example", "ok"),
        ("xn--bcher-kva.example", "XN--bcher-kva.example", "ok"),
        ("192.0.2.1", "192.0.2.1", "malformed_name at 0"),
    ] {
        assert_eq!(
            word(&below(Draft::ca("middle", None), Draft::leaf(&[listed]), asked)),
            expected,
            "{listed} for {asked}"
        );
    }
}

#[test]
fn addresses_are_spoken_for_by_addresses() {
    for (listed, asked, expected) in [
        ("192.0.2.1", "192.0.2.1", "ok"),
        ("192.0.2.1", "192.0.2.2", "name_mismatch at 0"),
        ("2001:db8::1", "2001:0db8:0::1", "ok"),
        ("192.0.2.1", "::ffff:192.0.2.1", "name_mismatch at 0"),
    ] {
        let leaf = Draft::leaf_with(&[ip_address(listed.parse().unwrap())]);
        assert_eq!(word(&below(Draft::ca("middle", None), leaf, asked)), expected, "{listed} for {asked}");
    }
}

#[test]
fn only_names_can_be_asked_for() {
    for wrong in ["", "a..example", ".example", &"a".repeat(64), &"a.".repeat(130)] {
        assert!(Asked::parse(wrong).is_err(), "{wrong}");
    }
    assert_eq!(Asked::parse("[::1]").unwrap(), Asked::Ip("::1".parse().unwrap()));
}
