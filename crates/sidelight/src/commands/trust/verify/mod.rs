//! `sidelight trust verify`. In: files with a chain, roots and revocation lists. Out: whether the chain is trusted, by which path, why other
//! paths ended, and what each client would say; JSON with `--json`; answers line by line with `--batch`.

mod batch;
mod finding;
mod input;
mod reason;

use std::io::IsTerminal as _;
use std::time::SystemTime;

use sidelight_model::finding::Finding;
use sidelight_model::time::Timestamp;
use sidelight_model::x509::path::{AnchorSet, Exploration, Profile, Question, Stack, explore};
use sidelight_sink::redact::Redactor;
use sidelight_sink::schema;

use crate::cli::{GlobalOptions, TrustVerify};
use crate::exit::{Exit, Failure};
use crate::render::{Paint, paths};
use crate::schema::trust_verify::{About, Client, Verdict, document};
use crate::ui::{Ui, colours};

pub(super) fn run(options: &TrustVerify, global: &GlobalOptions, ui: Ui) -> Result<Exit, Failure> {
    let now: Timestamp = SystemTime::now().into();
    if options.batch {
        return batch::run(&mut std::io::stdin().lock(), &mut std::io::stdout().lock(), options.rules(), now);
    }
    let Some(chain_file) = &options.chain else { return Err(Failure::usage("--chain FILE is needed")) };
    let mut notes = Vec::new();
    let chain = input::chain(chain_file, &mut notes)?;
    let roots = input::roots(&options.roots, &mut notes)?;
    let crls = input::revocation_lists(&options.crl)?;
    let anchors = AnchorSet::new(roots.iter().map(Vec::as_slice));
    let question = Question {
        chain: &chain,
        anchors: &anchors,
        crls: &crls,
        name: options.name.as_ref(),
        purpose: options.purpose.into(),
        now: options.at.unwrap_or(now),
        max_depth: options.max_depth,
        profile: options.rules(),
        every_path: true,
    };
    let exploration = explore(&question);
    let clients = clients(&question);
    let finding = finding::of(options, &question, &exploration, &notes);
    let shown = Shown { question: &question, exploration: &exploration, clients: &clients };
    if global.json {
        shown.print_json(&finding)?;
        ui.note(shown.text(Paint::new(false), &finding).trim_end());
    } else {
        let painted = colours(global.color, std::io::stdout().is_terminal(), &|name| std::env::var_os(name));
        super::show(shown.text(Paint::new(painted), &finding).as_bytes())?;
    }
    Ok(match (exploration.good_path(), exploration.best()) {
        (Some(_), _) => Exit::Done,
        (None, Some(_)) => Exit::No,
        (None, None) => Exit::Unanswered,
    })
}

/// What every client would say of the same chain with the same roots.
fn clients(question: &Question<'_>) -> Vec<Client> {
    let judge = |stack: Stack| {
        let exploration = explore(&Question { profile: Profile::Stack(stack), every_path: false, ..*question });
        let result = if exploration.good_path().is_some() { Verdict::Accept } else { Verdict::Reject };
        Client { client: stack.name(), result, reason: reason::short(&exploration), measured: stack.is_measured() }
    };
    Stack::all().map(judge).collect()
}

struct Shown<'a> {
    question: &'a Question<'a>,
    exploration: &'a Exploration,
    clients: &'a [Client],
}

impl Shown<'_> {
    fn print_json(&self, finding: &Finding) -> Result<(), Failure> {
        let reason = reason::short(self.exploration);
        let about = About {
            reason: &reason,
            finding: schema::Finding::new(finding, Redactor::default()),
            profile: self.question.profile.name(),
            at: self.question.now.rfc3339_seconds(),
            name: self.question.name.map(ToString::to_string),
            clients: self.clients,
        };
        let mut text = serde_json::to_string_pretty(&document(self.exploration, about)).map_err(Failure::new)?;
        text.push('\n');
        super::show(text.as_bytes())?;
        Ok(())
    }

    fn text(&self, paint: Paint, finding: &Finding) -> String {
        let endings: Vec<_> =
            self.exploration.paths.iter().map(|path| reason::of_path(self.exploration, path)).collect();
        let answer = paths::Answer { finding, endings: &endings, clients: self.clients };
        paths::render(paint, self.exploration, &answer)
    }
}
