//! A service that does not send its root. In: chains without it; its place in the certificate, a file, or nowhere. Out: whom the record names,
//! and clients that connect.

use sidelight_testkit::{Issuer, Leaf};

use crate::engine::{Engine, NAME, files, leaf};

#[test]
#[ignore = "needs the static program of `cargo xtask dist`"]
fn root_not_sent() {
    let engine = Engine::with_debian();
    let root = Issuer::root("Far Root");
    let middle = root.intermediate("Near Issuer");

    // Nowhere to be had: the topmost issuer that was seen is adopted.
    let service = engine.service(&leaf(&middle));
    let said = engine.connects(&engine.volume("nowhere"));
    assert!(said.errors().contains("CN=Near Issuer"), "{said}");

    // Given by hand.
    let folder = engine.path("issuers");
    std::fs::create_dir(&folder).unwrap();
    root.write_to(&folder.join("root.pem"));
    let given = format!("-v {}:/issuers:ro -e SIDELIGHT_ISSUERS=/issuers", folder.display());
    let said = engine.connects(&format!("{} {given}", engine.volume("given")));
    assert!(said.errors().contains("CN=Far Root"), "{said}");
    drop(service);

    // Named by the certificate.
    let served = engine.path("served");
    std::fs::create_dir(&served).unwrap();
    std::fs::write(served.join("root.der"), root.der()).unwrap();
    let server = files(&served);
    let at = format!("http://{}/root.der", server.address);
    let _service = engine.service(&root.issue(&Leaf::named(&[NAME]).issuer_at(&at)));
    let said = engine.connects(&engine.volume("named"));
    assert!(said.errors().contains("CN=Far Root"), "{said}");
    assert!(server.process.said().contains("GET /root.der"), "{}", server.process.said());
}
