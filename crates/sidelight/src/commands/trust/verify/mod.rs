//! `sidelight trust verify`. In: files with a chain, roots and revocation lists. Out: whether the chain is trusted, by which path, why other
//! paths ended, and what each client would say; JSON with `--json`; answers line by line with `--batch`.

mod batch;
mod input;
mod reason;

use std::io::{IsTerminal as _, Write as _};
use std::time::SystemTime;

use sidelight_model::time::Timestamp;
use sidelight_model::x509::path::{AnchorSet, End, Exploration, Path, Profile, Question, Stack, explore};

use crate::cli::{GlobalOptions, TrustVerify};
use crate::exit::{Exit, Failure};
use crate::render::{Paint, certificate_fault, paths};
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
    let shown = Shown { options, question: &question, exploration: &exploration, clients: &clients, notes: &notes };
    if global.json {
        shown.print_json()?;
        ui.note(shown.text(Paint::new(false)).trim_end());
    } else {
        let painted = colours(global.color, std::io::stdout().is_terminal(), &|name| std::env::var_os(name));
        std::io::stdout().lock().write_all(shown.text(Paint::new(painted)).as_bytes())?;
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
    options: &'a TrustVerify,
    question: &'a Question<'a>,
    exploration: &'a Exploration,
    clients: &'a [Client],
    notes: &'a [String],
}

impl Shown<'_> {
    fn print_json(&self) -> Result<(), Failure> {
        let reason = reason::short(self.exploration);
        let about = About {
            reason: &reason,
            profile: self.question.profile.name(),
            at: self.question.now.rfc3339_seconds(),
            name: self.question.name.map(ToString::to_string),
            clients: self.clients,
        };
        let mut text = serde_json::to_string_pretty(&document(self.exploration, about)).map_err(Failure::new)?;
        text.push('\n');
        std::io::stdout().lock().write_all(text.as_bytes())?;
        Ok(())
    }

    fn text(&self, paint: Paint) -> String {
        let endings: Vec<_> = self.exploration.paths.iter().map(|path| self.ending(path)).collect();
        let summary = self.summary();
        let fix = self.fix();
        let answer = paths::Answer {
            summary: &summary,
            endings: &endings,
            clients: self.clients,
            fix: fix.as_ref().map(|(action, how)| (*action, how.as_str())),
            notes: self.notes,
        };
        paths::render(paint, self.exploration, &answer)
    }

    /// Why a path is not good: where it ended, else its first fault.
    fn ending(&self, path: &Path) -> String {
        let end = reason::ending(self.exploration, path);
        let end = end.split_once(": ").map_or(end.as_str(), |(_, words)| words).to_owned();
        match path.first_fault() {
            Some(found) if path.end == End::Anchor => {
                let number = path.certificates.get(found.position).copied().unwrap_or_default();
                format!("{}: {}", reason::subject(self.exploration, number), certificate_fault::words(&found.fault))
            }
            _ => end,
        }
    }

    fn summary(&self) -> String {
        let file = self.options.chain.as_ref().map(|file| file.display().to_string()).unwrap_or_default();
        let name = self.question.name.map(|name| format!(" for {name}")).unwrap_or_default();
        let rules = match self.question.profile {
            Profile::Strict => "by RFC 5280 and the web PKI's rules".to_owned(),
            Profile::Lenient => "by rustls-webpki's rules".to_owned(),
            Profile::Stack(stack) => format!("by {stack}"),
        };
        let at = self.options.at.map(|at| format!(" at {}", at.rfc3339_seconds())).unwrap_or_default();
        let Some(best) = self.exploration.best() else {
            let why = reason::short(self.exploration);
            let why = why.split_once(": ").map_or(why.as_str(), |(_, words)| words);
            return format!("{file} cannot be judged: {why}");
        };
        match best.certificates.last() {
            Some(root) if best.is_good() => {
                format!("{file} is trusted{name} {rules}{at}, by {}", reason::subject(self.exploration, *root))
            }
            _ => format!("{file} is not trusted{name} {rules}{at}: {}", self.ending(best)),
        }
    }

    /// The one thing that helps, where the files at hand say it.
    fn fix(&self) -> Option<(&'static str, String)> {
        let best = self.exploration.best().filter(|best| !best.is_good())?;
        let chain = self.options.chain.as_ref()?.display();
        let roots = self.options.roots.first()?.display();
        match best.end {
            End::SelfSigned if best.certificates.len() == 1 => {
                Some(("If this is the right service, trust its certificate", format!("cat {chain} >> {roots}")))
            }
            End::NoIssuer if best.certificates.len() == 1 => Some((
                "Let the server send the intermediate behind its own certificate, or trust its issuer",
                format!("cat intermediate.pem >> {chain}"),
            )),
            _ => None,
        }
    }
}
