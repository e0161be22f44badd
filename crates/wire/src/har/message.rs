//! Requests and responses of an archive. In: members of an entry. Out: values, and back. Spec: HAR 1.2.

use serde::{Deserialize, Serialize};

use super::lenient::{flag, integer, items, maybe, optional_text, text};
use super::{is_false, is_zero};

/// A name and a value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Field {
    /// The name.
    #[serde(deserialize_with = "text")]
    pub name: String,
    /// The value; of bytes that are no UTF-8, the nearest text.
    #[serde(deserialize_with = "text")]
    pub value: String,
    /// The value in base64, when it is no UTF-8.
    #[serde(rename = "_base64", deserialize_with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
}

/// A cookie.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Cookie {
    /// Its name.
    #[serde(deserialize_with = "text")]
    pub name: String,
    /// Its value.
    #[serde(deserialize_with = "text")]
    pub value: String,
    /// `Path`.
    #[serde(deserialize_with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// `Domain`.
    #[serde(deserialize_with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// `Expires`, as RFC 3339.
    #[serde(deserialize_with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// `HttpOnly`.
    #[serde(deserialize_with = "flag", skip_serializing_if = "is_false")]
    pub http_only: bool,
    /// `Secure`.
    #[serde(deserialize_with = "flag", skip_serializing_if = "is_false")]
    pub secure: bool,
    /// `SameSite`.
    #[serde(rename = "_sameSite", deserialize_with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub same_site: Option<String>,
}

/// The client's half.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Request {
    /// The method.
    #[serde(deserialize_with = "text")]
    pub method: String,
    /// The absolute URL, without fragment.
    #[serde(deserialize_with = "text")]
    pub url: String,
    /// `HTTP/1.1`, `HTTP/2`; others write `h2`, `http/2.0` …
    #[serde(deserialize_with = "text")]
    pub http_version: String,
    /// Cookies in the head.
    #[serde(deserialize_with = "items")]
    pub cookies: Vec<Cookie>,
    /// Fields in their order.
    #[serde(deserialize_with = "items")]
    pub headers: Vec<Field>,
    /// Parameters of the URL, decoded.
    #[serde(deserialize_with = "items")]
    pub query_string: Vec<Field>,
    /// The body, if there is one.
    #[serde(deserialize_with = "maybe", skip_serializing_if = "Option::is_none")]
    pub post_data: Option<PostData>,
    /// Bytes of the head; -1 when not known.
    #[serde(deserialize_with = "integer")]
    pub headers_size: i64,
    /// Bytes of the body; -1 when not known.
    #[serde(deserialize_with = "integer")]
    pub body_size: i64,
    /// The target as it was on the wire, where the URL and the head do not tell it.
    #[serde(rename = "_target", deserialize_with = "maybe", skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// Fields after the body.
    #[serde(rename = "_trailers", deserialize_with = "items", skip_serializing_if = "Vec::is_empty")]
    pub trailers: Vec<Field>,
}

/// A request's target, exactly.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Target {
    /// As in the request line, or `:path`.
    #[serde(deserialize_with = "text")]
    pub raw: String,
    /// The same in base64, when it is no UTF-8.
    #[serde(deserialize_with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
    /// The scheme, when the message says it.
    #[serde(deserialize_with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    /// The authority, when the message says it.
    #[serde(deserialize_with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
}

/// A request's body.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PostData {
    /// The media type, as in the head.
    #[serde(deserialize_with = "text")]
    pub mime_type: String,
    /// Form fields, decoded.
    #[serde(deserialize_with = "items")]
    pub params: Vec<Field>,
    /// The content.
    #[serde(deserialize_with = "text")]
    pub text: String,
    /// `base64` when the text is that.
    #[serde(rename = "_encoding", alias = "encoding", deserialize_with = "optional_text")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// What HAR has no place for.
    #[serde(flatten)]
    pub more: BodyFacts,
}

/// What HAR has no place for in a body.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BodyFacts {
    /// The kept bytes as they were on the wire, in base64, when a content coding was undone in the text.
    #[serde(rename = "_coded", deserialize_with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub coded: Option<String>,
    /// Bytes of the coded content that were not kept.
    #[serde(rename = "_cut", deserialize_with = "integer", skip_serializing_if = "is_zero")]
    pub cut: i64,
    /// SHA-256 of the whole coded content, in hex.
    #[serde(rename = "_sha256", deserialize_with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Bytes on the wire that carried it, where these are more.
    #[serde(rename = "_wireSize", deserialize_with = "integer", skip_serializing_if = "is_zero")]
    pub wire_size: i64,
}

/// The service's half.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Response {
    /// The status; 0 when there was no response.
    #[serde(deserialize_with = "integer")]
    pub status: i64,
    /// The reason phrase.
    #[serde(deserialize_with = "text")]
    pub status_text: String,
    /// As in the request.
    #[serde(deserialize_with = "text")]
    pub http_version: String,
    /// Cookies that are set.
    #[serde(deserialize_with = "items")]
    pub cookies: Vec<Cookie>,
    /// Fields in their order.
    #[serde(deserialize_with = "items")]
    pub headers: Vec<Field>,
    /// The body.
    #[serde(deserialize_with = "maybe")]
    pub content: Content,
    /// The field Location.
    #[serde(rename = "redirectURL", deserialize_with = "text")]
    pub redirect_url: String,
    /// Bytes of the head; -1 when not known.
    #[serde(deserialize_with = "integer")]
    pub headers_size: i64,
    /// Bytes of the body as it was sent; -1 when not known.
    #[serde(deserialize_with = "integer")]
    pub body_size: i64,
    /// Fields after the body.
    #[serde(rename = "_trailers", deserialize_with = "items", skip_serializing_if = "Vec::is_empty")]
    pub trailers: Vec<Field>,
    /// Why there is no whole response.
    #[serde(rename = "_error", deserialize_with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A response's body, without content codings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Content {
    /// Bytes of the content.
    #[serde(deserialize_with = "integer")]
    pub size: i64,
    /// Bytes that the content coding saved.
    #[serde(deserialize_with = "maybe", skip_serializing_if = "Option::is_none")]
    pub compression: Option<i64>,
    /// The media type, as in the head.
    #[serde(deserialize_with = "text")]
    pub mime_type: String,
    /// The content.
    #[serde(deserialize_with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// `base64` when the text is that.
    #[serde(deserialize_with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// What HAR has no place for.
    #[serde(flatten)]
    pub more: BodyFacts,
}
