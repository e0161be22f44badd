//! What content is. In: its declared type, the ending of its path, its bytes. Out: a [`Kind`].
//! Spec: RFC 9110 §8.3 (Content-Type), RFC 6838 §4.2.8 (structured suffixes), WHATWG MIME Sniffing §6 (first bytes).

use super::{archive, certificates, form, image, json, jwt, text, xml};

/// Kinds of content that can be laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Json,
    Form,
    Multipart,
    Xml,
    Html,
    Grpc,
    Protobuf,
    MessagePack,
    Cbor,
    Image,
    Jwt,
    Certificates,
    Gzip,
    Zstd,
    Tar,
    Zip,
    Css,
    Script,
    Text,
    Hex,
}

impl Kind {
    /// One word for programs and headings.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Form => "form",
            Self::Multipart => "multipart",
            Self::Xml => "xml",
            Self::Html => "html",
            Self::Grpc => "grpc",
            Self::Protobuf => "protobuf",
            Self::MessagePack => "msgpack",
            Self::Cbor => "cbor",
            Self::Image => "image",
            Self::Jwt => "jwt",
            Self::Certificates => "certificates",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Tar => "tar",
            Self::Zip => "zip",
            Self::Css => "css",
            Self::Script => "javascript",
            Self::Text => "text",
            Self::Hex => "hex",
        }
    }

    /// As in `declared as JSON`.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Form => "a form",
            Self::Xml => "XML",
            Self::Html => "HTML",
            Self::Grpc => "gRPC",
            Self::MessagePack => "MessagePack",
            Self::Cbor => "CBOR",
            Self::Image => "an image",
            Self::Jwt => "a JSON Web Token",
            Self::Css => "CSS",
            Self::Script => "JavaScript",
            Self::Hex => "bytes",
            Self::Multipart | Self::Protobuf | Self::Certificates => self.name(),
            Self::Gzip | Self::Zstd | Self::Tar | Self::Zip | Self::Text => self.name(),
        }
    }
}

