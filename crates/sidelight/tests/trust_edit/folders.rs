//! Folders, shapes and refusals on the command line. In: a small Debian. Out: texts, documents and what is on the disk.

use std::fs;

use sidelight_testkit::{Issuer, Leaf};

use crate::place::{Place, plain};

fn with_root() -> (Place, Issuer) {
    let (place, issuer) = (Place::new(), Issuer::root("Corp Root"));
    place.debian("root");
    issuer.write_to(&place.path("corp.pem"));
    (place, issuer)
}

#[test]
fn what_is_said_of_a_folder() {
    let (place, issuer) = with_root();
    let before = place.all("root");
    let planned = place.sidelight("trust add corp.pem --into rootfs:root --dry-run").success();
    assert_eq!(place.all("root"), before, "--dry-run changes nothing");
    insta::assert_snapshot!("dry_run", plain(&planned.text(), &place, &issuer));
    let added = place.sidelight("trust add corp.pem --into rootfs:root").success();
    insta::assert_snapshot!("added", plain(&added.text(), &place, &issuer));
    let with = place.all("root");
    let (status, again) = place.json("trust add corp.pem --into rootfs:root");
    assert_eq!((status, again["certificates"][0]["result"].as_str()), (0, Some("already")));
    assert_eq!(place.all("root"), with, "what is there already is not written again");
    let (status, removed) = place.json("trust remove corp.pem --from rootfs:root");
    assert_eq!((status, removed["certificates"][0]["result"].as_str()), (0, Some("restored")));
    assert_eq!(place.all("root"), before);
    let absent = place.sidelight("trust remove corp.pem --from rootfs:root");
    assert!(absent.text().contains("is in no trust store of"), "{absent}");
}

#[test]
fn the_document_of_a_folder() {
    let (place, issuer) = with_root();
    let done = place.sidelight("trust add corp.pem --into rootfs:root --json").success();
    let document: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    let text = serde_json::to_string_pretty(&document).unwrap();
    insta::assert_snapshot!("json", plain(&text, &place, &issuer));
    assert!(done.errors().contains("Corp Root is now trusted"), "people's text goes to standard error: {done}");
}

#[test]
fn other_shapes_change_nothing_and_hold_the_same() {
    let (place, issuer) = with_root();
    let before = place.all("root");
    let told = place.sidelight("trust add corp.pem --into rootfs:root --as-dockerfile -o build").success().text();
    assert_eq!(fs::read_to_string(place.path("build/Dockerfile")).unwrap(), told);
    insta::assert_snapshot!("dockerfile", plain(&told, &place, &issuer));
    place.sidelight("trust add corp.pem --into rootfs:root --as-patch -o patch").success();
    let config_map = place.sidelight("trust add corp.pem --into rootfs:root --as-kubernetes").success().text();
    assert!(
        config_map.contains("kind: ConfigMap") && config_map.contains("subPath: etc-ssl-certs-ca-certificates.crt")
    );
    assert_eq!(place.all("root"), before);

    place.sidelight("trust add corp.pem --into rootfs:root").success();
    let path = "etc/ssl/certs/ca-certificates.crt";
    let wanted = fs::read(place.path("root").join(path)).unwrap();
    assert_eq!(fs::read(place.path("patch").join(path)).unwrap(), wanted);
    assert_eq!(fs::read(place.path("build/trust").join(path)).unwrap(), wanted);
    let indented = String::from_utf8(wanted).unwrap().replace('\n', "\n    ");
    assert!(config_map.contains(indented.trim_end()), "{config_map}");
}

#[test]
fn a_private_key_is_not_taken_and_never_printed() {
    let (place, issuer) = with_root();
    let identity = issuer.issue(&Leaf::named(&["localhost"]));
    place.write("both.pem", format!("{}{}", identity.key_pem, issuer.pem()));
    place.write("key.pem", &identity.key_pem);
    let before = place.all("root");
    let secret = identity.key_pem.lines().nth(1).unwrap();
    let alone = place.sidelight("trust add key.pem --into rootfs:root");
    assert!(!alone.status.success() && place.all("root") == before, "{alone}");
    let both = place.sidelight("trust add both.pem --into rootfs:root");
    for done in [&alone, &both] {
        assert!(!done.text().contains(secret) && !done.errors().contains(secret), "the key was printed");
        assert!(format!("{}{}", done.text(), done.errors()).contains("private key"), "{done}");
    }
    for path in place.all("root").keys().filter(|path| path.is_file()) {
        assert!(!fs::read_to_string(path).unwrap().contains(secret), "{}: the key was written", path.display());
    }
}

#[test]
fn what_cannot_be_meant_is_refused_and_nothing_is_written() {
    let (place, issuer) = with_root();
    issuer.issue(&Leaf::named(&["localhost"])).write_to(&place.path(""), "leaf");
    let before = place.all("root");
    let leaf = place.sidelight("trust add leaf.pem --into rootfs:root");
    assert!(leaf.status.code() != Some(0) && leaf.errors().contains("--force-leaf"), "{leaf}");
    place.write("empty.pem", "nothing");
    assert!(!place.sidelight("trust add empty.pem --into rootfs:root").status.success());
    let several = place.sidelight("trust add corp.pem --into rootfs:nowhere");
    assert!(!several.status.success() && several.errors().contains("nowhere"), "{several}");
    assert_eq!(place.all("root"), before);
}

#[test]
fn a_root_without_any_store_gets_one_or_says_why_not() {
    let (place, _issuer) = with_root();
    place.write("bare/app", "x");
    let done = place.sidelight("trust add corp.pem --into rootfs:bare --json");
    let document: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    let told = &document["certificates"][0];
    let stores = told["stores"].as_array().unwrap();
    let said = !told["notes"].as_array().unwrap().is_empty() || !told["left"].as_array().unwrap().is_empty();
    assert!(said, "{document}");
    for store in stores {
        let path = store["path"].as_str().unwrap();
        assert!(place.path("bare").join(path.trim_start_matches('/')).exists(), "{path} was said to be written");
    }
}
