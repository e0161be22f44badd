//! What trust on first use needs of this machine: the record on disk, the audit log, rights to drop, the command to become.
//! In: paths, users, arguments. Out: files written whole or not at all; a process that has become another. Spec: docs/tofu.md.

mod become_command;
mod folder;
mod identity;
mod lasting;
mod log;
mod record;
mod user;

pub use become_command::{Became, become_command, drop_rights};
pub use folder::trust_folder;
pub use identity::Identity;
pub use lasting::{Lasting, is_image_root, lasting};
pub use log::{LogError, append, head_path};
pub use record::{RecordError, RecordFile};
pub use user::{User, UserError};
