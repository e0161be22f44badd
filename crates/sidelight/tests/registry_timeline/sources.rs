//! One pull and one push, captured by everything at once: sidelight's own recording, HAR, packets with a key log, tcpdump, content log,
//! mitmproxy, sslsplit. In: skopeo's conversation with a registry in TLS that takes tokens. Out: the same from each.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::captures::{Recorders, World, all_tell_the_same};
use super::kit::{image, skopeo, steps};

/// Pushes and pulls.
fn push_and_pull(world: &World, recorders: &Recorders) {
    let certs = recorders.certificates(world);
    let archive = image(world.folder.path());
    let name = format!("docker://{}/team/app:1", world.authority());
    let client = || recorders.client(world, "skopeo");
    skopeo(client(), &["copy", "--dest-cert-dir", &certs, &archive, &name]).success();
    let out = format!("dir:{}", world.path("pulled"));
    skopeo(client(), &["copy", "--src-cert-dir", &certs, &name, &out]).success();
}

fn count(block: &Value, what: &str) -> usize {
    steps(block).iter().filter(|it| *it == what).count()
}

#[test]
fn every_capture_tells_the_same_steps() {
    let world = World::start(false, false);
    let recorders = Recorders::start(&world);
    push_and_pull(&world, &recorders);
    // While sidelight still records, the timeline is there already, whole as soon as the last flow is written.
    let store = world.path("rec.sidelight");
    let live = || world.told(&["--store", &store]);
    let is_whole = |told: &[Vec<String>]| {
        told.len() == 2
            && told.iter().all(|it| it[0].contains("\"cause\":\"ok\""))
            && told.concat().concat().contains("\"config\"")
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_whole(&live()) {
        assert!(Instant::now() < deadline, "{:#?}", live());
        std::thread::sleep(Duration::from_millis(100));
    }
    recorders.stop();
    let own = all_tell_the_same(&world);
    let causes: Vec<_> = own.iter().map(|it| (it["action"].as_str(), it["verdict"]["cause"].as_str())).collect();
    assert_eq!(causes, [(Some("push"), Some("ok")), (Some("pull"), Some("ok"))], "{own:#?}");
    assert_eq!((count(&own[0], "upload done"), count(&own[1], "layer done")), (3, 2), "{own:#?}");
    let pulled = own[1]["steps"].as_array().expect("steps");
    assert!(pulled.iter().filter(|it| it["step"] == "layer").all(|it| it["digest"] == "verified"), "{own:#?}");
    let token = pulled.iter().find(|it| it["step"] == "token").expect("a token");
    let access = &token["requests"][0]["granted"]["token"]["access"];
    assert!(access.to_string().contains("repository:team/app:pull"), "{token:#}");
    let manifest = pulled.iter().find(|it| it["step"] == "manifest").expect("a manifest");
    assert!(manifest["requests"].to_string().contains("76;w=21600"), "{manifest:#}");
}

#[test]
fn redirects_to_a_storage_host_and_long_tokens() {
    let world = World::start(true, true);
    let recorders = Recorders::start(&world);
    push_and_pull(&world, &recorders);
    recorders.stop();
    let own = all_tell_the_same(&world);
    assert_eq!(own.len(), 2, "{own:#?}");
    let layers = own[1]["steps"].as_array().expect("steps").iter().filter(|it| it["step"] == "layer");
    for layer in layers {
        assert_eq!((&layer["digest"], &layer["state"]), (&"verified".into(), &"done".into()), "{layer:#}");
        assert_eq!(layer["requests"][1]["redirected"], true, "{layer:#}");
        assert_eq!(layer["requests"][1]["credentials"], "none", "{layer:#}");
    }
}
