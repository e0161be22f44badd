//! Dependency arrows point down. In: `cargo metadata`. Out: one complaint for each arrow that does not, with the path that leads to it.
//! The rooms and their layers: ARCHITECTURE.md, "Rooms".

use std::collections::{HashMap, HashSet, VecDeque};

use anyhow::{Context, Result};
use serde_json::Value;

/// Crates that only hold values and formats may not reach these: they do I/O, read clocks, or bring a runtime.
const EFFECTS: &[&str] =
    &["tokio", "mio", "socket2", "hyper", "hyper-util", "rustix", "nix", "hickory-resolver", "async-std", "smol"];

/// The layer of a room, or nothing for crates that stand beside the rooms (testkit, xtask).
fn layer(name: &str) -> Option<u8> {
    Some(match name {
        "sidelight-model" => 0,
        "sidelight-wire" => 1,
        "sidelight-engine" | "sidelight-image" | "sidelight-sink" | "sidelight-host" => 2,
        "sidelight" => 3,
        _ => return None,
    })
}

/// Checks all arrows of the workspace.
///
/// # Errors
/// Metadata that lacks a part that every cargo writes.
pub fn check(metadata: &Value) -> Result<Vec<String>> {
    let graph = Graph::read(metadata)?;
    let mut complaints = graph.direct_arrows();
    for pure in ["sidelight-model", "sidelight-wire"] {
        for effect in EFFECTS {
            if let Some(path) = graph.path(pure, effect) {
                complaints.push(format!("{pure} must do no I/O, but depends on {effect}: {}", path.join(" -> ")));
            }
        }
    }
    Ok(complaints)
}

/// Normal and build dependencies of every package by name, and the workspace's dev-dependencies.
struct Graph {
    members: Vec<String>,
    uses: HashMap<String, Vec<String>>,
    dev: HashMap<String, Vec<String>>,
}

impl Graph {
    fn read(metadata: &Value) -> Result<Self> {
        let packages = metadata["packages"].as_array().context("cargo metadata has no packages")?;
        let names: HashMap<&str, &str> =
            packages.iter().filter_map(|package| Some((package["id"].as_str()?, package["name"].as_str()?))).collect();
        let member_ids = metadata["workspace_members"].as_array().context("cargo metadata has no workspace_members")?;
        let members = member_ids.iter().filter_map(|id| names.get(id.as_str()?)).map(ToString::to_string).collect();
        let nodes = metadata["resolve"]["nodes"].as_array().context("cargo metadata has no resolved nodes")?;
        let mut graph = Self { members, uses: HashMap::new(), dev: HashMap::new() };
        for node in nodes {
            let Some(name) = node["id"].as_str().and_then(|id| names.get(id)) else { continue };
            for dep in node["deps"].as_array().into_iter().flatten() {
                let Some(target) = dep["pkg"].as_str().and_then(|id| names.get(id)) else { continue };
                graph.add(name, target, &dep["dep_kinds"]);
            }
        }
        Ok(graph)
    }

    fn add(&mut self, from: &str, to: &str, kinds: &Value) {
        for kind in kinds.as_array().into_iter().flatten() {
            let side = if kind["kind"] == "dev" { &mut self.dev } else { &mut self.uses };
            let targets = side.entry(from.to_owned()).or_default();
            if !targets.iter().any(|known| known == to) {
                targets.push(to.to_owned());
            }
        }
    }

    /// Every arrow between two crates of the workspace that does not point to a lower layer.
    fn direct_arrows(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        for from in &self.members {
            for to in self.uses.get(from).into_iter().flatten().filter(|to| self.members.contains(to)) {
                match (layer(from), layer(to)) {
                    (Some(above), Some(below)) if below < above => {}
                    (Some(_), Some(_)) => {
                        complaints.push(format!("{from} -> {to}: a crate may use only the layers below its own"))
                    }
                    (Some(_), None) => {
                        complaints.push(format!("{from} -> {to}: {to} is for tests and chores, not for the program"))
                    }
                    (None, Some(2..)) => complaints.push(format!("{from} -> {to}: {from} may use model and wire only")),
                    (None, _) => {}
                }
            }
            for to in self.dev.get(from).into_iter().flatten().filter(|to| self.members.contains(to)) {
                if let (Some(own), Some(other)) = (layer(from), layer(to))
                    && other >= own
                {
                    complaints.push(format!("{from} -> {to} (dev): tests too may use only the layers below"));
                }
            }
        }
        complaints
    }

    /// The shortest way from one package to another over normal and build dependencies.
    fn path(&self, from: &str, to: &str) -> Option<Vec<String>> {
        let mut seen = HashSet::from([from.to_owned()]);
        let mut queue = VecDeque::from([vec![from.to_owned()]]);
        while let Some(path) = queue.pop_front() {
            let last = path.last()?;
            if last == to {
                return Some(path);
            }
            for next in self.uses.get(last).into_iter().flatten() {
                if seen.insert(next.clone()) {
                    let mut longer = path.clone();
                    longer.push(next.clone());
                    queue.push_back(longer);
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn metadata(arrows: &[(&str, &str, Option<&str>)]) -> Value {
        let mut names: Vec<&str> = arrows.iter().flat_map(|(from, to, _)| [*from, *to]).collect();
        names.sort_unstable();
        names.dedup();
        let packages: Vec<Value> = names.iter().map(|name| json!({"id": name, "name": name})).collect();
        let members: Vec<&&str> =
            names.iter().filter(|name| name.starts_with("sidelight") || **name == "xtask").collect();
        let nodes: Vec<Value> = names
            .iter()
            .map(|name| {
                let deps: Vec<Value> = arrows
                    .iter()
                    .filter(|(from, ..)| from == name)
                    .map(|(_, to, kind)| json!({"pkg": to, "dep_kinds": [{"kind": kind}]}))
                    .collect();
                json!({"id": name, "deps": deps})
            })
            .collect();
        json!({"packages": packages, "workspace_members": members, "resolve": {"nodes": nodes}})
    }

    #[test]
    fn arrows_that_point_down_pass() {
        let fine = metadata(&[
            ("sidelight", "sidelight-engine", None),
            ("sidelight-engine", "sidelight-wire", None),
            ("sidelight-wire", "sidelight-model", None),
            ("sidelight-engine", "sidelight-testkit", Some("dev")),
            ("sidelight-engine", "tokio", None),
        ]);
        assert_eq!(check(&fine).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_sibling_is_named() {
        let bad = metadata(&[("sidelight-engine", "sidelight-sink", None)]);
        let complaints = check(&bad).unwrap();
        assert_eq!(complaints.len(), 1);
        assert!(complaints[0].contains("sidelight-engine -> sidelight-sink"), "{complaints:?}");
    }

    #[test]
    fn a_runtime_below_the_engine_is_named_with_its_path() {
        let bad = metadata(&[("sidelight-wire", "innocent", None), ("innocent", "tokio", None)]);
        let complaints = check(&bad).unwrap();
        assert!(complaints.iter().any(|line| line.contains("sidelight-wire -> innocent -> tokio")), "{complaints:?}");
    }

    #[test]
    fn the_test_kit_stays_out_of_the_program() {
        let bad =
            metadata(&[("sidelight", "sidelight-testkit", None), ("sidelight-host", "sidelight-engine", Some("dev"))]);
        assert_eq!(check(&bad).unwrap().len(), 2);
    }
}
