//! `sidelight registry watch`, and `run` of a command whose daemon does the talking. In: a client, registries. Out: its pulls, pushes and
//! logins as they end, a recording, and everything as it was before.

mod containerd;
mod docker;
mod live;
mod local_ports;
mod plan;
mod podman;
mod scope;
mod undo;
mod way;
pub(crate) mod which;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;
use sidelight_engine::tls::Trusted;
use sidelight_model::registry::timeline::{Block, Outcome};
use sidelight_sink::bus::Consumer;
use sidelight_sink::redact::Redactor;

use self::live::{Live, Show, Told};
use self::way::Way;
use crate::cli::{GlobalOptions, PerHost, ProxyOptions, WatchClient, WatchCommand};
use crate::commands::interception::{Interception, Surroundings};
use crate::commands::proxy::{StopSignals, nobody_reads};
use crate::commands::recording::Recording;
use crate::exit::{Exit, Failure};
use crate::render::registry_timeline::{Told as Source, render};
use crate::render::{self, Look, Stream};
use crate::schema::registry_timeline::BlockLine;
use crate::ui::Ui;

pub(crate) use undo::restore_killed;

/// Connections get so long to end once the way is closed; then they are cut.
const GRACE: Duration = Duration::from_secs(2);

/// The same for connections of others that were redirected with the daemon's: they must not suffer from it.
const GRACE_OF_OTHERS: Duration = Duration::from_secs(30);

/// What is to be watched.
pub(crate) struct Request<'r> {
    client: WatchClient,
    registries: Vec<String>,
    options: ProxyOptions,
    command: &'r [OsString],
    name: String,
}

/// Does what is asked.
pub(super) fn run(command: &WatchCommand, global: &GlobalOptions, ui: Ui) -> Result<Exit, Failure> {
    let started = start(command, global, ui);
    if command.command.is_empty() || command.dry_run {
        return started;
    }
    started.map_err(|failure| match failure.exit {
        Exit::NotFound | Exit::NotExecutable | Exit::Usage => failure,
        _ => failure.exit(Exit::RunFailed),
    })
}

fn start(command: &WatchCommand, global: &GlobalOptions, ui: Ui) -> Result<Exit, Failure> {
    let named = which::of_command(&command.command, &which::text_of).filter(|it| it.client == command.client);
    let mut registries: Vec<String> =
        command.registry.iter().map(|it| it.trim_end_matches('/').to_ascii_lowercase()).collect();
    if registries.is_empty() {
        registries.extend(named.iter().flat_map(|it| it.registries.clone()));
    }
    if registries.is_empty() {
        return Err(Failure::usage("which registry? Name it as images do: --registry registry.corp[:PORT]"));
    }
    registries.dedup();
    let host = command.host.clone().or_else(|| named.and_then(|it| it.host));
    let (way, plan) = Way::look(command.client, &registries, host.as_deref(), command.hosts_dir.as_deref())?;
    if command.dry_run {
        return rehearse(&plan, name_of(command.client), &registries, global);
    }
    let request = Request {
        client: command.client,
        registries,
        options: command.interception(),
        command: &command.command,
        name: format!("watch-{}", name_of(command.client)),
    };
    watch(request, &way, &plan, global, ui)
}

/// Watches a command of `run` whose daemon does the talking. `Err` of the outer result: it cannot be watched, and was not started.
pub(crate) fn of_run(
    named: which::Named,
    options: &ProxyOptions,
    command: &[OsString],
    name: String,
    global: &GlobalOptions,
    ui: Ui,
) -> Result<Result<Exit, Failure>, Failure> {
    let (way, plan) = Way::look(named.client, &named.registries, named.host.as_deref(), None)?;
    let mut options = options.clone();
    options.ways_in.allow_public = true;
    let request = Request { client: named.client, registries: named.registries, options, command, name };
    Ok(watch(request, &way, &plan, global, ui))
}

fn rehearse(plan: &plan::Plan, client: &str, registries: &[String], global: &GlobalOptions) -> Result<Exit, Failure> {
    let mut text: String = plan.lines().iter().map(|line| format!("{line}\n")).collect();
    for warning in &plan.warnings {
        text.push_str(&format!("note: {warning}\n"));
    }
    super::print(&render::escape::block(&text), &plan.document(client, registries), global)?;
    Ok(Exit::Done)
}

