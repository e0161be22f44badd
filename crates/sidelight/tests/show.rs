//! Flows shown whole. In: the real program, and peers whose contents other libraries write. Out: what `flows show` prints of them.

use std::path::Path;
use std::process::Command;

use sidelight_testkit::process::{Finished, run};
use sidelight_testkit::world::{self, NAME, binary, python};
use sidelight_testkit::{Issuer, Origin, World, peers};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sidelight");

/// A world that records, with one of the test kit's Python servers beside its origin.
fn recording(script: &str, folder: &Path) -> (World, peers::Server, String) {
    let root = Issuer::root("Show Test Root");
    let server = peers::python_server(script, folder, &world::identity(&root));
    let store = folder.join("it.sidelight").to_str().expect("UTF-8").to_owned();
    let options = ["--mode", "explicit@127.0.0.1:0", "--store", &store];
    (World::around(PROGRAM, root, Origin::plain("127.0.0.1:0"), &options, 1), server, store)
}

fn show(store: &str, arguments: &[&str]) -> Finished {
    run(Command::new(binary(PROGRAM)).args(["flows", "show", "--store", store]).args(arguments)).success()
}

#[test]
fn grpc_messages_have_names_with_definitions_and_shapes_without() {
    let folder = tempfile::tempdir().expect("a folder");
    let (world, server, store) = recording("shop.py", folder.path());
    let set = folder.path().join("shop.pb");
    for compression in ["NoCompression", "Gzip"] {
        let mut client = python(&world.through(), "shop.py");
        client.arg(&set).env("GRPC_TARGET", format!("{NAME}:{}", server.address.port()));
        client.env("GRPC_DNS_RESOLVER", "native").env("GRPC_COMPRESSION", compression);
        assert_eq!(run(&mut client).success().text(), "tea \"1\"\n");
        world.sidelight.exchange("POST", "/shop.v1.Shop/Place", 200);
    }
    world.sidelight.stop();
    let proto = folder.path().join("shop.proto");
    let source = "syntax = \"proto3\";\npackage shop.v1;\n\
        message Item { string sku = 1; sint32 change = 2; double weight = 3; }\n\
        message Order { int64 id = 1; repeated Item items = 2; repeated uint32 sizes = 3; string password = 4; bytes blob = 5; bool gift = 6; }\n\
        service Shop { rpc Place(Order) returns (Item); }\n";
    std::fs::write(&proto, source).expect("a file");
    for definitions in [&proto, &set] {
        let shown = show(&store, &["1..", "--filter", "~u Place", "--proto", definitions.to_str().expect("UTF-8")]);
        let named = "\n    id: -7\n    items {\n      sku: \"tea \\\"1\\\"\"\n      change: -3\n      weight: 2.5\n    }\n    sizes: [1, 300]\n    password: ‹redacted sha256:";
        assert_eq!(shown.text().matches(named).count(), 2, "{shown}");
        assert_eq!(shown.text().matches("00…' (402 bytes)\n    gift: true\n").count(), 2, "{shown}");
        assert_eq!(
            shown.text().matches("\n    sku: \"tea \\\"1\\\"\"\n    change: -3\n    weight: 2.5\n").count(),
            2,
            "{shown}"
        );
        assert!(shown.text().contains(", compressed\n") && !shown.text().contains("s3cret-marked"), "{shown}");
    }
    let shapes = show(&store, &["last", "--filter", "~u Place"]);
    assert!(shapes.text().contains("\n    2 {\n      1: \"tea \\\"1\\\"\"\n      2: 5\n"), "{shapes}");
    assert!(shapes.text().contains("gRPC OK") && shapes.text().contains("✓ verified"), "{shapes}");
}

#[test]
fn contents_of_other_libraries_are_laid_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let (world, server, store) = recording("contents_server.py", folder.path());
    let kinds = ["msgpack", "cbor", "layer", "tar", "zip", "png", "jpeg", "gif", "webp", "bmp", "tiff", "ico"];
    let urls: Vec<String> =
        kinds.iter().map(|kind| format!("https://{NAME}:{}/{kind}", server.address.port())).collect();
    for url in &urls {
        run(&mut world.through().curl(&["--output", "body", url])).success();
    }
    world.sidelight.stop();
    let shown = |kind: &str| show(&store, &["last", "--filter", &format!("~u /{kind}$")]).text().to_owned();
    let packed = shown("msgpack");
    for line in [
        "  \"id\": 7,",
        "    h'00ff'",
        "  \"pi\": 3.5,",
        "  \"none\": null,",
        "  \"empty\": {},",
        "  \"when\": 2026-11-22T18:40:33.000001Z",
    ] {
        assert!(packed.contains(&format!("\n  {line}\n")), "{line}: {packed}");
    }
    let cbor = shown("cbor");
    for line in [
        "  \"neg\": -300,",
        "    h'00ff'",
        "  \"when\": tag 0 \"2026-11-22T00:00:00Z\",",
        "  \"big\": tag 2 h'400000000000000000'",
    ] {
        assert!(cbor.contains(&format!("\n  {line}\n")), "{line}: {cbor}");
    }
    assert!(!packed.contains("s3cret-marked") && !cbor.contains("s3cret-marked"));
    let long = "long/".repeat(40) + "name\n";
    for kind in ["layer", "tar"] {
        let listed = shown(kind);
        assert!(
            listed.contains("          6 1970-01-01 etc/motd\n")
                && listed.contains(&format!("       3000 1970-01-01 {long}")),
            "{listed}"
        );
    }
    assert!(shown("zip").contains("      5000 a.txt\n"));
    let names = ["PNG", "JPEG", "GIF", "WebP", "BMP", "TIFF", "icon"];
    for (kind, name) in kinds[5..].iter().zip(names) {
        let image = shown(kind);
        let size = if *kind == "ico" { "48 × 36" } else { "64 × 48" };
        assert!(image.contains(&format!("\n  {name} image, {size} pixels\n")), "{image}");
    }
}