/// `type/subtype` of a Content-Type value, in lower case.
pub(super) fn essence(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// A parameter of a Content-Type value, without its quotes.
pub(super) fn parameter(content_type: &str, name: &str) -> Option<String> {
    let mut parameters = content_type.split(';').skip(1);
    let (_, value) = parameters
        .find_map(|parameter| parameter.split_once('=').filter(|(key, _)| key.trim().eq_ignore_ascii_case(name)))?;
    let value = value.trim();
    let bare = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    Some(bare.to_owned())
}

/// What the declared type says, or, when it says nothing, the ending of the path.
pub(super) fn declared(content_type: &str, path: &str) -> Option<Kind> {
    let essence = essence(content_type);
    match essence.as_str() {
        "" | "application/octet-stream" | "binary/octet-stream" | "application/unknown" => by_ending(path),
        essence => by_type(essence),
    }
}

fn by_type(essence: &str) -> Option<Kind> {
    let (kind, subtype) = essence.split_once('/')?;
    Some(match (kind, subtype) {
        ("multipart", _) => Kind::Multipart,
        ("application", _) if subtype.starts_with("grpc") || subtype.starts_with("connect+") => Kind::Grpc,
        (_, "json" | "x-ndjson" | "ndjson" | "jsonl" | "jsonlines" | "json-seq" | "x-json") => Kind::Json,
        (_, "html" | "xhtml+xml") => Kind::Html,
        (_, "css") => Kind::Css,
        (_, "javascript" | "ecmascript" | "x-javascript") => Kind::Script,
        (_, "xml") => Kind::Xml,
        _ if subtype.ends_with("+json") || subtype.ends_with("jws") => Kind::Json,
        _ if subtype.ends_with("+xml") => Kind::Xml,
        _ if subtype.ends_with("+cbor") => Kind::Cbor,
        _ if subtype.ends_with("+msgpack") => Kind::MessagePack,
        ("image", _) => Kind::Image,
        ("text", _) => Kind::Text,
        ("application", _) => return by_subtype(subtype),
        _ => return None,
    })
}

/// Subtypes of `application`.
fn by_subtype(subtype: &str) -> Option<Kind> {
    Some(match subtype {
        "x-www-form-urlencoded" => Kind::Form,
        "protobuf" | "x-protobuf" | "x-google-protobuf" | "vnd.google.protobuf" | "vnd.kubernetes.protobuf" => {
            Kind::Protobuf
        }
        "proto" => Kind::Protobuf,
        "msgpack" | "x-msgpack" | "vnd.msgpack" => Kind::MessagePack,
        "cbor" => Kind::Cbor,
        "jwt" | "jose" => Kind::Jwt,
        "pkix-cert" | "x-x509-ca-cert" | "x-x509-user-cert" | "pem-certificate-chain" | "x-pem-file" => {
            Kind::Certificates
        }
        "gzip" | "x-gzip" => Kind::Gzip,
        "zstd" => Kind::Zstd,
        "tar" | "x-tar" => Kind::Tar,
        "zip" | "java-archive" | "x-zip-compressed" => Kind::Zip,
        "yaml" | "x-yaml" | "toml" | "graphql" | "x-sh" | "sql" | "openmetrics-text" => Kind::Text,
        _ if subtype.starts_with("vnd.") && subtype.ends_with("+yaml") => Kind::Text,
        _ if subtype.ends_with("tar+gzip") || subtype.ends_with("tar.gzip") => Kind::Gzip,
        _ if subtype.ends_with("tar+zstd") => Kind::Zstd,
        _ if subtype.ends_with(".tar") => Kind::Tar,
        _ => return None,
    })
}

fn by_ending(path: &str) -> Option<Kind> {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let (_, ending) = path.rsplit('/').next()?.rsplit_once('.')?;
    Some(match ending.to_ascii_lowercase().as_str() {
        "json" | "ndjson" | "jsonl" | "har" => Kind::Json,
        "xml" | "svg" | "xsd" | "wsdl" => Kind::Xml,
        "html" | "htm" => Kind::Html,
        "css" => Kind::Css,
        "js" | "mjs" => Kind::Script,
        "msgpack" => Kind::MessagePack,
        "cbor" => Kind::Cbor,
        _ => return None,
    })
}

/// Text that is declared as such may be something of which more can be told.
pub(super) fn refined(kind: Kind, bytes: &[u8], cut: bool) -> Kind {
    let looks = || text::plain(bytes, cut).map(text_by_look);
    match kind {
        Kind::Text => looks().filter(|it| matches!(it, Kind::Json | Kind::Jwt | Kind::Certificates)).unwrap_or(kind),
        kind => kind,
    }
}

/// What the bytes look like.
pub(super) fn by_look(bytes: &[u8], cut: bool) -> Kind {
    match bytes {
        [0x1f, 0x8b, 8, ..] => return Kind::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => return Kind::Zstd,
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => return Kind::Zip,
        _ if archive::looks_like_tar(bytes) => return Kind::Tar,
        _ if certificates::looks_like_der(bytes) => return Kind::Certificates,
        _ => {}
    }
    match text::plain(bytes, cut) {
        Some(text) => text_by_look(text),
        None if image::kind(bytes).is_some() => Kind::Image,
        None => Kind::Hex,
    }
}

/// What a text that nobody declared looks like.
pub(super) fn text_by_look(text: &str) -> Kind {
    match xml::looks_like(text) {
        Some(true) => Kind::Html,
        Some(false) => Kind::Xml,
        None if json::looks_like(text) => Kind::Json,
        None if certificates::looks_like_pem(text) => Kind::Certificates,
        None if jwt::looks_like(text) => Kind::Jwt,
        None if form::looks_like(text) => Kind::Form,
        None => Kind::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &[Kind] = &[
        Kind::Json,
        Kind::Form,
        Kind::Multipart,
        Kind::Xml,
        Kind::Html,
        Kind::Grpc,
        Kind::Protobuf,
        Kind::MessagePack,
        Kind::Cbor,
        Kind::Image,
        Kind::Jwt,
        Kind::Certificates,
        Kind::Gzip,
        Kind::Zstd,
        Kind::Tar,
        Kind::Zip,
        Kind::Css,
        Kind::Script,
        Kind::Text,
        Kind::Hex,
    ];

    /// docs/views.md tells every view, and no other.
    #[test]
    fn the_page_of_views_is_in_step() {
        let page = include_str!("../../../../docs/views.md");
        let rows = page.lines().filter(|line| line.starts_with("| `")).filter_map(|line| line.split('|').nth(1));
        let mut told: Vec<&str> =
            rows.flat_map(|names| names.split(',')).map(|name| name.trim().trim_matches('`')).collect();
        let mut known: Vec<&str> = ALL.iter().map(|kind| kind.name()).collect();
        told.sort_unstable();
        known.sort_unstable();
        assert_eq!(told, known);
    }

    #[test]
    fn types_suffixes_and_endings() {
        for (content_type, path, kind) in [
            ("Application/Problem+JSON; charset=utf-8", "", Some(Kind::Json)),
            ("application/vnd.oci.image.manifest.v1+json", "", Some(Kind::Json)),
            ("application/vnd.docker.distribution.manifest.v1+prettyjws", "", Some(Kind::Json)),
            ("application/grpc+json", "", Some(Kind::Grpc)),
            ("application/connect+proto", "", Some(Kind::Grpc)),
            ("application/vnd.docker.image.rootfs.diff.tar.gzip", "", Some(Kind::Gzip)),
            ("application/vnd.oci.image.layer.v1.tar+zstd", "", Some(Kind::Zstd)),
            ("image/svg+xml", "", Some(Kind::Xml)),
            ("image/jpeg", "/x.json", Some(Kind::Image)),
            ("text/javascript", "", Some(Kind::Script)),
            ("application/octet-stream", "/a/b.JSON?x=.css", Some(Kind::Json)),
            ("", "/style.css#x", Some(Kind::Css)),
            ("", "/a.d/b", None),
            ("video/mp4", "/x.json", None),
        ] {
            assert_eq!(declared(content_type, path), kind, "{content_type} {path}");
        }
        assert_eq!(parameter("multipart/mixed; x=y; Boundary=\"a b\"", "boundary").as_deref(), Some("a b"));
    }
}
