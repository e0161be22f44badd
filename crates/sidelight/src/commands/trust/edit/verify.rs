//! The look back: which runtimes of the changed root have the certificate now. In: where the result is. Out: who has it, and who has not
//! and why; by the same rules as `trust list --as`.

use sidelight_model::time::Timestamp;
use sidelight_model::trust::effective::effective_auto;
use sidelight_model::trust::{CertId, Effective, Runtime, Situation, Survey};

use crate::cli::ImageOptions;
use crate::commands::survey::survey;
use crate::exit::Failure;
use crate::render::escape;
use crate::schema::trust_edit::Outcome;
use crate::ui::Ui;

/// Looks at the result, and notes in each outcome who has it and who has not.
pub(super) fn look_back(
    source: &str,
    options: &ImageOptions,
    outcomes: &mut [Outcome],
    set: &[(String, Option<String>)],
    now: Timestamp,
    ui: Ui,
) -> Result<(), Failure> {
    let survey = survey(source, options, ui)?;
    let situation = Situation { env: set.to_vec(), command: None, now: Some(now) };
    let runtimes = effective_auto(&survey, &situation);
    for outcome in outcomes {
        let Some(cert) = survey.pool.find(&outcome.anchor.sha256) else {
            return Err(Failure::new(format_args!(
                "{}: {} is not there after it was written; this is a fault of sidelight's",
                escape::line(source),
                escape::line(outcome.anchor.certificate.short_name())
            )));
        };
        let (have, lack): (Vec<&Effective>, Vec<&Effective>) =
            runtimes.iter().partition(|runtime| runtime.accepts(cert));
        if !have.is_empty() {
            let names: Vec<String> = have.iter().map(|runtime| runtime.label.clone()).collect();
            outcome.plan.notes.push(format!("looked at again; trusted by: {}", names.join(", ")));
        }
        for runtime in lack {
            outcome.plan.notes.push(format!("{} does not trust it: {}", name(runtime), why(&survey, runtime, cert)));
        }
    }
    Ok(())
}

fn name(runtime: &Effective) -> String {
    match &runtime.program {
        Some(program) => format!("{} ({program})", runtime.label),
        None => runtime.label.clone(),
    }
}

/// Why a runtime of the image does not get it, and what would help.
fn why(_: &Survey, runtime: &Effective, cert: CertId) -> String {
    if let Some(why) = runtime.root(cert).and_then(|root| root.refused.as_ref()) {
        return why.clone();
    }
    if let Some(loss) = runtime.loss(cert) {
        return loss.why.clone();
    }
    match runtime.runtime {
        Runtime::RustWebpki => {
            "its roots are compiled in (webpki-roots) and cannot be added to; give the program the file by an \
                                option of its own, or build it with rustls-native-certs"
                .to_owned()
        }
        Runtime::Node => "its roots are compiled in; set NODE_EXTRA_CA_CERTS to the file where it runs".to_owned(),
        _ => match runtime.sources.first() {
            Some(source) => format!("it reads {} ({})", source.path, source.why),
            None => "it reads no store that could be found".to_owned(),
        },
    }
}
