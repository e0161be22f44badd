//! What a start is asked for. In: options, variables of the earlier tool. Out: both together, or nothing to do.

use std::path::Path;

use sidelight_host::first_use::User;
use sidelight_model::tofu::Policy;

use super::earlier::{self, Earlier};
use crate::cli::{TofuCommand, TofuLook, TofuStart, TofuTrust};
use crate::exit::Failure;
use crate::ui::Ui;

/// Everything that a start needs.
pub(super) struct Wanted {
    pub(super) look: TofuLook,
    pub(super) trust: TofuTrust,
    pub(super) start: TofuStart,
    pub(super) policy: Policy,
    pub(super) user: Option<User>,
}

impl Wanted {
    /// Puts options and variables together; `None` when the command is to be started as it is.
    ///
    /// # Errors
    /// When something is missing or cannot be meant.
    pub(super) fn of(command: &TofuCommand, ui: Ui) -> Result<Option<Self>, Failure> {
        let (mut look, mut trust, mut start) = (command.look.clone(), command.trust.clone(), command.start.clone());
        let mut policy = trust.policy.unwrap_or_default();
        let user = start.user.as_deref().map(|user| User::find(user, Path::new("/"))).transpose();
        let user = user.map_err(|error| Failure::usage(format!("--user: {error}")))?;
        warn_of_setuid_helper(ui);
        let variable = |name: &str| std::env::var(name).ok();
        if look.host.is_empty() {
            match earlier::read(&variable, &mut look, &mut trust, &mut start)? {
                Earlier::On => policy = trust.policy.unwrap_or(Policy::Tofu),
                Earlier::Off => {}
                Earlier::Absent => {
                    return Err(Failure::usage("no host is named: whose issuer is to be looked at?")
                        .hint("--host HOST[:PORT], or SIDELIGHT_HOST in the environment"));
                }
            }
        }
        if policy == Policy::Enrol {
            return Err(Failure::usage("--policy enrol is for operators, not for starting a command")
                .hint("sidelight tofu enrol HOST…"));
        }
        Ok((!look.host.is_empty()).then_some(Self { look, trust, start, policy, user }))
    }
}

/// The earlier tool's way to root's rights, which stays usable by everyone whenever the entrypoint is not run.
fn warn_of_setuid_helper(ui: Ui) {
    use std::os::unix::fs::MetadataExt as _;
    let named = std::env::var("TLS_TOFU_KAMIKAZE_BIN").unwrap_or_else(|_| "/kamikaze".to_owned());
    let is_setuid =
        |path: &str| std::fs::metadata(path).is_ok_and(|it| it.is_file() && it.mode() & 0o4000 != 0 && it.uid() == 0);
    if is_setuid(&named) {
        let path = crate::render::escape::line(&named);
        ui.warning(&format!(
            "{path} makes every user root; sidelight does not need it: remove it from the image (RUN rm {path})"
        ));
    }
}
