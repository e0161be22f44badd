//! `sidelight flows filters`. In: the catalogue of the filter language. Out: the same as a table, or as JSON.

use serde_json::json;
use sidelight_model::filter::{Filter, Operator};

use super::output::Output;
use crate::cli::GlobalOptions;
use crate::exit::{Exit, Failure};

/// Columns of an operator with its argument; a longer one gets a line of its own.
const COLUMNS: usize = 22;

pub(super) fn run(global: &GlobalOptions) -> Result<Exit, Failure> {
    let mut out = Output::new();
    if global.json {
        out.line(&as_json())?;
    } else {
        out.print(&as_text())?;
    }
    out.flush()?;
    Ok(Exit::Done)
}

fn as_json() -> serde_json::Value {
    let operator = |it: &Operator| {
        json!({
            "operator": format!("~{}", it.name), "argument": it.argument, "meaning": it.meaning, "example": it.example,
            "group": it.group.title(),
        })
    };
    json!({ "v": 1, "type": "filters", "operators": Filter::catalogue().iter().map(operator).collect::<Vec<_>>() })
}

fn as_text() -> String {
    let mut text = String::new();
    let mut group = None;
    for operator in Filter::catalogue() {
        if group.replace(operator.group) != Some(operator.group) {
            text.push_str(&format!("{}{}\n", if text.is_empty() { "" } else { "\n" }, operator.group.title()));
        }
        let name = format!("~{} {}", operator.name, operator.argument);
        let name = name.trim_end();
        let columns = name.chars().count();
        if columns > COLUMNS {
            text.push_str(&format!("  {name}\n  {:COLUMNS$}  {}\n", "", operator.meaning));
        } else {
            text.push_str(&format!("  {name:COLUMNS$}  {}\n", operator.meaning));
        }
        if !operator.example.is_empty() && operator.example != name {
            text.push_str(&format!("  {:COLUMNS$}  e.g. {}\n", "", operator.example));
        }
    }
    text + GRAMMAR
}

const GRAMMAR: &str = "
Together
  A & B, A B              both
  A | B                   one of them, or both
  !A                      not A
  (A)                     parentheses; ! binds before &, & before |
  TEXT                    a regular expression somewhere in the URL, as after ~u

Quote what holds spaces, parentheses or operators: ~b \"not found\". All of it is explained in docs/filters.md.
";
