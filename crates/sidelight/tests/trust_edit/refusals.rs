//! What is refused, and in which words. In: sources and files that are not what they should be. Out: the status, the thing that is named, the next
//! step; and that nothing was changed.

use std::fs;

use sidelight_testkit::Issuer;
use sidelight_testkit::process::run;

use crate::place::Place;

#[track_caller]
fn refused(place: &Place, line: &str, status: i32, words: &[&str]) {
    let done = place.sidelight(line);
    let said = done.errors();
    assert_eq!(done.status.code(), Some(status), "{done}");
    assert!(done.stdout.is_empty(), "{done}");
    for word in words {
        assert!(said.contains(word), "`{word}` is not in: {done}");
    }
}

/// An audit in a pipeline must not pass because `docker save` failed and left nothing.
#[test]
fn archives_that_were_not_written_whole_are_no_answer() {
    let place = Place::new();
    place.debian("root");
    run(place.command("tar").args(["-C", "root", "-cf", "root.tar", "."])).success();
    run(place.command("gzip").args(["--keep", "root.tar"])).success();
    let whole = fs::read(place.path("root.tar")).unwrap();
    let packed = fs::read(place.path("root.tar.gz")).unwrap();
    place.write("empty.tar", "");
    place.write("cut.tar", &whole[..1300]);
    place.write("cut.tar.gz", &packed[..packed.len() / 2]);
    place.write("noise.tar", [0xa7_u8; 4000]);
    for command in ["list", "audit", "export", "find Other"] {
        refused(&place, &format!("trust {command} empty.tar"), 3, &["empty.tar is empty", "hint: ", "docker save"]);
        refused(&place, &format!("trust {command} cut.tar"), 3, &["cut.tar is cut off", "write it anew"]);
        refused(&place, &format!("trust {command} cut.tar.gz"), 3, &["cut.tar.gz is cut off", "write it anew"]);
        refused(&place, &format!("trust {command} noise.tar"), 3, &["noise.tar is no archive"]);
    }
}

/// “no” would be an answer about a certificate that nobody read.
#[test]
fn a_certificate_file_that_is_not_there_is_no_text_to_look_for() {
    let place = Place::new();
    place.debian("root");
    refused(&place, "trust find corp.pem root", 3, &["corp.pem: there is no such file"]);
    refused(&place, "trust find ./corp root", 3, &["./corp: there is no such file"]);
    refused(&place, "trust remove corp.CRT --from root", 3, &["corp.CRT: there is no such file"]);
    let text = place.sidelight("trust find corp root");
    assert_eq!(text.status.code(), Some(1), "{text}");
}

#[test]
fn an_output_beside_a_folder_leaves_the_folder_alone() {
    let place = Place::new();
    place.debian("root");
    Issuer::root("Corp Root").write_to(&place.path("corp.pem"));
    let before = place.all("root");
    refused(&place, "trust add corp.pem --into root -o oci:new", 2, &["`-o oci:new`", "--as-patch"]);
    refused(&place, "trust remove Other --from root -o new.tar", 2, &["`-o new.tar`", "--undo"]);
    assert_eq!(place.all("root"), before);
    assert!(!place.path("new").exists());
}

#[test]
fn what_cannot_be_added_is_said_with_the_file() {
    let place = Place::new();
    place.debian("root");
    let root = Issuer::root("Corp Root");
    root.write_to(&place.path("corp.pem"));
    place.write("empty.pem", "");
    let export = "pkcs12 -export -nokeys -in corp.pem -out corp.p12 -passout pass:own";
    run(place.command("openssl").args(export.split_whitespace())).success();
    refused(&place, "trust add empty.pem --into root", 3, &["empty.pem: ", "it is empty"]);
    let next = "openssl pkcs12 -in corp.p12 -nokeys -out roots.pem";
    refused(&place, "trust add corp.p12 --into root", 3, &["corp.p12: it is under a password", next]);
    refused(&place, "trust add corp.pem --into corp.pem -o new.tar", 2, &["corp.pem is a trust store by itself"]);
}

/// A bundle is a source as well, for all that only read.
#[test]
fn a_bundle_by_itself_is_read() {
    let place = Place::new();
    let (one, other) = (Issuer::root("One Root"), Issuer::root("Other Root"));
    place.write("old.pem", one.pem());
    place.write("new.pem", format!("{}{}", one.pem(), other.pem()));
    let found = place.sidelight("trust find Other new.pem").success();
    assert!(found.text().starts_with("✓ yes: Other Root is in 1 store in new.pem"), "{found}");
    let listed = place.sidelight("trust list new.pem").success();
    assert!(listed.text().starts_with("new.pem has 2 roots in files by themselves"), "{listed}");
    assert_eq!(place.sidelight("trust find Other old.pem").status.code(), Some(1));
}

/// Engines that are not on this machine are told of in one line.
#[test]
fn an_image_that_is_nowhere_is_no_flood() {
    let place = Place::new();
    for source in ["docker-daemon:nope", "containers-storage:nope"] {
        let done = place.sidelight(&format!("trust list {source}"));
        assert_eq!(done.status.code(), Some(3), "{done}");
        assert!(done.errors().contains(&format!("{source} was not found")), "{done}");
        assert!(done.errors().contains("| sidelight trust list -\n"), "{done}");
        assert!(!done.errors().contains("os error 2"), "{done}");
    }
}

/// `| head -1` is no failure of the command: its status stays the answer's.
#[test]
fn a_reader_that_leaves_is_no_failure() {
    let place = Place::new();
    for line in ["trust export mozilla", "trust list mozilla --json", "trust list mozilla"] {
        let mut command = place.command(env!("CARGO_BIN_EXE_sidelight"));
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        command.args(line.split_whitespace()).stdin(std::process::Stdio::null()).stdout(writer);
        let done = command.stderr(std::process::Stdio::piped()).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert_eq!((done.status.code(), said.contains("error")), (Some(0), false), "{line}: {said}");
    }
}

#[test]
fn the_environment_gives_what_is_required() {
    let place = Place::new();
    place.debian("root");
    Issuer::root("Corp Root").write_to(&place.path("corp.pem"));
    let add = |into: &str| {
        let mut command = place.command(env!("CARGO_BIN_EXE_sidelight"));
        run(command.args(["trust", "add", "corp.pem", "--dry-run"]).env("SIDELIGHT_INTO", into))
    };
    let done = add("rootfs:root").success();
    assert!(done.text().contains("Corp Root would be added to rootfs:"), "{done}");
    let without = add("");
    assert_eq!(without.status.code(), Some(2), "{without}");
    assert!(without.errors().contains("--into <SOURCE>"), "{without}");
}
