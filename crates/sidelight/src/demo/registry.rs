//! The container registry of the demonstration, and its token service. In: requests of a pull. Out: challenge, token, manifest,
//! blobs, with their true digests. Spec: OCI distribution 1.1; the token protocol of Docker's registry.

use std::sync::OnceLock;

use sidelight_model::redact::sha256_hex;

use super::replies::{Request, Response, gzip, whole};
use super::{AUTH, REGISTRY};

/// Bearer of the right to pull. A demonstration's token may be a constant.
const TOKEN: &str = "eyJhbGciOiJub25lIn0.eyJhY2Nlc3MiOiJwdWxsIn0.ZGVtbw";

const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// A small image.
struct Image {
    manifest: String,
    config: String,
    layer: Vec<u8>,
}

fn image() -> &'static Image {
    static IMAGE: OnceLock<Image> = OnceLock::new();
    IMAGE.get_or_init(|| {
        // An empty tar archive is two blocks of zeros; some more make a layer worth its name.
        let tar = vec![0; 256 * 512];
        let layer = gzip(&tar);
        let config = serde_json::json!({
            "architecture": "amd64", "os": "linux", "config": {},
            "rootfs": { "type": "layers", "diff_ids": [digest(&tar)] }
        })
        .to_string();
        let manifest = serde_json::json!({
            "schemaVersion": 2, "mediaType": MANIFEST_TYPE,
            "config": { "mediaType": CONFIG_TYPE, "digest": digest(config.as_bytes()), "size": config.len() },
            "layers": [{ "mediaType": LAYER_TYPE, "digest": digest(&layer), "size": layer.len() }]
        })
        .to_string();
        Image { manifest, config, layer }
    })
}

/// `sha256:` and the hash.
pub(super) fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", sha256_hex(bytes))
}

/// Answers one request.
pub(super) async fn answer(request: Request) -> Response {
    let path = request.uri().path();
    if path == "/token" {
        let text = format!(r#"{{"token":"{TOKEN}","expires_in":300}}"#);
        return whole(200, &[("content-type", "application/json")], text);
    }
    let may = request.headers().get("authorization").is_some_and(|value| value == &format!("Bearer {TOKEN}"));
    if !may {
        return challenge(&request);
    }
    let image = image();
    let blob = path.strip_prefix("/v2/demo/hello/blobs/");
    match path {
        "/v2/" => whole(200, &[("content-type", "application/json")], "{}"),
        "/v2/demo/hello/manifests/latest" => {
            let digest = digest(image.manifest.as_bytes());
            let fields = [("content-type", MANIFEST_TYPE), ("docker-content-digest", digest.as_str())];
            whole(200, &fields, image.manifest.as_str())
        }
        _ if blob == Some(digest(image.config.as_bytes()).as_str()) => {
            whole(200, &[("content-type", "application/octet-stream")], image.config.as_str())
        }
        _ if blob == Some(digest(&image.layer).as_str()) => {
            whole(200, &[("content-type", "application/octet-stream")], image.layer.as_slice())
        }
        _ => whole(404, &[("content-type", "application/json")], r#"{"errors":[{"code":"NAME_UNKNOWN"}]}"#),
    }
}

/// 401 with the place where tokens are to be had.
fn challenge(request: &Request) -> Response {
    let authority = request
        .uri()
        .authority()
        .map(ToString::to_string)
        .or_else(|| request.headers().get("host").and_then(|host| host.to_str().ok()).map(str::to_owned));
    let port = authority.as_deref().and_then(|it| it.rsplit_once(':')).map_or("443", |(_, port)| port);
    let bearer = format!(
        "Bearer realm=\"https://{AUTH}:{port}/token\",service=\"{REGISTRY}\",scope=\"repository:demo/hello:pull\""
    );
    let fields = [("www-authenticate", bearer.as_str()), ("content-type", "application/json")];
    whole(401, &fields, r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#)
}
