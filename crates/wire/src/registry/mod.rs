//! What registries and their token servers say besides images: challenges, tokens, errors; and the files in which clients keep
//! their logins. In: header values and JSON. Out: values. Spec: OCI distribution-spec 1.1, distribution's token specification,
//! RFC 9110 §11.6.1 (challenges), docker's `config.json`, containers-auth.json(5).

mod answer;
mod challenge;
mod client_files;
mod login_file;
mod parts;

pub use answer::{ApiError, Token, parse_errors, parse_token};
pub use challenge::{Challenge, parse_challenges};
pub use client_files::{DaemonJson, HostsToml, Place, RegistriesConf, RegistryEntry, containerd_config_path};
pub use login_file::{Login, LoginFile, LoginFileError, Stored, parse_helper_answer};
pub use parts::{Blob, Parts, parse_parts};
