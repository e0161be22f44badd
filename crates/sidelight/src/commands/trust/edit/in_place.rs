//! A root changed where it is. In: a root, certificates. Out: outcomes, each change in the journal first.

use sidelight_host::journal::{Entry, Journal};
use sidelight_host::trust_store::{
    Anchor, Target, TrustStoreError, add, find, is_as_wanted, plan_add, plan_remove, remove, undo_edit,
};
use sidelight_model::time::Timestamp;
use sidelight_wire::trust_edit::{Plan, StoreKind};

use super::input::Wanted;
use super::place::Root;
use crate::cli::TrustEdit;
use crate::exit::Failure;
use crate::render::escape;
use crate::schema::trust_edit::Outcome;
use crate::ui::Ui;

/// What is asked of a root.
pub(super) struct Job<'a> {
    pub(super) root: &'a Root,
    pub(super) options: &'a TrustEdit,
    pub(super) only: Option<&'a [StoreKind]>,
    pub(super) now: Timestamp,
    pub(super) ui: Ui,
}

impl Job<'_> {
    fn target(&self) -> Target<'_> {
        Target {
            root: &self.root.path,
            place: &self.root.name,
            guard: self.root.guard.clone(),
            env: &self.root.env,
            passwords: &self.options.storepass,
            openssl_dirs: &[],
            only: self.only,
        }
    }

    /// Adds each certificate.
    pub(super) fn add(&self, wanted: Vec<Wanted>) -> Result<Vec<Outcome>, Failure> {
        let mut journal = if self.options.dry_run { None } else { Some(crate::commands::ca::journal(self.ui)?) };
        let mut outcomes = Vec::new();
        for Wanted { anchor, warnings } in wanted {
            let (plan, result) = match &mut journal {
                None => (
                    plan_add(&self.target(), &anchor, self.now).map_err(|error| self.failure(&error, "add"))?,
                    "planned",
                ),
                Some(journal) => {
                    let edited =
                        add(journal, &self.target(), &anchor, self.now).map_err(|error| self.failure(&error, "add"))?;
                    self.check(&edited.plan)?;
                    (edited.plan, "added")
                }
            };
            let result = match (result, plan.is_done(), plan.left.is_empty()) {
                (_, true, true) => "already",
                ("added", _, false) => "partly",
                (result, ..) => result,
            };
            outcomes.push(Outcome { anchor, plan, result, warnings });
        }
        Ok(outcomes)
    }

    /// What was written is read again.
    fn check(&self, plan: &Plan) -> Result<(), Failure> {
        match is_as_wanted(&self.root.path, plan) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Failure::new(format_args!(
                "{}: a store was changed by another program while it was written; look with `sidelight trust list`",
                escape::line(&self.root.name)
            ))),
            Err(error) => Err(Failure::new(error)),
        }
    }

    /// Takes certificates out: back through the journal where it knows them, else out of each store.
    pub(super) fn remove(&self, anchors: Vec<Anchor>) -> Result<Vec<Outcome>, Failure> {
        let mut outcomes = Vec::new();
        for anchor in anchors {
            let known = Journal::look(&crate::commands::ca::journal_folder()?).map_err(Failure::new)?;
            let added = find(&known, &self.root.name, Some(&anchor.sha256));
            let added = added.into_iter().find(|entry| entry.deed.edit.as_ref().is_some_and(|edit| !edit.removed));
            outcomes.push(match (added, self.options.dry_run) {
                (Some(entry), false) => {
                    self.undo_one(&entry)?;
                    Outcome { anchor, plan: Plan::default(), result: "restored", warnings: Vec::new() }
                }
                (_, true) => {
                    let plan = plan_remove(&self.target(), &anchor, self.now)
                        .map_err(|error| self.failure(&error, "remove"))?;
                    let result = if plan.steps.is_empty() && plan.left.is_empty() { "absent" } else { "planned" };
                    Outcome { anchor, plan, result, warnings: Vec::new() }
                }
                (None, false) => self.take_out(anchor)?,
            });
        }
        Ok(outcomes)
    }

    fn take_out(&self, anchor: Anchor) -> Result<Outcome, Failure> {
        let mut journal = crate::commands::ca::journal(self.ui)?;
        let edited =
            remove(&mut journal, &self.target(), &anchor, self.now).map_err(|error| self.failure(&error, "remove"))?;
        let nothing = edited.plan.steps.is_empty();
        let result = match (nothing, edited.plan.left.is_empty()) {
            (true, true) => "absent",
            (_, false) => "partly",
            (false, true) => "removed",
        };
        Ok(Outcome { anchor, plan: edited.plan, result, warnings: Vec::new() })
    }

    /// Takes back all that was done to the root, the latest first.
    pub(super) fn undo(&self) -> Result<Vec<Entry>, Failure> {
        let known = Journal::look(&crate::commands::ca::journal_folder()?).map_err(Failure::new)?;
        let entries = find(&known, &self.root.name, None);
        if !self.options.dry_run {
            for entry in &entries {
                self.undo_one(entry)?;
            }
        }
        Ok(entries)
    }

    fn undo_one(&self, entry: &Entry) -> Result<(), Failure> {
        let mut journal = crate::commands::ca::journal(self.ui)?;
        let password = self.options.storepass.first().map_or("changeit", String::as_str);
        let guard = self.root.guard.as_deref();
        let undone = undo_edit(&mut journal, entry, guard, password).map_err(|error| self.failure(&error, "remove"))?;
        for path in &undone.merged {
            let path = escape::line(&path.display().to_string());
            self.ui.note(&format!("{path} was changed by others since: only the certificate was taken out of it"));
        }
        match undone.unclear.first() {
            None => Ok(()),
            Some((path, why)) => {
                let path = escape::line(&path.display().to_string());
                let sha256 = &entry.deed.sha256;
                let failure = Failure::new(format_args!("{path} {}", escape::line(why)));
                Err(failure
                    .hint(format_args!("look for the certificate with SHA-256 {sha256} in it, then do this again")))
            }
        }
    }

    fn failure(&self, error: &TrustStoreError, verb: &str) -> Failure {
        let failure = Failure::new(format_args!("{}: {error}", escape::line(&self.root.name)));
        let name = escape::line(&self.root.name);
        match error {
            TrustStoreError::ReadOnly { .. } => failure
                .hint("a container with a read-only root gets it from outside: `--as-kubernetes`, `--as-dockerfile`")
                .hint(format_args!("or change its image: sidelight trust {verb} … -o oci-archive:FILE")),
            error if error.is_denied() => {
                failure.hint(format_args!("run it as root: sudo sidelight trust {verb} … {name}"))
            }
            _ => failure,
        }
    }
}
