//! The search itself: cross-signs, loops, many certificates of one name, a work that has an end.

use sidelight_model::x509::path::{End, Origin, Profile};

use super::pki::{Draft, Key, ask, ask_as, word};

const HOST: &str = "a.example";

#[test]
fn a_good_path_is_found_beside_an_expired_cross_sign() {
    let (old, new, middle, bottom) = (Key::new(), Key::new(), Key::new(), Key::new());
    let old_root = Draft::ca("old", None).expired().sign(&old, ("old", &old));
    let new_root = Draft::ca("new", None).sign(&new, ("new", &new));
    let cross = Draft::ca("new", None).serial(&[7]).sign(&new, ("old", &old));
    let issuer = Draft::ca("middle", None).sign(&middle, ("new", &new));
    let leaf = Draft::leaf(&[HOST]).sign(&bottom, ("middle", &middle));
    let exploration = ask(&[leaf, issuer, cross], &[old_root, new_root], HOST);
    assert_eq!(word(&exploration), "ok");
    let paths: Vec<_> = exploration.paths.iter().map(|path| (path.is_good(), path.certificates.len())).collect();
    assert_eq!(paths, [(true, 3), (false, 4)], "both ways are told");
    let first = exploration.paths[1].first_fault().unwrap();
    assert_eq!((first.fault.code(), first.position), ("expired", 3));
}

#[test]
fn the_order_of_the_chain_does_not_matter() {
    let keys: Vec<_> = (0..4).map(|_| Key::new()).collect();
    let root = Draft::ca("root", None).sign(&keys[0], ("root", &keys[0]));
    let first = Draft::ca("first", None).sign(&keys[1], ("root", &keys[0]));
    let second = Draft::ca("second", None).sign(&keys[2], ("first", &keys[1]));
    let leaf = Draft::leaf(&[HOST]).sign(&keys[3], ("second", &keys[2]));
    let exploration = ask(&[leaf.clone(), root.clone(), first, second.clone(), second, leaf], &[root], HOST);
    assert_eq!(word(&exploration), "ok");
    let origins: Vec<_> =
        exploration.paths[0].certificates.iter().map(|number| exploration.certificates[*number].origin).collect();
    assert_eq!(origins, [Origin::Leaf, Origin::Sent(3), Origin::Sent(2), Origin::Sent(1)], "the root was sent too");
}

#[test]
fn cas_that_sign_each_other_end() {
    let (one, two, bottom) = (Key::new(), Key::new(), Key::new());
    let first = Draft::ca("one", None).sign(&one, ("two", &two));
    let second = Draft::ca("two", None).sign(&two, ("one", &one));
    let leaf = Draft::leaf(&[HOST]).sign(&bottom, ("one", &one));
    let exploration = ask(&[leaf, first, second], &[], HOST);
    assert_eq!(exploration.best().unwrap().end, End::Loop);
    assert!(!exploration.cut_short);
}

#[test]
fn ten_thousand_certificates_of_one_ca_are_one_ca() {
    let (top, middle, bottom) = (Key::new(), Key::new(), Key::new());
    let root = Draft::ca("root", None).sign(&top, ("root", &top));
    let leaf = Draft::leaf(&[HOST]).sign(&bottom, ("middle", &middle));
    let mut chain = vec![leaf];
    // Each is expired but for the last: all of them have to be looked at.
    for number in 0u16..9_999 {
        let [high, low] = number.to_be_bytes();
        chain.push(Draft::ca("middle", None).serial(&[1, high, low]).expired().sign(&middle, ("root", &top)));
    }
    chain.push(Draft::ca("middle", None).sign(&middle, ("root", &top)));
    assert_eq!(word(&ask(&chain, &[root], HOST)), "ok");
}

#[test]
fn ten_thousand_keys_of_one_name_are_given_up() {
    let (top, bottom, stranger) = (Key::new(), Key::new(), Key::new());
    let root = Draft::ca("root", None).sign(&top, ("root", &top));
    let leaf = Draft::leaf(&[HOST]).sign_bare(&bottom, ("middle", &stranger));
    let mut chain = vec![leaf];
    chain.extend((0..10_000).map(|_| Draft::ca("middle", None).sign_bare(&Key::new(), ("root", &top))));
    let exploration = ask(&chain, &[root], HOST);
    assert!(exploration.cut_short, "ten thousand signatures are too many");
    assert!(exploration.good_path().is_none());
}

#[test]
fn key_identifiers_lead_through_many_keys_of_one_name() {
    let (top, middle, bottom) = (Key::new(), Key::new(), Key::new());
    let root = Draft::ca("root", None).sign(&top, ("root", &top));
    let mut chain = vec![Draft::leaf(&[HOST]).sign(&bottom, ("middle", &middle))];
    chain.extend((0..3_000).map(|_| Draft::ca("middle", None).sign(&Key::new(), ("root", &top))));
    chain.push(Draft::ca("middle", None).sign(&middle, ("root", &top)));
    assert_eq!(word(&ask(&chain, &[root], HOST)), "ok");
}

#[test]
fn a_web_of_cross_signs_has_an_end() {
    // Eight layers of four CAs, each signed by all four above: 65,536 paths, none of them to an anchor.
    let layers: Vec<Vec<Key>> = (0..8).map(|_| (0..4).map(|_| Key::new()).collect()).collect();
    let name = |layer: usize, member: usize| format!("ca {layer} {member}");
    let (root_key, bottom) = (Key::new(), Key::new());
    let mut chain = vec![Draft::leaf(&[HOST]).sign(&bottom, (&name(0, 0), &layers[0][0]))];
    for (layer, members) in layers.iter().enumerate().take(7) {
        for (member, key) in members.iter().enumerate() {
            for (above, issuer) in layers[layer + 1].iter().enumerate() {
                let serial = [1, layer as u8, member as u8, above as u8];
                let draft = Draft::ca(&name(layer, member), None).serial(&serial);
                chain.push(draft.sign(key, (&name(layer + 1, above), issuer)));
            }
        }
    }
    let root = Draft::ca("root", None).sign(&root_key, ("root", &root_key));
    let exploration = ask(&chain, std::slice::from_ref(&root), HOST);
    assert!(exploration.good_path().is_none() && exploration.cut_short && exploration.paths.len() <= 101);
    // One certificate more makes one of them good, and it is found.
    chain.push(Draft::ca(&name(7, 3), None).sign(&layers[7][3], ("root", &root_key)));
    assert_eq!(word(&ask(&chain, &[root], HOST)), "ok");
}

#[test]
fn an_intermediate_among_the_roots_is_enough_for_some() {
    let (top, middle, bottom) = (Key::new(), Key::new(), Key::new());
    let issuer = Draft::ca("middle", None).sign(&middle, ("root", &top));
    let leaf = Draft::leaf(&[HOST]).sign(&bottom, ("middle", &middle));
    let chain = [leaf];
    let openssl = Profile::Stack("openssl".parse().unwrap());
    assert_eq!(word(&ask(&chain, std::slice::from_ref(&issuer), HOST)), "ok");
    assert_eq!(word(&ask_as(&chain, std::slice::from_ref(&issuer), HOST, openssl)), "anchornotroot");
    let root = Draft::ca("root", None).sign(&top, ("root", &top));
    assert_eq!(word(&ask_as(&chain, &[issuer, root], HOST, openssl)), "ok", "with the root beside it");
}
