//! Puts adopted CAs where programs look for roots. In: CAs with their scopes. Out: changed stores, or variables for the command.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use sidelight_engine::tls::Trusted;
use sidelight_engine::wrapper::{self, Shape, label, wrap};
use sidelight_host::files::{digest, read_bounded};
use sidelight_host::first_use::trust_folder;
use sidelight_host::journal::{Action, Journal};
use sidelight_host::run_env::{RunEnvironment, RunInputs};
use sidelight_host::trust_store::{Anchor, STOREPASS, Target, TrustStoreError, add_all, remove_all, undo_edit};
use sidelight_model::finding::Cause;
use sidelight_model::flow::Host;
use sidelight_model::time::Timestamp;
use sidelight_model::tofu::{Scope, refusals, scope_holds};
use sidelight_model::x509::Certificate;
use sidelight_wire::pem;
use sidelight_wire::trust_edit::StoreKind;

use crate::cli::{InstallWhere, TofuStart};
use crate::exit::Failure;
use crate::render::escape;
use crate::ui::Ui;

/// The wait for another sidelight that changes the same machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// Most bytes of a store whose digest is logged.
const LARGEST: u64 = 64 << 20;
/// What is installed must last so long, else it is made anew.
const SPARE: Duration = Duration::from_secs(24 * 3600);

/// What is said where Java is, whichever way it gets its roots.
pub(super) const JAVA: &str =
    "Java does not keep to the names for which the CA may speak: to Java it speaks for all (docs/tofu.md)";

/// A CA that is to be trusted.
pub(super) struct Adopted {
    pub(super) ca: Certificate,
    pub(super) scope: Scope,
    /// Hosts that it signed for, with their chains.
    pub(super) hosts: Vec<(Host, Vec<Vec<u8>>)>,
}

impl Adopted {
    fn shape(&self) -> Shape {
        Shape::needed(&self.ca, self.hosts.iter().flat_map(|(_, chain)| chain.iter().map(Vec::as_slice)))
    }
}

/// What became of it.
#[derive(Default)]
pub(super) struct Installed {
    /// Variables for the command.
    pub(super) set: Vec<(OsString, OsString)>,
    /// Files that were changed, for the audit log.
    pub(super) changed: Vec<Value>,
    /// `stores`, `environment`, `already` or `nothing`.
    pub(super) how: &'static str,
}

/// What is to be installed, made but not yet put anywhere.
pub(super) struct Prepared {
    ders: Vec<Vec<u8>>,
    ours: Vec<Certificate>,
    /// Whether any of it is not there yet.
    fresh: bool,
    /// Clients that it does not help.
    warnings: Vec<String>,
}

/// Makes what is to be installed, or finds it where an earlier start put it.
///
/// # Errors
/// When a host's certificate does not fit the scope.
pub(super) fn prepare(adopted: &[Adopted], now: Timestamp) -> Result<Prepared, Failure> {
    let mut it = Prepared { ders: Vec::new(), ours: Vec::new(), fresh: false, warnings: Vec::new() };
    if adopted.is_empty() {
        return Ok(it);
    }
    it.ours = ours();
    for one in adopted {
        let found = there(one, &it.ours, now);
        it.fresh |= found.is_none();
        let pair = found.map_or_else(|| made(one, now), Ok)?;
        for (host, chain) in &one.hosts {
            let refusing = refusals(chain, &pair, host, now);
            if !refusing.is_empty() {
                let itself = refusals(chain, std::slice::from_ref(&one.ca.der), host, now);
                it.warnings.extend(super::told::not_helped(host, &refusing, &itself));
            }
        }
        it.ders.extend(pair);
    }
    Ok(it)
}

/// Installs it.
///
/// # Errors
/// When no store and no folder can be written.
pub(super) fn install(prepared: &Prepared, start: &TofuStart, now: Timestamp, ui: Ui) -> Result<Installed, Failure> {
    let Prepared { ders, ours, fresh, warnings } = prepared;
    warnings.iter().for_each(|warning| ui.warning(warning));
    if ders.is_empty() {
        return Ok(Installed { how: "nothing", ..Installed::default() });
    }
    let root = rustix::process::geteuid().is_root();
    let into_stores = match start.install {
        InstallWhere::Stores => true,
        InstallWhere::Environment => false,
        InstallWhere::Auto => root,
    };
    let stale: Vec<&Certificate> = ours.iter().filter(|it| !ders.contains(&it.der)).collect();
    if into_stores {
        if !fresh && stale.is_empty() {
            return Ok(Installed { how: "already", ..Installed::default() });
        }
        match into_the_stores(ders, &stale, start, now, ui) {
            Ok(installed) => return Ok(installed),
            Err((_, failure)) if start.install == InstallWhere::Stores => return Err(failure),
            Err((true, failure)) => {
                ui.note(&format!("{}; the command gets variables instead", failure.message));
            }
            Err((false, failure)) => return Err(failure),
        }
    }
    into_the_environment(ders, start, ui)
}

