//! Processes as `/proc` shows them. In: process IDs. Out: their sockets, children, name, executable and container.
//! Spec: proc(5), cgroups(7). Everything here may vanish between two reads; what cannot be read counts as not there.

use std::fs;
use std::io::Read;
use std::path::PathBuf;

use sidelight_model::flow::Process;

/// More processes, or more descendants of one, than this are not looked at.
const MAX_PROCESSES: usize = 65_536;
/// More open files of one process than this are not looked at.
const MAX_FILES: usize = 65_536;
/// `/proc/PID/cgroup` has one line a hierarchy.
const MAX_TEXT: u64 = 64 * 1024;
/// Container engines name a container by 64 hexadecimal digits.
const CONTAINER_ID: usize = 64;

/// Every process there is, the youngest first: a short-lived one may be gone before all the others have been gone through.
pub(super) fn all() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut pids: Vec<u32> =
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).take(MAX_PROCESSES).collect();
    let last = last_pid().unwrap_or(u32::MAX);
    // Numbers are given out upwards and begin again from the bottom: those above the last one are the oldest.
    pids.sort_unstable_by_key(|pid| (*pid > last, std::cmp::Reverse(*pid)));
    pids.into_iter()
}

/// The number that was given to a process or thread last: the last field of `/proc/loadavg`.
fn last_pid() -> Option<u32> {
    read(PathBuf::from("/proc/loadavg"))?.split_ascii_whitespace().last()?.parse().ok()
}

/// The descendants of a process, nearest first.
pub(super) fn descendants(pid: u32) -> Vec<u32> {
    let mut found = children(pid);
    let mut at = 0;
    while at < found.len() && found.len() < MAX_PROCESSES {
        found.extend(children(found[at]));
        at += 1;
    }
    found
}

/// The children of every thread of a process.
fn children(pid: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    threads
        .filter_map(|thread| read(thread.path().join("children")))
        .flat_map(|list| list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .take(MAX_PROCESSES)
        .collect()
}

/// The sockets that a process has open, as (inode, number of the file).
pub(super) fn sockets(pid: u32) -> impl Iterator<Item = (u32, u32)> {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let numbers = files.filter_map(|file| file.file_name().to_str()?.parse().ok()).take(MAX_FILES);
    numbers.filter_map(move |number: u32| Some((socket_at(pid, number)?, number)))
}

/// The inode of the socket that is this open file, if it is one.
fn socket_at(pid: u32, number: u32) -> Option<u32> {
    let target = fs::read_link(format!("/proc/{pid}/fd/{number}")).ok()?;
    target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// Whether this open file is the socket of this inode.
pub(super) fn is_socket(pid: u32, number: u32, inode: u32) -> bool {
    socket_at(pid, number) == Some(inode)
}

/// The number of the open file that is the socket of this inode, looked for only among the numbers about `last`. A program that opens one connection after the other numbers
/// them so, and listing the files of one that has thousands costs milliseconds.
pub(super) fn socket_near(pid: u32, inode: u32, last: u32) -> Option<u32> {
    let above = (0..48).map(|by| last.saturating_add(by));
    // From the middle outwards, for each look is a system call.
    let below = (1..=16).map(|by| last.checked_sub(by)).chain(std::iter::repeat(None));
    let mut near = above.zip(below).flat_map(|(above, below)| [Some(above), below]).flatten();
    near.find(|number| is_socket(pid, *number, inode))
}

/// What is known of a process; `None` when it is gone.
pub(super) fn describe(pid: u32) -> Option<Process> {
    let name = read(PathBuf::from(format!("/proc/{pid}/comm")))?.trim_end_matches('\n').to_owned();
    let exe = fs::read_link(format!("/proc/{pid}/exe")).ok().map(|path| {
        let path = path.to_string_lossy();
        path.strip_suffix(" (deleted)").unwrap_or(&path).to_owned()
    });
    let container = read(PathBuf::from(format!("/proc/{pid}/cgroup"))).and_then(|text| container_of(&text));
    Some(Process { pid, name, exe, container })
}

/// Reads a short text of `/proc`; bytes that are not UTF-8 (a process may call itself anything) are replaced.
fn read(path: PathBuf) -> Option<String> {
    // Room for what there mostly is, so that it is read at once.
    let mut bytes = Vec::with_capacity(2048);
    fs::File::open(path).ok()?.take(MAX_TEXT).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The container ID in the lines of `/proc/PID/cgroup`, as written by Docker (`/docker/ID`, `docker-ID.scope`),
/// containerd (`cri-containerd-ID.scope`), CRI-O (`crio-ID.scope`) and Podman (`libpod-ID.scope`, `libpod-ID/container`).
///
/// An engine's monitor process (`libpod-conmon-ID`, `crio-conmon-ID`) runs beside the container, not in it.
fn container_of(cgroup: &str) -> Option<String> {
    cgroup.lines().find_map(|line| {
        let path = line.splitn(3, ':').nth(2)?;
        path.split('/').rev().find_map(|step| {
            let id = step.trim_end_matches(".scope").rsplit(['-', ':']).next()?;
            let is_id = id.len() == CONTAINER_ID && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            (is_id && !step.contains("conmon-")).then(|| id.to_owned())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn container_ids_of_every_engine() {
        let id = "0123456789abcdef".repeat(4);
        for path in [
            format!("12:pids:/docker/{id}\n0::/\n"),
            format!("0::/system.slice/docker-{id}.scope"),
            format!(
                "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/cri-containerd-{id}.scope"
            ),
            format!("1:name=systemd:/kubepods/besteffort/pod8c1e/{id}"),
            format!("0::/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:{id}"),
            format!("0::/machine.slice/libpod-{id}.scope/container"),
            format!("0::/kubepods.slice/crio-{id}.scope"),
            format!("0::/system.slice/docker-{id}.scope/init.scope"),
        ] {
            assert_eq!(container_of(&path).as_deref(), Some(id.as_str()), "{path}");
        }
        for path in [
            "0::/user.slice/user-1000.slice/session-1.scope".to_owned(),
            format!("0::/machine.slice/libpod-conmon-{id}.scope"),
            format!("0::/kubepods.slice/crio-conmon-{id}.scope"),
            format!("0::/x/{}", &id[1..]),
            format!("0::/x/{}", id.to_uppercase()),
            "garbage".to_owned(),
        ] {
            assert_eq!(container_of(&path), None, "{path}");
        }
    }

    #[test]
    fn describes_this_process() {
        let us = describe(std::process::id()).unwrap();
        assert_eq!(us.exe.as_deref(), std::env::current_exe().unwrap().to_str());
        assert!(all().any(|pid| pid == us.pid));
        assert_eq!(describe(u32::MAX), None);
    }

    #[test]
    fn a_young_process_comes_before_its_elders() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let all: Vec<u32> = all().collect();
        let at = |of: u32| all.iter().position(|pid| *pid == of).unwrap();
        let (young, old) = (at(child.id()), at(1));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(young < old, "{young} of {}, {old}", all.len());
    }
}
