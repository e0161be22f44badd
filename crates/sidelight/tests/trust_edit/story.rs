//! The whole story: an image without the root of a service that demands a client certificate. Diagnosed, mended by the very line that
//! is printed, connected from inside with the image's own curl, and taken back.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use sidelight_testkit::process::{free_port, run};
use sidelight_testkit::{Hosts, Issuer, Leaf, Running};

use crate::place::{Place, copy_program};

pub(crate) const BUNDLE: &str = "etc/ssl/certs/ca-certificates.crt";

/// nginx that lets nobody in without a client certificate, and sends its root with its chain.
pub(crate) fn service(place: &Place, root: &Issuer) -> (Running, u16) {
    let folder = place.path("nginx");
    fs::create_dir_all(&folder).unwrap();
    let mut identity = root.issue(&Leaf::named(&["localhost"]));
    identity.chain_pem.push_str(root.pem());
    let (chain, key) = identity.write_to(&folder, "server");
    let ca = root.write_to(&folder.join("ca.pem"));
    let port = free_port();
    let (home, chain, key, ca) = (folder.display(), chain.display(), key.display(), ca.display());
    let text = format!(
        "daemon off; pid {home}/pid; error_log stderr warn; user root;
events {{ worker_connections 64; }}
http {{
  access_log {home}/access.log; client_body_temp_path {home}/body; proxy_temp_path {home}/proxy;
  fastcgi_temp_path {home}/fastcgi; uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
  server {{
    listen 127.0.0.1:{port} ssl; ssl_certificate {chain}; ssl_certificate_key {key};
    ssl_verify_client on; ssl_client_certificate {ca};
    location / {{ return 200 \"welcome $ssl_client_s_dn\\n\"; }}
  }}
}}
"
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, text).unwrap();
    let mut command = Command::new("nginx");
    command.arg("-p").arg(&folder).arg("-c").arg(&file);
    let mut running = Running::start(&mut command, &folder.join("log"));
    running.until_it_listens(&Hosts::new(&folder, &[]), SocketAddr::from(([127, 0, 0, 1], port)));
    (running, port)
}

/// An archive as `docker save` writes it, of an image with curl, its libraries and Debian's roots alone.
fn image(place: &Place) {
    let root = place.path("made");
    copy_program("/usr/bin/curl", &root);
    for path in [BUNDLE, "etc/ca-certificates.conf", "etc/os-release"] {
        fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
        fs::copy(Path::new("/").join(path), root.join(path)).unwrap();
    }
    fs::write(root.join("etc/hosts"), "127.0.0.1 localhost\n").unwrap();
    let umoci = |line: &str| run(place.command("umoci").args(line.split_whitespace())).success();
    umoci("init --layout layout");
    umoci("new --image layout:app");
    umoci("insert --image layout:app made /");
    umoci("config --image layout:app --config.env PATH=/usr/bin --config.entrypoint /usr/bin/curl");
    skopeo(place, "oci:layout:app docker-archive:app.tar:app:1");
}

fn skopeo(place: &Place, line: &str) {
    run(place.command("skopeo").args(["--insecure-policy", "copy", "--quiet"]).args(line.split_whitespace())).success();
}

/// The root file system of an archive, as a container would get it.
fn unpacked(place: &Place, archive: &str, name: &str) -> std::path::PathBuf {
    skopeo(place, &format!("docker-archive:{archive} oci:{name}-layout:app"));
    let unpack = format!("unpack --image {name}-layout:app {name}");
    run(place.command("umoci").args(unpack.split_whitespace())).success();
    place.path(name).join("rootfs")
}

/// The image's own curl, in the image's root.
pub(crate) fn curl(place: &Place, root: &Path, port: u16, with_certificate: bool) -> Result<String, String> {
    for file in ["client.pem", "client.key"] {
        if !root.join(file).exists() {
            fs::copy(place.path(file), root.join(file)).unwrap();
        }
    }
    let mut command = place.command("chroot");
    command.arg(root).args(["/usr/bin/curl", "--silent", "--show-error", "--fail", "--max-time", "30"]);
    if with_certificate {
        command.args(["--cert", "/client.pem", "--key", "/client.key"]);
    }
    let done = run(command.arg(format!("https://localhost:{port}/")));
    if done.status.success() { Ok(done.text()) } else { Err(done.errors()) }
}

/// The command of the fixes that adds the root, as it is printed.
pub(crate) fn printed_line(told: &serde_json::Value) -> String {
    let lines: Vec<String> = fixes(told).iter().flat_map(|how| how.lines()).map(str::to_owned).collect();
    lines.into_iter().find(|line| line.starts_with("sidelight trust add")).expect("a line that adds the root")
}

/// The lines of a finding's fixes.
fn fixes(document: &Value) -> Vec<String> {
    let fixes = document["fix"].as_array().unwrap();
    fixes.iter().map(|fix| fix["how"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn an_image_without_the_root_is_diagnosed_mended_and_connects() {
    let place = Place::new();
    let root = Issuer::root("Night Root");
    let (_nginx, port) = service(&place, &root);
    root.issue(&Leaf::named(&["client"]).for_clients()).write_to(&place.path(""), "client");
    image(&place);
    let before = unpacked(&place, "app.tar", "before");
    let refused = curl(&place, &before, port, true).unwrap_err();
    assert!(refused.contains("self-signed certificate in certificate chain"), "{refused}");

    // What is wrong, and all of it.
    let asked = format!("diagnose localhost:{port} --from docker-archive:app.tar");
    let with = "--cert client.pem --key client.key";
    let (status, told) = place.json(&format!("{asked} {with} --save-chain chain.pem"));
    assert_eq!((status, told["cause"].as_str()), (1, Some("root_not_trusted")), "{told}");
    assert!(told["summary"].as_str().unwrap().contains("Night Root"), "{told}");
    assert_eq!(told["warnings"].as_array().unwrap().iter().filter(|it| it.to_string().contains("not all")).count(), 0);
    let (_, without) = place.json(&asked);
    assert_eq!(without["cause"], "root_not_trusted");
    let next = without["warnings"].to_string();
    assert!(next.contains("this is not all") && next.contains("demands a client certificate"), "{next}");

    // The line is run as it is printed.
    let line = printed_line(&told);
    assert_eq!(
        line,
        "sidelight trust add chain-root.pem --into docker-archive:app.tar -o docker-archive:with-root.tar"
    );
    let added = place.sidelight(line.trim_start_matches("sidelight ")).success();
    assert!(added.text().contains("Night Root is now trusted in docker-archive:with-root.tar"), "{added}");

    // It connects: from inside, with the image's own curl; and still not without its certificate.
    let after = unpacked(&place, "with-root.tar", "after");
    assert_eq!(curl(&place, &after, port, true).unwrap(), "welcome O=Sidelight Test Peers,CN=client\n");
    assert!(curl(&place, &after, port, false).is_err());
    let mended = format!("diagnose localhost:{port} --from docker-archive:with-root.tar");
    let (status, told) = place.json(&format!("{mended} {with}"));
    assert_eq!((status, told["cause"].as_str()), (0, Some("ok")), "{told}");
    let (status, told) = place.json(&mended);
    assert_eq!((status, told["cause"].as_str()), (1, Some("client_cert_required")), "{told}");

    // Twice is once.
    let again = place
        .sidelight("trust add chain-root.pem --into docker-archive:with-root.tar -o docker-archive:twice.tar")
        .success();
    assert!(again.text().contains("was trusted already"), "{again}");
    assert!(!place.path("twice.tar").exists());

    // And taken back.
    place
        .sidelight("trust remove chain-root.pem --from docker-archive:with-root.tar -o docker-archive:without.tar")
        .success();
    let back = unpacked(&place, "without.tar", "back");
    assert_eq!(fs::read(back.join(BUNDLE)).unwrap(), fs::read(before.join(BUNDLE)).unwrap());
    assert!(curl(&place, &back, port, true).is_err());
}

#[test]
fn a_folder_is_mended_where_it_is_and_given_back_byte_for_byte() {
    let place = Place::new();
    let root = Issuer::root("Night Root");
    let (_nginx, port) = service(&place, &root);
    root.issue(&Leaf::named(&["client"]).for_clients()).write_to(&place.path(""), "client");
    image(&place);
    let folder = place.path("made");
    // Curl's certificate comes into the folder with the first call.
    assert!(curl(&place, &folder, port, true).is_err());
    let before = place.all("made");
    // A bare word that is a folder.
    let (_, told) = place.json(&format!("diagnose localhost:{port} --from made --as curl --save-chain chain.pem"));
    let line = printed_line(&told);
    assert_eq!(line, "sidelight trust add chain-root.pem --into rootfs:made");
    place.sidelight(line.trim_start_matches("sidelight ")).success();
    assert_eq!(curl(&place, &folder, port, true).unwrap(), "welcome O=Sidelight Test Peers,CN=client\n");
    let restored = place.sidelight("trust remove chain-root.pem --from rootfs:made").success();
    assert!(restored.text().contains("everything is as it was before"), "{restored}");
    assert_eq!(place.all("made"), before);
}

#[test]
fn what_does_not_go_into_the_new_image_is_said() {
    let place = Place::new();
    image(&place);
    Issuer::root("Corp Root").write_to(&place.path("corp.pem"));
    let add = "trust add corp.pem --into oci:layout:app -o oci-archive:new.tar";
    let alone = place.sidelight(add).success();
    assert!(!alone.errors().contains("alone"), "{alone}");

    // The same image for another platform, and the provenance of its build.
    let file = place.path("layout/index.json");
    let mut index: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let mut here = index["manifests"][0].clone();
    here["platform"] = serde_json::json!({"os": "linux", "architecture": "amd64"});
    let copy = |architecture: &str, number: u8| {
        let mut document: Value = serde_json::from_slice(&fs::read(blob(&place, &here)).unwrap()).unwrap();
        document["annotations"] = serde_json::json!({ "number": number.to_string() });
        let bytes = serde_json::to_vec(&document).unwrap();
        let mut other = here.clone();
        other["digest"] = format!("sha256:{}", sidelight_testkit::sha256(&bytes)).into();
        other["size"] = bytes.len().into();
        other["platform"] = serde_json::json!({"os": "linux", "architecture": architecture});
        fs::write(blob(&place, &other), bytes).unwrap();
        other
    };
    let mut provenance = copy("unknown", 2);
    provenance["platform"]["os"] = "unknown".into();
    index["manifests"] = vec![here.clone(), copy("s390x", 1), provenance].into();
    fs::write(&file, index.to_string()).unwrap();
    let several = place.sidelight(&format!("{add} --platform linux/amd64")).success();
    assert!(several.errors().contains("alone; the old one is there for linux/s390x too"), "{several}");
    assert!(several.errors().contains("attestations speak of it alone"), "{several}");
}

fn blob(place: &Place, descriptor: &Value) -> std::path::PathBuf {
    place.path("layout/blobs/sha256").join(descriptor["digest"].as_str().unwrap().trim_start_matches("sha256:"))
}
