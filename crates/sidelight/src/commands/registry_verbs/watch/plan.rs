//! What a watch touches. In: what the client's own file tells it of. Out: [`Plan`]: each thing that would be changed, in words and as
//! JSON. Nothing is changed here.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// One thing that is changed while it is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Touch {
    /// A file is written; with what, is known once the listeners are open.
    File {
        /// The file as its client knows it.
        path: PathBuf,
        /// Whether it is there already, and is put back as it was.
        exists: bool,
        /// What for.
        what: String,
    },
    /// Connections are redirected.
    Redirect {
        /// Of whom.
        whose: String,
        /// To which ports.
        ports: Vec<u16>,
        /// How they are told from those of others.
        how: String,
    },
    /// It is listened on a local port.
    Listen {
        /// In whose place.
        what: String,
    },
}

/// All that is changed, and what is to be known of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// The changes.
    pub(super) touches: Vec<Touch>,
    /// What is not seen this way, or odd; one sentence each.
    pub(super) warnings: Vec<String>,
}

impl Plan {
    /// Notes a file.
    pub(super) fn file(&mut self, path: &Path, exists: bool, what: impl Into<String>) {
        self.touches.push(Touch::File { path: path.to_owned(), exists, what: what.into() });
    }

    /// One line for each change.
    pub(super) fn lines(&self) -> Vec<String> {
        self.touches.iter().map(Touch::line).collect()
    }

    /// The document of a rehearsal.
    pub(super) fn document(&self, client: &str, registries: &[String]) -> Value {
        let touches: Vec<Value> = self.touches.iter().map(Touch::document).collect();
        json!({"v": 1, "type": "registry_watch_plan", "client": client, "registries": registries, "touches": touches, "warnings": self.warnings})
    }
}

impl Touch {
    fn line(&self) -> String {
        match self {
            Self::File { path, exists: true, what } => {
                format!("would change {} ({what}), and put it back byte for byte at the end", path.display())
            }
            Self::File { path, exists: false, what } => {
                format!("would write {} ({what}), and remove it at the end", path.display())
            }
            Self::Redirect { whose, ports, how } => {
                format!(
                    "would redirect connections of {whose} to {} to itself {how}, until the end",
                    ports_in_words(ports)
                )
            }
            Self::Listen { what } => format!("would listen on a port of 127.0.0.1 {what}"),
        }
    }

    fn document(&self) -> Value {
        match self {
            Self::File { path, exists, what } => json!({"kind": "file", "path": path, "exists": exists, "what": what}),
            Self::Redirect { whose, ports, how } => {
                json!({"kind": "redirect", "whose": whose, "ports": ports, "how": how})
            }
            Self::Listen { what } => json!({"kind": "listen", "what": what}),
        }
    }
}

fn ports_in_words(ports: &[u16]) -> String {
    let all: Vec<String> = ports.iter().map(ToString::to_string).collect();
    format!("port{} {}", if all.len() == 1 { "" } else { "s" }, all.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_is_told() {
        let mut plan = Plan::default();
        plan.file(Path::new("/etc/a"), true, "our port first");
        plan.file(Path::new("/etc/b"), false, "our CA");
        plan.touches.push(Touch::Redirect {
            whose: "dockerd (process 7)".into(),
            ports: vec![443, 5000],
            how: "by nftables".into(),
        });
        plan.touches.push(Touch::Listen { what: "in place of https://r.test".into() });
        assert_eq!(
            plan.lines(),
            [
                "would change /etc/a (our port first), and put it back byte for byte at the end",
                "would write /etc/b (our CA), and remove it at the end",
                "would redirect connections of dockerd (process 7) to ports 443, 5000 to itself by nftables, until the end",
                "would listen on a port of 127.0.0.1 in place of https://r.test",
            ]
        );
        let document = plan.document("docker", &["r.test".to_owned()]);
        assert_eq!(document["touches"][1]["exists"], false);
    }
}