const fn name_of(client: WatchClient) -> &'static str {
    match client {
        WatchClient::Docker => "docker",
        WatchClient::Containerd => "containerd",
        WatchClient::Podman => "podman",
    }
}

fn watch(
    mut request: Request<'_>,
    way: &Way,
    plan: &plan::Plan,
    global: &GlobalOptions,
    ui: Ui,
) -> Result<Exit, Failure> {
    let quiet = request.options.show.quiet;
    let (proxy, no_proxy) = way.proxy()?;
    for host in way.insecure() {
        request.options.services.insecure_upstream.extend(host.parse().ok());
    }
    for Shown { host, certificate, key } in way.identities() {
        let per_host = |file| PerHost { pattern: host.parse().ok(), file: Some(file) };
        request.options.services.upstream_cert.push(per_host(certificate));
        request.options.services.upstream_key.push(per_host(key));
    }
    let around = Surroundings { roots: roots(way, ui), no_proxy, hash_bodies: true, ..Surroundings::default() };
    let stream = if request.command.is_empty() { Stream::Output } else { Stream::Error };
    let mut recording = Recording::plan(&request.options, global, request.name.clone(), stream)?;
    let output_is_ours = recording.takes_output();
    let told = Told::default();
    let shown = consumers(&request, global, recording.stream(), &told);
    let interception = Interception::prepare(&request.options, around, || recording.open_with(shown, ui), ui)?;
    let ended = opened(&request, way, plan, &interception, proxy, (global, output_is_ours, ui));
    let ledger = interception.stop();
    if ended.is_ok() && !quiet {
        conclude(&told, request.command.is_empty(), &request, ui);
    }
    recording.conclude_for("registry timeline", ledger.seen, ui);
    let failed = told.all().iter().any(|it| it.0 == Outcome::Failed);
    ended.map(|exit| exit.unwrap_or(if failed { Exit::No } else { Exit::Done }))
}

/// Opens the way, waits, closes it. The exit is that of the command, where there is one.
fn opened(
    request: &Request<'_>,
    way: &Way,
    plan: &plan::Plan,
    interception: &Interception,
    proxy: Option<std::sync::Arc<sidelight_engine::dial::Proxy>>,
    (global, output_is_ours, ui): (&GlobalOptions, bool, Ui),
) -> Result<Option<Exit>, Failure> {
    let quiet = request.options.show.quiet;
    // From here on a signal must not end us before everything is put back.
    let mut stop = interception.runtime().block_on(async { StopSignals::listen() })?;
    let mut open = way.open(interception, proxy, ui, quiet)?;
    plan.warnings.iter().filter(|_| !quiet).for_each(|it| ui.warning(it));
    announce(request, way, global, ui);
    let ended = if request.command.is_empty() {
        interception.runtime().block_on(async {
            tokio::select! {
                () = stop.next() => {}
                () = nobody_reads() => {}
            }
        });
        Ok(None)
    } else {
        crate::commands::run::plainly(request.command, interception, output_is_ours).map(Some)
    };
    open.close();
    let others = matches!(way, Way::Docker { .. });
    let until = Instant::now() + if others { GRACE_OF_OTHERS } else { GRACE };
    let mut said = quiet;
    let began = Instant::now();
    while interception.connections() > 0 && Instant::now() < until {
        if !said && began.elapsed() > GRACE {
            said = true;
            ui.note(&format!(
                "everything is put back; {} connections that came this way still go on, and get {} s to end",
                interception.connections(),
                GRACE_OF_OTHERS.as_secs()
            ));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    ended
}

fn announce(request: &Request<'_>, way: &Way, global: &GlobalOptions, ui: Ui) {
    let registries = request.registries.join(", ");
    if global.json {
        let line = json!({"v": 1, "type": "watching", "client": name_of(request.client), "pid": way.pid(), "registries": request.registries});
        let _ = writeln!(std::io::stdout().lock(), "{line}");
    } else if !request.options.show.quiet {
        let until = if request.command.is_empty() { "; Ctrl-C ends it and puts everything back" } else { "" };
        ui.note(&format!("watching {} and {registries}{until}", way.whose()));
    }
}

/// Who shows what passes: each block as it ends; with `-v` each exchange too.
fn consumers(request: &Request<'_>, global: &GlobalOptions, stream: Stream, told: &Told) -> Vec<Box<dyn Consumer>> {
    let options = &request.options;
    let quiet = options.show.quiet;
    let people = if global.json { Stream::Error } else { stream };
    let look = Look::of(people, global, Redactor::new(options.show.show_secrets));
    let is_json = global.json;
    let show: Show = Box::new(move |block: &Block| {
        if is_json && let Ok(line) = serde_json::to_string(&BlockLine::new(block)) {
            let _ = writeln!(std::io::stdout().lock(), "{line}");
        }
        if quiet || is_json {
            return;
        }
        let shown = Source { name: String::new(), kind: "live", caveat: None, blocks: vec![block.clone()] };
        let text = render(&look, &shown, false);
        let _ = match people {
            Stream::Output => std::io::stdout().lock().write_all(text.as_bytes()),
            Stream::Error => std::io::stderr().lock().write_all(text.as_bytes()),
        };
    });
    let live: Box<dyn Consumer> = Box::new(Live::new(show, told.clone(), request.client != WatchClient::Docker));
    let mut all = vec![live];
    if options.show.verbose > 0 && !global.json {
        all.extend(render::consumers(global, &options.show, 0, people));
    }
    all
}

/// The verdicts once more, where there were several; or that nothing came.
fn conclude(told: &Told, until_told: bool, request: &Request<'_>, ui: Ui) {
    let all = told.all();
    if all.is_empty() {
        let why = if until_told { "" } else { "; was everything there already?" };
        ui.note(&format!("nothing was asked of {}{why}", request.registries.join(", ")));
    }
    if all.len() > 1 {
        for (outcome, line) in &all {
            let mark = match outcome {
                Outcome::Ok => "✓",
                Outcome::Failed => "✗",
                Outcome::Unfinished => "?",
            };
            ui.note(&format!("{mark} {line}"));
        }
    }
}

/// CAs that the client knows and we may not. A file that cannot be read is told, and is no reason to stop.
fn roots(way: &Way, ui: Ui) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for file in way.roots() {
        match Trusted::from_paths(std::slice::from_ref(&file)) {
            Ok(trusted) => found.extend(trusted.roots.iter().map(|it| it.to_vec())),
            Err(error) => ui.warning(&format!("{}: {error}", file.display())),
        }
    }
    found
}

/// A client certificate that a client shows to a host.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Shown {
    host: String,
    certificate: PathBuf,
    key: PathBuf,
}

