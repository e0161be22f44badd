//! What registries and their token servers say besides images: challenges, tokens, errors; their conversations as recordings have
//! them, and as `ctr --http-dump` and a registry's own log tell them; and the files in which clients keep their logins. In: header
//! values, JSON, exchanges, text. Out: values. Spec: OCI distribution-spec 1.1, distribution's token specification, RFC 9110
//! §11.6.1 (challenges), docker's `config.json`, containers-auth.json(5).

mod access_log;
mod answer;
mod bearer;
mod challenge;
mod client_files;
mod http_dump;
mod local_port;
mod login_file;
mod manifest;
mod observe;
mod parts;
mod told;

pub use access_log::read_access_log;
pub use answer::{ApiError, Token, parse_errors, parse_token};
pub use bearer::read_token;
pub use challenge::{Challenge, parse_challenges};
pub use client_files::{DaemonJson, HostsToml, Place, RegistriesConf, RegistryEntry, containerd_config_path};
pub use http_dump::read_http_dump;
pub use local_port::{Moved, named_origins, request_for_registry, response_for_client};
pub use login_file::{Login, LoginFile, LoginFileError, Stored, parse_helper_answer};
pub use manifest::parse_manifest;
pub use observe::Observer;
pub use parts::{Blob, Parts, parse_parts};
pub use told::{Told, looks_like_access_log, looks_like_http_dump};