/// What earlier starts put among the roots of this root file system.
fn ours() -> Vec<Certificate> {
    Trusted::of_host().roots.iter().filter_map(|der| wrapper::read_ours(der.as_ref())).collect()
}

/// The pair for a CA and scope, where it is installed already and still good.
fn there(one: &Adopted, ours: &[Certificate], now: Timestamp) -> Option<Vec<Vec<u8>>> {
    let wanted = label(&one.ca, &one.scope, one.shape());
    let of_it = |it: &&Certificate| it.comment.as_ref() == Some(&wanted);
    let pair: Vec<Vec<u8>> = ours.iter().filter(of_it).map(|it| it.der.clone()).collect();
    let later = now.plus(SPARE);
    let holds = one.hosts.iter().all(|(host, chain)| scope_holds(chain, &pair, host, now).is_ok());
    let lasts = ours.iter().filter(of_it).all(|it| it.not_after > later || it.not_after >= one.ca.not_after);
    (pair.len() == 2 && holds && lasts).then_some(pair)
}

fn made(one: &Adopted, now: Timestamp) -> Result<Vec<Vec<u8>>, Failure> {
    let wrapped = wrap(&one.ca, &one.scope, one.shape(), now)
        .map_err(|error| Failure::new(format!("no certificate can be made: {error}")))?;
    let pair = vec![wrapped.root, wrapped.cross];
    for (host, chain) in &one.hosts {
        if let Err(cause) = scope_holds(chain, &pair, host, now) {
            return Err(outside(one, host, chain, cause));
        }
    }
    Ok(pair)
}

/// A host's certificate does not fit the scope: clients refuse one any name of which is left out.
fn outside(one: &Adopted, host: &Host, chain: &[Vec<u8>], cause: Cause) -> Failure {
    let leaf = chain.first().and_then(|der| Certificate::parse(der).ok());
    let outside = leaf.map(|leaf| one.scope.left_out(&leaf)).unwrap_or_default();
    let scope = &one.scope;
    if outside.is_empty() {
        let message =
            format!("the command is not started: {host}: clients would refuse its certificate ({})", cause.code());
        return Failure::new(message)
            .hint(format!("its CA would be trusted for {scope} alone; for all names: --scope any"));
    }
    let names: Vec<&str> = outside.iter().map(|name| name.strip_prefix("*.").unwrap_or(name)).collect();
    let message = format!(
        "the command is not started: {host}: clients would refuse its certificate, which is for {}, too; its CA would be trusted for {scope} alone",
        escape::line(&outside.join(", "))
    );
    Failure::new(message)
        .hint(format!("trust it for these names, too: --scope {scope},{}", escape::line(&names.join(","))))
        .hint("or for all names: --scope any")
}