/// The client certificates of a folder laid out as docker has it: `NAME.cert` with `NAME.key`.
fn shown_by(host: &str, folder: &Path) -> Vec<Shown> {
    let files = sidelight_host::files::regular_files(folder, 256).unwrap_or_default();
    let is_one = |it: &PathBuf| it.extension().is_some_and(|it| it == "cert") && it.with_extension("key").is_file();
    let shown = |it: PathBuf| Shown { host: host.to_owned(), key: it.with_extension("key"), certificate: it };
    files.into_iter().filter(is_one).map(shown).collect()
}

/// By which root a client's file is reached later, also when the client is gone: ours, where both lead to the same folder.
fn lasting_root(root: &Path, path: &Path) -> PathBuf {
    use std::os::unix::fs::MetadataExt as _;
    let identity = |path: &Path| std::fs::metadata(path).ok().map(|it| (it.dev(), it.ino()));
    let folders = path.ancestors().skip(1);
    let nearest =
        folders.map(|it| (identity(&below(root, it)), identity(it))).find(|it| it.0.is_some() || it.1.is_some());
    match nearest {
        Some((theirs, ours)) if theirs == ours => PathBuf::from("/"),
        _ => root.to_owned(),
    }
}

/// A path below a root.
fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_both_see_is_reached_by_our_own_root() {
        let folder = tempfile::tempdir().unwrap();
        let (root, here) = (folder.path().join("root"), folder.path().join("here"));
        std::fs::create_dir_all(&here).unwrap();
        let inside = below(&root, &here);
        std::fs::create_dir_all(inside.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(&here, &inside).unwrap();
        assert_eq!(lasting_root(&root, &here.join("new/file")), Path::new("/"));
        std::fs::remove_file(&inside).unwrap();
        std::fs::create_dir(&inside).unwrap();
        assert_eq!(lasting_root(&root, &here.join("new/file")), root);
        assert_eq!(lasting_root(Path::new("/"), &here.join("file")), Path::new("/"));
    }
}
