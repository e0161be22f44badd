//! Whose settings count. In: a host's root with the files of a client. Out: that they are heeded, and told.

use std::path::Path;

use sidelight_testkit::process::free_port;
use sidelight_testkit::registry::{good, serve};
use sidelight_testkit::{Issuer, Leaf};

use super::program::{document, fault, sidelight};

fn write(root: &Path, name: &str, text: &str) {
    let file = root.join(name);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, text).unwrap();
}

fn check(root: &Path, image: &str, client: &str) -> sidelight_testkit::process::Finished {
    sidelight(root, &["--json", "registry", "check", image, "--as", client, "--host-root", root.to_str().unwrap()], &[])
}

#[test]
fn docker_does_not_verify_on_loopback_which_is_said() {
    let root = tempfile::tempdir().unwrap();
    let service = serve(
        Some(Issuer::root("Unknown Root").issue(&Leaf::named(&["localhost"])).server_config(&["http/1.1"])),
        good,
    );
    let checked = check(root.path(), &format!("localhost:{}/team/app:1", service.address.port()), "docker");
    assert_eq!(fault(&checked, "ok"), None);
    assert_eq!(document(&checked)["ways"][0]["verified"], false);
    assert!(checked.errors().contains("are not verified: its address 127.0.0.1 is on loopback"), "{checked}");
}

#[test]
fn containerd_asks_mirrors_first_and_trusts_what_hosts_toml_names() {
    let root = tempfile::tempdir().unwrap();
    let issuer = Issuer::root("Registry Root");
    let service = serve(Some(issuer.issue(&Leaf::named(&["localhost"])).server_config(&["http/1.1"])), good);
    let registry = format!("localhost:{}", service.address.port());
    let folder = format!("etc/containerd/certs.d/{registry}");
    let dead = free_port();
    write(
        root.path(),
        "etc/containerd/config.toml",
        "[plugins.cri.registry]\nconfig_path = '/etc/containerd/certs.d'\n",
    );
    let hosts = format!(
        "server = 'https://{registry}'\nca = 'ca.crt'\n[host.\"http://127.0.0.1:{dead}\"]\ncapabilities = ['pull', 'resolve']\n"
    );
    write(root.path(), &format!("{folder}/hosts.toml"), &hosts);
    issuer.write_to(&root.path().join(&folder).join("ca.crt"));
    let checked = check(root.path(), &format!("{registry}/team/app:1"), "containerd");
    assert_eq!(fault(&checked, "ok"), None);
    let ways = document(&checked)["ways"].clone();
    assert_eq!((&ways[0]["mirror"], &ways[0]["cause"]), (&true.into(), &"connection_refused".into()), "{checked}");
    assert_eq!((&ways[1]["mirror"], &ways[1]["cause"]), (&false.into(), &"ok".into()), "{checked}");
}

#[test]
fn podman_heeds_registries_conf_and_certs_d() {
    let root = tempfile::tempdir().unwrap();
    let plain = serve(None, good);
    let place = plain.place();
    write(
        root.path(),
        "etc/containers/registries.conf",
        &format!(
            "[[registry]]\nprefix = 'r.invalid'\nlocation = '{place}'\ninsecure = true\n[[registry]]\nprefix = 'b.invalid'\nblocked = true\n"
        ),
    );
    assert_eq!(fault(&check(root.path(), "r.invalid/team/app:1", "podman"), "ok"), None);
    assert_eq!(fault(&check(root.path(), "b.invalid/team/app:1", "podman"), "client_files_unusable"), None);
    let issuer = Issuer::root("Registry Root");
    let service = serve(Some(issuer.issue(&Leaf::named(&["localhost"])).server_config(&["http/1.1"])), good);
    let registry = format!("localhost:{}", service.address.port());
    let folder = format!("etc/containers/certs.d/{registry}");
    write(root.path(), &format!("{folder}/readme"), "");
    issuer.write_to(&root.path().join(&folder).join("ca.crt"));
    let image = format!("{registry}/team/app:1");
    assert_eq!(fault(&check(root.path(), &image, "podman"), "ok"), None);
    write(root.path(), &format!("{folder}/client.cert"), "no key beside it");
    assert_eq!(fault(&check(root.path(), &image, "podman"), "client_files_unusable"), None);
}
