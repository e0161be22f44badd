//! T17: set-uid programs that are made to change what is trusted. In: files with their modes. Out: issues.

use super::ground::Ground;
use super::issue::{Check, Issue, Place, Severity};
use crate::trust::Content;

/// Set-uid or set-gid.
const SET_ID: u32 = 0o6000;

/// Programs that distributions install with set-uid or set-gid; they do not touch trust.
const ORDINARY: &[&str] = &[
    "su",
    "sudo",
    "sudoedit",
    "mount",
    "umount",
    "passwd",
    "chsh",
    "chfn",
    "chage",
    "gpasswd",
    "newgrp",
    "expiry",
    "ping",
    "ping6",
    "fusermount",
    "fusermount3",
    "pkexec",
    "newuidmap",
    "newgidmap",
    "unix_chkpwd",
    "wall",
    "write",
    "crontab",
    "ssh-agent",
    "ssh-keysign",
    "bbsuid",
    "doas",
    "at",
    "dbus-daemon-launch-helper",
    "polkit-agent-helper-1",
    "mount.nfs",
    "utempter",
    "userhelper",
    "pam_timestamp_check",
    "grub2-set-bootflag",
    "staprun",
    "locate",
    "dotlockfile",
    "bsd-write",
    "chrome-sandbox",
    "vmware-user-suid-wrapper",
    "usernetctl",
    "suexec",
    "snap-confine",
    "Xorg.wrap",
    "ntfs-3g",
    "traceroute6",
    "arping",
];

pub(super) fn check(ground: &Ground<'_>) -> Vec<Issue> {
    let survey = ground.question.survey;
    let mut issues = Vec::new();
    for file in survey.files.values().filter(|file| file.mode & SET_ID != 0) {
        let name = file.path.rsplit('/').next().unwrap_or_default();
        let marked = match &file.content {
            Content::Program(program, _) => program.markers.iter().any(|marker| marker.contains("kamikaze")),
            _ => false,
        };
        let known = marked || name.contains("kamikaze");
        if !known && (ORDINARY.contains(&name) || !matches!(file.content, Content::Program(..) | Content::Other)) {
            continue;
        }
        let who = if file.mode & 0o4000 != 0 { format!("user {}", file.uid) } else { format!("group {}", file.gid) };
        let summary = if known {
            format!("{} runs any command as {who} once: whoever comes first can change every trust store", file.path)
        } else {
            format!("{} runs as {who} whoever starts it; it is no program that distributions install so", file.path)
        };
        let severity = if known { Severity::Warn } else { Severity::Info };
        issues.push(
            Issue::new(Check::T17, severity, &file.path, summary)
                .with_places([Place::file(&file.path, file.layer)])
                .with_evidence(
                    "mode",
                    &file.path,
                    format!("{:04o}, owner {}:{}", file.mode & 0o7777, file.uid, file.gid),
                )
                .with_fix(
                    "Prepare the trust when the image is built, and drop the helper",
                    "sidelight trust add ROOT.pem --into IMAGE -o oci-archive:with-root.tar",
                )
                .with_fix("Or pin at run time without it", "sidelight tofu -- COMMAND"),
        );
    }
    issues
}
