//! `sidelight registry check`. In: an image, and whose settings count. Out: whether it can be pulled; 1 when it cannot.

mod converse;
mod prepare;
mod probed;
mod refusal;
mod report;
mod trail;

use std::io::Write as _;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use sidelight_engine::resolve::Resolver;
use sidelight_image::Platform;
use sidelight_model::finding::{Cause, Finding};
use sidelight_model::registry::Reference;
use sidelight_sink::redact::Redactor;

pub(crate) use report::{Report, State, Step, Way};

use crate::cli::{AsClient, CheckCommand, GlobalOptions};
use crate::exit::{Exit, Failure};
use crate::render::{Look, Stream, registry_check as words};
use crate::schema::registry_check::Document;
use crate::ui::Ui;

/// Between two looks of `--watch`.
const PAUSE: Duration = Duration::from_secs(5);

/// Does what is asked.
pub(super) fn run(options: &CheckCommand, global: &GlobalOptions, ui: Ui) -> Result<Exit, Failure> {
    let name = options.image.strip_prefix("docker://").unwrap_or(&options.image);
    let image: Reference = name.parse().map_err(Failure::usage)?;
    let platform =
        options.platform.as_deref().map_or_else(|| Ok(Platform::here()), str::parse).map_err(Failure::usage)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(format!("no threads: {error}")))?;
    let exit = runtime.block_on(watch(options, &image, &platform, global, ui));
    // A helper or resolver that still waits keeps nobody.
    runtime.shutdown_background();
    exit
}

/// Looks until it works, as long as is wanted.
async fn watch(
    options: &CheckCommand,
    image: &Reference,
    platform: &Platform,
    global: &GlobalOptions,
    ui: Ui,
) -> Result<Exit, Failure> {
    let until = options.watch.map(|period| Instant::now() + period.0);
    let mut before: Option<(Cause, bool)> = None;
    loop {
        let report = check(options, image, platform, ui).await?;
        let cause = report.decisive().map_or(Cause::Ok, |way| way.finding.cause);
        let now = (cause, report.is_pullable());
        if before != Some(now) {
            show(&report, options, global)?;
        }
        before = Some(now);
        let exit = if report.is_pullable() { Exit::Done } else { Exit::No };
        let goes_on = until.is_some_and(|until| Instant::now() + PAUSE < until);
        if exit == Exit::Done || !goes_on {
            return Ok(exit);
        }
        if tokio::time::timeout(PAUSE, tokio::signal::ctrl_c()).await.is_ok() {
            return Ok(exit);
        }
    }
}

fn show(report: &Report, options: &CheckCommand, global: &GlobalOptions) -> Result<(), Failure> {
    let redactor = Redactor::new(false);
    let look = Look::of(if global.json { Stream::Error } else { Stream::Output }, global, redactor);
    let document = serde_json::to_value(Document::new(report, redactor)).map_err(Failure::new)?;
    let text = words::render(&look, report);
    if options.watch.is_some() && global.json {
        // One document a change: JSON Lines.
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
        return super::show(format!("{document}\n").as_bytes());
    }
    super::print(&text, &document, global)
}

/// One look.
async fn check(options: &CheckCommand, image: &Reference, platform: &Platform, ui: Ui) -> Result<Report, Failure> {
    let addresses: Vec<IpAddr> = match options.client {
        AsClient::Docker => {
            let resolver = Resolver::new(std::collections::HashMap::new());
            resolver.addresses(&image.authority().host).await.unwrap_or_default()
        }
        _ => Vec::new(),
    };
    let settings = prepare::settings(options, image, &addresses);
    let client = prepare::known_as(options.client);
    let mut report = Report {
        image: image.clone(),
        client: client.map_or("sidelight", |client| client.name()),
        platform: platform.to_string(),
        ways: Vec::new(),
        read: settings.read.clone(),
        environment_of: settings.environment_of.clone().filter(|_| !settings.environment.is_empty()),
        notes: settings.notes.clone(),
    };
    if let Some(why) = &settings.blocked {
        let summary = format!("podman would not ask for {image} at all: {why}");
        let finding = Finding::new(Cause::ClientFilesUnusable, summary, "settings", "registries.conf", why.clone())
            .with_fix(
                "Take the block away, or ask for the image under another name",
                "grep -rn blocked /etc/containers/registries.conf*",
            );
        let place = image.registry.clone();
        report.ways.push(Way { place, is_mirror: false, insecure: None, steps: Vec::new(), finding, prints: None });
        return Ok(report);
    }
    let wanted = converse::Wanted {
        image,
        platform,
        read_blobs: options.blobs,
        client,
        adding: prepare::adding(options.client, &image.registry),
        proxy_named: settings.environment_of.clone().unwrap_or_default(),
    };
    for prepared in prepare::prepare(options, image, &settings, ui)? {
        let way = converse::converse(&prepared, &wanted).await;
        let is_good = way.is_good();
        report.ways.push(way);
        if is_good {
            break;
        }
    }
    Ok(report)
}
