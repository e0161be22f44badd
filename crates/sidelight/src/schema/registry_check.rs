//! The shape of `registry check --json`: the members of a finding, then what was seen. In: a report. Out: a value; docs/json.md.

use serde::Serialize;
use sidelight_sink::redact::Redactor;
use sidelight_sink::schema::Finding;

use crate::commands::registry_check::{Report, State, Way as Tried};

/// `"type":"registry_check"`.
#[derive(Debug, Serialize)]
pub(crate) struct Document {
    v: u32,
    #[serde(rename = "type")]
    kind: &'static str,
    image: String,
    #[serde(rename = "as")]
    client: &'static str,
    platform: String,
    pullable: bool,
    #[serde(flatten)]
    finding: Option<Finding>,
    prints: Option<String>,
    ways: Vec<Way>,
    settings: Vec<String>,
    environment_of: Option<String>,
    notes: Vec<String>,
}

/// One place that was asked.
#[derive(Debug, Serialize)]
struct Way {
    place: String,
    mirror: bool,
    verified: bool,
    cause: &'static str,
    steps: Vec<Step>,
}

#[derive(Debug, Serialize)]
struct Step {
    step: &'static str,
    party: &'static str,
    at: String,
    result: &'static str,
    seen: String,
}

impl Document {
    /// The shape of a report.
    pub(crate) fn new(report: &Report, redactor: Redactor) -> Self {
        let decisive = report.decisive();
        Self {
            v: 1,
            kind: "registry_check",
            image: report.image.to_string(),
            client: report.client,
            platform: report.platform.clone(),
            pullable: report.is_pullable(),
            finding: decisive.map(|way| Finding::new(&way.finding, redactor)),
            prints: report.prints().map(str::to_owned),
            ways: report.ways.iter().map(|way| tried(way, redactor)).collect(),
            settings: report.read.clone(),
            environment_of: report.environment_of.clone(),
            notes: report.notes.clone(),
        }
    }
}

fn tried(way: &Tried, redactor: Redactor) -> Way {
    let step = |it: &crate::commands::registry_check::Step| Step {
        step: it.name,
        party: it.party,
        at: it.at.clone(),
        result: match it.state {
            State::Good => "good",
            State::Odd => "odd",
            State::Bad => "bad",
        },
        seen: redactor.text(&it.words),
    };
    Way {
        place: way.place.clone(),
        mirror: way.is_mirror,
        verified: way.insecure.is_none(),
        cause: way.finding.cause.code(),
        steps: way.steps.iter().map(step).collect(),
    }
}
