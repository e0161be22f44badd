//! The workspace keeps its own promises: arrows, tidiness, licences. In: the sources. Out: each broken promise by name.

use xtask::workspace::Workspace;
use xtask::{arrows, licences, tidy};

#[test]
fn arrows_point_down() {
    let metadata = Workspace::here().metadata().unwrap();
    let complaints = arrows::check(&metadata).unwrap();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn files_are_tidy() {
    let complaints = tidy::check(Workspace::here().root()).unwrap();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn licences_are_permissive() {
    let workspace = Workspace::here();
    let complaints = licences::check(workspace.root(), &workspace.metadata().unwrap()).unwrap();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}
