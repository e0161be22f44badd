//! What a real `ctr images pull --http-dump` prints, beside sidelight's recording of the same pull. In: containerd of the test's own. Out: the
//! same steps, but what a dump cannot tell.

use std::path::Path;

use serde_json::Value;
use sidelight_testkit::process::{Running, run};
use sidelight_testkit::{Sidelight, world};

use super::captures::World;
use super::kit::{PROGRAM, canonical, image, skopeo, strip};

/// containerd with its own socket and folders.
fn containerd(world: &World, folder: &Path) -> (Running, String) {
    let socket = folder.join("c.sock").display().to_string();
    let [root, state] = ["root", "state"].map(|it| folder.join(it).display().to_string());
    let settings = folder.join("containerd.toml");
    std::fs::write(&settings, "version = 2\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n").expect("settings");
    let mut command = world.here.command("containerd");
    command.arg("--config").arg(&settings).args(["--address", &socket, "--root", &root, "--state", &state]);
    let mut process = Running::start(&mut command, &folder.join("containerd.log"));
    let probe = socket.clone();
    process.until("answering", || {
        std::process::Command::new("ctr")
            .args(["--address", &probe, "version"])
            .output()
            .is_ok_and(|it| it.status.success())
    });
    (process, socket)
}

#[test]
fn a_dump_of_a_real_ctr_and_the_recording_of_the_same_pull() {
    let world = World::start(false, false);
    let folder = world.folder.path();
    let roots = world.root.write_to(&folder.join("root.pem"));
    let store = world.path("rec.sidelight");
    let options =
        ["--roots", roots.to_str().expect("a path of text"), "--mode", "explicit@127.0.0.1:0", "--store", &store];
    let name = format!("{}/team/app:1", world.authority());
    let certs = folder.join("certs");
    std::fs::create_dir_all(&certs).expect("a folder");
    std::fs::copy(&roots, certs.join("ca.crt")).expect("a certificate");
    let to = format!("docker://{name}");
    let mut push = world.here.command("skopeo");
    // The token server's certificate is of the same CA, which skopeo takes for the registry alone.
    push.env("SSL_CERT_FILE", &roots);
    skopeo(push, &["copy", "--dest-cert-dir", certs.to_str().expect("text"), &image(folder), &to]).success();
    let (containerd, socket) = containerd(&world, folder);
    let sidelight = Sidelight::start(world.here.command(world::binary(PROGRAM)), folder, &options, 1);
    let mut ctr = world.here.command("ctr");
    ctr.args([
        "--address",
        &socket,
        "images",
        "pull",
        "--snapshotter",
        "native",
        "--skip-verify",
        "--http-dump",
        &name,
    ]);
    ctr.env("HTTPS_PROXY", format!("http://{}", sidelight.address("explicit")));
    ctr.env("SSL_CERT_FILE", sidelight.ca_file());
    let pulled = run(&mut ctr);
    assert!(pulled.status.success(), "{pulled}\n{}\n{}", sidelight.said(), containerd.said());
    sidelight.stop();
    let dump = world.path("dump.txt");
    std::fs::write(&dump, pulled.errors() + &pulled.text()).expect("what ctr printed");
    let told = |arguments: &[&str]| -> Vec<String> {
        let mut blocks = world.blocks(arguments);
        blocks.iter_mut().for_each(without_blobs);
        blocks.iter().map(|it| canonical(it).join("\n")).collect()
    };
    let (from_dump, own) = (told(&[&dump]), told(&["--store", &store]));
    assert!(own.len() == 1 && own[0].contains("\"layer\""), "{own:#?}");
    assert_eq!(from_dump, own, "the dump of ctr");
}

/// A dump does not tell whole blobs: their digests, and the note about that; nor connections that Go opens beside and leaves unused.
fn without_blobs(block: &mut Value) {
    block["steps"].as_array_mut().expect("steps").retain(|it| it["step"] != "connect");
    for step in block["steps"].as_array_mut().expect("steps") {
        if matches!(step["step"].as_str(), Some("config" | "layer")) {
            strip(step, &["digest"]);
        }
    }
    strip(&mut block["verdict"], &["notes"]);
}
