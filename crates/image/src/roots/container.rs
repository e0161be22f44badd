//! A running container as a source. In: its identifier, the beginning of it, or its name. Out: the root of its first process.
//!
//! Control groups name a container's processes whatever engine runs it (Docker, containerd, CRI-O, Podman, Kubernetes); names
//! are known to Docker's and Podman's own files. Docker's daemon is asked only for what they do not tell.

use std::collections::BTreeMap;
use std::path::Path;

use super::process::{process, text};
use crate::engines;
use crate::error::Error;
use crate::opened::Opened;
use crate::options::Options;

/// Engines name a container by 64 hexadecimal digits.
const ID: usize = 64;
/// More processes than this are not looked at.
const MAX_PROCESSES: usize = 65_536;
/// The beginning of an identifier that is taken for one.
const SHORTEST: usize = 2;

/// Opens a running container.
pub(crate) fn container(name: &str, options: &Options) -> Result<Opened, Error> {
    let (pid, image) = first_process(name, options)?;
    let mut opened = process(pid, options)?;
    opened.what = format!("container {name}");
    opened.image = image;
    Ok(opened)
}

/// The first process of a running container.
///
/// # Errors
/// When there is no such container, or it does not run.
pub fn container_process(name: &str, options: &Options) -> Result<u32, Error> {
    first_process(name, options).map(|(pid, _)| pid)
}

/// The first process of a running container, and the name of its image where an engine tells it.
fn first_process(name: &str, options: &Options) -> Result<(u32, Option<String>), Error> {
    let running = running(&options.engines.proc);
    let mut known = engines::containers(options);
    let named = known.iter().find(|container| container.name == name || container.id == name);
    let id = match named {
        Some(container) => container.id.clone(),
        None => match by_prefix(name, &running, &known) {
            Err(unknown @ Error::NotFound { .. }) => {
                let told = engines::ask_daemon(name, options).ok_or(unknown)?;
                known.push(told.clone());
                told.id
            }
            other => other?,
        },
    };
    let state = known.iter().find(|container| container.id == id);
    let pid =
        running.get(&id).copied().or_else(|| state.and_then(|state| state.pid).filter(|pid| is_alive(*pid, options)));
    let Some(pid) = pid else {
        let image = state.and_then(|state| state.image.clone());
        return Err(Error::NotRunning { id: name.to_owned(), image });
    };
    Ok((pid, state.and_then(|state| state.image.clone())))
}

/// The one container whose identifier begins so.
fn by_prefix(name: &str, running: &BTreeMap<String, u32>, known: &[engines::Container]) -> Result<String, Error> {
    let is_prefix = name.len() >= SHORTEST && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    let all = running.keys().map(String::as_str).chain(known.iter().map(|container| container.id.as_str()));
    let mut found: Vec<&str> = all.filter(|id| is_prefix && id.starts_with(&name.to_ascii_lowercase())).collect();
    found.sort_unstable();
    found.dedup();
    match found.as_slice() {
        [only] => Ok((*only).to_owned()),
        [] => {
            let names: Vec<&str> = known.iter().map(|container| container.name.as_str()).collect();
            let shown: Vec<&str> = running.keys().map(|id| &id[..12]).chain(names).take(20).collect();
            let tried = match shown.is_empty() {
                true => "no container runs on this machine, as far as this user may see".to_owned(),
                false => format!("there are {}", shown.join(", ")),
            };
            Err(Error::NotFound { what: format!("container {name}"), tried: vec![tried] })
        }
        several => Err(Error::Choice {
            what: format!("`{name}`"),
            why: "begins several identifiers".to_owned(),
            there: several.iter().map(|id| (*id).to_owned()).collect(),
            is_platform: false,
        }),
    }
}

/// Every container that runs, and its first process: the one that started before the others.
fn running(proc: &Path) -> BTreeMap<String, u32> {
    let mut found: BTreeMap<String, (u64, u32)> = BTreeMap::new();
    let entries = std::fs::read_dir(proc).into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).take(MAX_PROCESSES);
    for pid in pids {
        let home = proc.join(pid.to_string());
        let Some(id) = container_of(&text(&home.join("cgroup"))) else { continue };
        let at = (started(&text(&home.join("stat"))), pid);
        found.entry(id).and_modify(|first| *first = (*first).min(at)).or_insert(at);
    }
    found.into_iter().map(|(id, (_, pid))| (id, pid)).collect()
}

/// When a process started, in clock ticks since the machine did: the 22nd field, counted behind the name, which may hold anything.
fn started(stat: &str) -> u64 {
    let behind_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    behind_name.split_ascii_whitespace().nth(19).and_then(|ticks| ticks.parse().ok()).unwrap_or(u64::MAX)
}

/// The container that a control group belongs to. An engine's monitor beside the container is not in it.
fn container_of(cgroup: &str) -> Option<String> {
    cgroup.lines().find_map(|line| {
        let path = line.splitn(3, ':').nth(2)?;
        path.split('/').rev().find_map(|step| {
            let id = step.trim_end_matches(".scope").rsplit(['-', ':']).next()?;
            let is_id = id.len() == ID && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            (is_id && !step.contains("conmon-")).then(|| id.to_owned())
        })
    })
}

fn is_alive(pid: u32, options: &Options) -> bool {
    pid != 0 && options.engines.proc.join(pid.to_string()).is_dir()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_process_of_each_container_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let id = "0123456789abcdef".repeat(4);
        let process = |pid: u32, cgroup: &str, ticks: u64| {
            let home = folder.path().join(pid.to_string());
            std::fs::create_dir(&home).unwrap();
            std::fs::write(home.join("cgroup"), cgroup).unwrap();
            let before = "S 1 ".to_owned() + &"0 ".repeat(17);
            std::fs::write(home.join("stat"), format!("{pid} (a) b) {before}{ticks} 0")).unwrap();
        };
        process(9, &format!("0::/system.slice/docker-{id}.scope\n"), 50);
        process(5, &format!("0::/system.slice/docker-{id}.scope\n"), 70);
        process(4, &format!("0::/machine.slice/libpod-conmon-{id}.scope\n"), 1);
        process(1, "0::/init.scope\n", 0);
        assert_eq!(running(folder.path()), BTreeMap::from([(id, 9)]));
    }
}