/// Adds to every store that the image's runtimes read, and takes out what earlier starts put there and is not wanted any more. The error
/// says whether it is one of rights, so that there is another way.
fn into_the_stores(
    ders: &[Vec<u8>],
    stale: &[&Certificate],
    start: &TofuStart,
    now: Timestamp,
    ui: Ui,
) -> Result<Installed, (bool, Failure)> {
    let failed = |error: &TrustStoreError| {
        (error.is_denied() || is_read_only(error), Failure::new(format!("the stores cannot be changed: {error}")))
    };
    let mut env: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    if let Some(bundle) = start.bundle.as_ref().and_then(|bundle| bundle.to_str()) {
        // It is what the earlier tool appended to; the planner takes it for what a variable names.
        env.retain(|(name, _)| name != "SSL_CERT_FILE");
        env.push(("SSL_CERT_FILE".to_owned(), bundle.to_owned()));
    }
    let passwords = [STOREPASS.to_owned()];
    let target = Target {
        root: Path::new("/"),
        place: "host",
        guard: None,
        env: &env,
        passwords: &passwords,
        openssl_dirs: &[],
        only: None,
    };
    let mut journal = Journal::open(&journal_folder(), PATIENCE, Box::new(|_| {}))
        .map_err(|error| (true, Failure::new(format!("the journal cannot be written: {error}"))))?;
    let mut installed = Installed { how: "stores", ..Installed::default() };
    let anchor = |der: &[u8]| Anchor::any(der).map_err(|error| (false, Failure::new(error)));
    let fresh: Vec<Anchor> = ders.iter().map(|der| anchor(der)).collect::<Result<_, _>>()?;
    let gone: Vec<Anchor> = stale.iter().map(|it| anchor(&it.der)).collect::<Result<_, _>>()?;
    // All of it or nothing: what is half installed would be trusted by some programs and not by others.
    let added = add_all(&mut journal, &target, &fresh, now).map_err(|error| failed(&error))?;
    note_changes(&mut installed, &journal, &added.actions);
    let entry = journal.entries().last().filter(|_| !added.actions.is_empty()).cloned();
    match remove_all(&mut journal, &target, &gone, now) {
        Ok(removed) => note_changes(&mut installed, &journal, &removed.actions),
        Err(error) => {
            if let Some(Err(undo)) = entry.map(|entry| undo_edit(&mut journal, &entry, None, STOREPASS)) {
                ui.warning(&format!("what was installed could not be taken back: {undo}"));
            }
            return Err(failed(&error));
        }
    }
    let java = added.plan.of(StoreKind::Java).next().is_some();
    let mut left: Vec<String> = added.plan.left.iter().map(|left| format!("{}: {}", left.path, left.why)).collect();
    left.sort();
    left.dedup();
    for left in left {
        ui.warning(&format!("not changed: {}", escape::line(&left)));
    }
    if java {
        ui.warning(JAVA);
    }
    Ok(installed)
}

fn is_read_only(error: &TrustStoreError) -> bool {
    let text = error.to_string().to_ascii_lowercase();
    text.contains("read-only") || text.contains("read only")
}

/// Notes the files of the deed that was done last, with their digests before and after.
fn note_changes(installed: &mut Installed, journal: &Journal, actions: &[Action]) {
    let Some(entry) = journal.entries().last().filter(|_| !actions.is_empty()) else { return };
    for (path, before) in entry.before() {
        let after = read_bounded(path, LARGEST).ok().map(|bytes| digest(&bytes));
        if after.is_none() && before.is_none() {
            continue;
        }
        installed.changed.push(json!({"path": path.display().to_string(), "before": before, "after": after}));
    }
}

/// The journal of a container: where the state of its user is, else beside the record.
fn journal_folder() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = set("XDG_STATE_HOME").or_else(|| set("HOME").map(|home| home.join(".local/state")));
    state.map_or_else(|| PathBuf::from("/var/lib/sidelight/journal"), |state| state.join("sidelight/journal"))
}

fn into_the_environment(ders: &[Vec<u8>], start: &TofuStart, ui: Ui) -> Result<Installed, Failure> {
    let environment = |name: &str| std::env::var_os(name);
    let folder = trust_folder(&environment).map_err(|tried| {
        Failure::new(format!("no folder can be written for the roots of the command: {tried}"))
            .hint("give the container a tmpfs: --tmpfs /tmp")
    })?;
    let text: String = ders.iter().map(|der| pem::write("CERTIFICATE", der)).collect();
    let inputs = RunInputs {
        ca_der: ders.last().map(Vec::as_slice).unwrap_or_default(),
        ca_pem: &text,
        proxy: None,
        environment: &environment,
        root: Path::new("/"),
    };
    let made = RunEnvironment::trust_alone(&inputs, ders, &folder).map_err(|error| Failure::new(error.to_string()))?;
    made.warnings.iter().for_each(|warning| ui.warning(warning));
    #[cfg(feature = "full")]
    super::unreached::warn(&made.set, ui);
    // Reading what an image's programs are takes more than a program with `tofu` alone has.
    #[cfg(not(feature = "full"))]
    ui.note(
        "whether some program here reads no variable is not known to this small program; `sidelight trust list IMAGE --as auto` of the whole one tells",
    );
    if let Some(bundle) = &start.bundle {
        ui.warning(&format!("{} is not changed: roots are in variables", bundle.display()));
    }
    let changed = vec![json!(folder.display().to_string())];
    Ok(Installed { set: made.set, changed, how: "environment" })
}
