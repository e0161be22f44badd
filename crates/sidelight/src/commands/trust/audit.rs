//! `sidelight trust audit`. In: options, a survey, Mozilla's list, a policy. Out: the report as text, JSON or SARIF; 1 when it is bad.

use std::path::Path;
use std::time::SystemTime;

use sidelight_host::files::read_bounded;
use sidelight_model::time::Timestamp;
use sidelight_model::trust::audit::{Policy, Question, audit};
use sidelight_model::trust::reference::Reference;
use sidelight_sink::redact::Redactor;
use sidelight_wire::{paranoia, pem};

use super::readers::readers;
use crate::cli::{AuditFormat, GlobalOptions, TrustAudit};
use crate::commands::survey::survey;
use crate::exit::{Exit, Failure};
use crate::render::trust::audit::render;
use crate::render::{Look, Stream};
use crate::schema::sarif;
use crate::schema::trust_audit::{Around, Document};
use crate::ui::Ui;

/// Largest list of roots that is read.
const LARGEST: u64 = 16 << 20;

pub(super) fn run(options: &TrustAudit, global: &GlobalOptions, ui: Ui) -> Result<Exit, Failure> {
    // What is wrong with the files that the user named is said before a large image is read.
    let policy = options.policy.as_deref().map(read_policy).transpose()?;
    let named = options.reference.as_deref().map(read_reference).transpose()?;
    let reference = named.as_ref().unwrap_or_else(|| Reference::builtin());
    let now = options.at.unwrap_or_else(|| SystemTime::now().into());
    let survey = survey(&options.source, &options.image, ui)?;
    let readers = readers(&survey, now);
    let report = audit(Question {
        survey: &survey,
        reference,
        readers: &readers,
        now,
        days: options.days,
        ignore: &options.ignore,
        policy: policy.as_ref(),
    });
    let fail_on = options.fail_on.severity();
    let around = Around { survey: &survey, readers: &readers, reference: &reference.as_of, at: now, fail_on };
    let redactor = Redactor::default();
    let format = if global.json { AuditFormat::Json } else { options.format };
    let text = match format {
        AuditFormat::Text => render(&Look::of(Stream::Output, global, redactor), &report, around, options.all),
        AuditFormat::Json => super::json(&Document::new(&report, around, redactor))?,
        AuditFormat::Sarif => super::json(&sarif::log(&report, around, redactor))?,
    };
    super::show(text.as_bytes())?;
    let bad = fail_on.is_some_and(|least| report.worst().is_some_and(|worst| worst >= least));
    Ok(if bad { Exit::No } else { Exit::Done })
}

fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
    read_bounded(path, limit).map_err(|error| Failure::usage(error).hint("check the path that you gave"))
}

fn read_policy(path: &Path) -> Result<Policy, Failure> {
    let bytes = read(path, paranoia::LARGEST as u64)?;
    let wrong = |why| Failure::usage(why).hint("docs/audit.md shows a policy");
    paranoia::read(&path.display().to_string(), &bytes).map_err(wrong)
}

/// A list as it is shipped inside, or a bundle of certificates, which is of the day on which its file was written.
pub(super) fn read_reference(path: &Path) -> Result<Reference, Failure> {
    let bytes = read(path, LARGEST)?;
    let wrong = |why: String| {
        Failure::usage(format_args!("{}: {why}", path.display()))
            .hint("give a bundle of certificates in PEM, or a list that begins with `# sidelight roots 1`")
    };
    if bytes.starts_with(b"# sidelight roots") {
        let text = String::from_utf8(bytes).map_err(|_| wrong("it is not UTF-8".to_owned()))?;
        return Reference::parse(&text).map_err(wrong);
    }
    let (blocks, _) = pem::read(&bytes);
    let certificates: Vec<&[u8]> =
        blocks.iter().filter(|block| block.is_certificate()).map(|block| block.data.as_slice()).collect();
    if certificates.is_empty() {
        return Err(wrong("there is no certificate in it".to_owned()));
    }
    let written = std::fs::metadata(path).and_then(|about| about.modified()).unwrap_or_else(|_| SystemTime::now());
    Reference::of_certificates(&Timestamp::from(written).date(), certificates).map_err(wrong)
}
