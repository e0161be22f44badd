//! Why a step failed. In: the step, and the block for what was before it. Out: a [`Verdict`] with evidence and what to do.
//! Source: what clients and registries were measured to say and do for each fault.

use super::super::seen::{Asks, Content, Credentials, Digest, Place, Seen};
use super::super::symptom::{Subject, Table};
use super::gather::is_short;
use super::judge::{flow, request};
use super::{Action, Block, Step, Verdict, What, token};
use crate::finding::{Cause, Fix, Party};

/// Why `step` failed.
pub(super) fn refusal(block: &Block, step: &Step) -> Verdict {
    if let Some(verdict) = connection(step).or_else(|| altered(block, step)) {
        return verdict;
    }
    let Some(last) = step.last() else { return Verdict::failed(Cause::Stopped, "nothing was asked") };
    let verdict = match (&step.what, last.status) {
        (_, None) => broken(block, step, last),
        (_, Some(407)) => proxy(block, last),
        (_, Some(429)) => rate(block, step, last),
        _ if is_short(last) || (last.cut.is_some() && last.status.is_some_and(|it| it < 300)) => {
            short(block, step, last)
        }
        (What::Token, Some(status)) => token::server(block, last, status),
        (_, Some(401 | 403)) if last.asks == Asks::Redirected => storage(block, last),
        (_, Some(401)) => token::unauthorized(block, last),
        (_, Some(403)) => denied(block, last),
        (_, Some(404)) => absent(block, step, last),
        (_, Some(413)) => too_large(block, last),
        (_, Some(405)) => {
            Verdict::failed(Cause::Unsupported, format!("{} does not do this: {}", block.host, says(last))).with_fix(
                "of a delete: let the registry allow it",
                "REGISTRY_STORAGE_DELETE_ENABLED=true in the registry's environment",
            )
        }
        (_, Some(status @ 500..)) => failed(block, last, status),
        (_, Some(300..=399)) => match &last.says.location {
            Some(to) => circle(block, last, to),
            None => nowhere(block, last),
        },
        (_, Some(_)) if page(last).is_some() => web_page(block, last),
        (What::Upload(_) | What::PutManifest(_) | What::Mount(..), Some(status)) => {
            Verdict::failed(Cause::UploadRefused, format!("{} did not take it: {status} {}", block.host, says(last)))
        }
        (_, Some(status)) => {
            Verdict::failed(Cause::Refused, format!("{} answered {status}: {}", block.host, says(last)))
        }
    };
    let verdict = verdict.with_evidence("request", flow(last), request(last));
    match last.errors.first() {
        Some((code, message)) => {
            verdict.with_evidence("answer", flow(last), format!("{code} {message}").trim().to_owned())
        }
        None => verdict,
    }
}

/// What the registry itself says, in short.
fn says(seen: &Seen) -> String {
    let words = seen
        .errors
        .iter()
        .map(|(code, message)| format!("{code} {message}").trim().to_owned())
        .collect::<Vec<_>>()
        .join("; ");
    if words.is_empty() { "it gives no reason".to_owned() } else { words }
}

pub(super) fn page(seen: &Seen) -> Option<&str> {
    match &seen.content {
        Content::Page { title } => Some(title),
        _ => None,
    }
}

/// A connection that failed has its own finding.
fn connection(step: &Step) -> Option<Verdict> {
    let seen = step.seen.iter().find(|it| it.finding.is_some())?;
    let finding = seen.finding.as_ref()?;
    let mut verdict = Verdict::failed(finding.cause, finding.summary.clone());
    verdict.fault = finding.fault;
    verdict.evidence = finding.evidence().to_vec();
    verdict.fixes.clone_from(&finding.fixes);
    // It is the client's trust that has to change, not ours.
    if finding.fault == Party::TrustStore
        && let Some(entry) = Table::builtin().of(finding.cause)
    {
        let subject = Subject { host: Some(seen.place.host.clone()), ..Subject::default() };
        let fix =
            |(action, how): &(String, String)| Fix { action: subject.sentence(action), how: subject.command(how) };
        verdict.fixes = entry.fixes.iter().map(fix).collect();
    }
    verdict.notes.clone_from(&finding.warnings);
    Some(verdict)
}

/// Content with another digest than it should have.
fn altered(block: &Block, step: &Step) -> Option<Verdict> {
    let Digest::Differs { expected, found } = step.digest() else { return None };
    let seen = step.seen.iter().find(|it| matches!(it.digest, Digest::Differs { .. }))?;
    let is_manifest = matches!(step.what, What::Manifest(_) | What::PutManifest(_));
    let (cause, what) = if is_manifest { (Cause::ManifestAltered, "manifest") } else { (Cause::BlobAltered, "blob") };
    let from = &seen.place.host;
    let way = if matches!(step.what, What::Upload(_) | What::PutManifest(_)) { "to" } else { "from" };
    let mut verdict =
        Verdict::failed(cause, format!("the {what} that came {way} {from} is not the one that its digest names"))
            .with_evidence("digest expected", flow(seen), expected)
            .with_evidence("digest of what passed", flow(seen), found)
            .with_evidence("request", flow(seen), request(seen));
    if let Some(title) = page(seen) {
        verdict = verdict.with_evidence("content", flow(seen), format!("a web page: {title}"));
    }
    if let Some(server) = seen.says.server.as_ref().or(seen.says.cache.as_ref()) {
        verdict = verdict.with_evidence("answered by", flow(seen), server);
    }
    Some(
        verdict
            .with_fix(
                "ask without what stands between: a proxy, scanner or cache may rewrite what passes",
                format!("NO_PROXY={from}"),
            )
            .with_fix(
                "see whether the registry itself has it right",
                format!("sidelight registry check {} --blobs", block.image()),
            ),
    )
}

/// No answer.
fn broken(block: &Block, step: &Step, last: &Seen) -> Verdict {
    let why = last.cut.as_deref().unwrap_or("the recording ends before it");
    if by_client(last) {
        return left(block, why);
    }
    Verdict::failed(Cause::TransferCut, format!("{} gave no answer: {why}", last.place.host))
        .with_fix("ask it directly", format!("sidelight diagnose {}", last.place.host))
        .with_note(format!("asked {}", super::times(step.seen.len())))
}

fn by_client(seen: &Seen) -> bool {
    seen.cut.as_deref().is_some_and(|it| it.starts_with("client") || it.contains("the client"))
}

fn left(block: &Block, why: &str) -> Verdict {
    Verdict::failed(Cause::ClientLeft, format!("the client broke off: {why}")).with_fix(
        "see what the client itself says",
        format!("{}: its message or log; a cancelled or timed-out pull looks like this", block.program),
    )
}

/// A transfer that broke off.
fn short(block: &Block, step: &Step, last: &Seen) -> Verdict {
    let why = last.cut.as_deref().unwrap_or("the connection ended");
    if by_client(last) {
        return left(block, why);
    }
    let host = &last.place.host;
    let of = last.announced.map_or_else(String::new, |all| format!(" of {all}"));
    let mut verdict =
        Verdict::failed(Cause::TransferCut, format!("{host} broke off after {}{of} bytes", last.received))
            .with_evidence("content", flow(last), format!("{}{of} bytes: {why}", last.received));
    let resumed = step.seen.iter().find(|it| it.says.asked_range.is_some() && it.status == Some(200));
    if let Some(resumed) = resumed {
        let asked = resumed.says.asked_range.as_deref().unwrap_or_default();
        verdict = verdict
            .with_evidence(
                "range",
                flow(resumed),
                format!("asked for {asked}, answered 200 with the whole: ranges are ignored"),
            )
            .with_note("docker says `expected HTTP 206 from byte range request` for this");
    }
    verdict
        .with_fix("look for limits of time and size in what stands before the registry", "proxy_read_timeout, proxy_send_timeout and proxy_max_temp_file_size of nginx; idle time-outs of load balancers")
        .with_note(format!("tried {}", super::times(step.seen.iter().filter(|it| it.status.is_some()).count())))
}

fn proxy(block: &Block, last: &Seen) -> Verdict {
    Verdict::failed(Cause::ProxyAuthRequired, "a proxy on the way wants a login (407)")
        .with_fix(
            "give the client's proxy setting a login, or go past the proxy",
            format!("HTTPS_PROXY=http://USER:PASSWORD@PROXY, or NO_PROXY={}", block.host),
        )
        .with_evidence("answered by", flow(last), last.says.server.clone().unwrap_or_else(|| "a proxy".to_owned()))
}

fn rate(block: &Block, step: &Step, last: &Seen) -> Verdict {
    let mut verdict =
        Verdict::failed(Cause::RateLimited, format!("{} limits how often this client may ask (429)", last.place.host));
    for (name, value) in &last.says.rate_limit {
        verdict = verdict.with_evidence("limit", flow(last), format!("{name}: {value}"));
    }
    if let Some(after) = &last.says.retry_after {
        verdict = verdict.with_evidence("wait", flow(last), format!("Retry-After: {after}"));
    }
    let login = block.steps.iter().flat_map(|it| &it.seen).any(|it| it.credentials == Credentials::Login);
    if !login {
        verdict = verdict.with_fix(
            "log in: the limit of a login is higher than that of an address",
            format!("docker login {}", block.host),
        );
    }
    verdict
        .with_fix(
            "wait, or pull through a cache of your own",
            "registry-mirrors in daemon.json; hosts.toml of containerd",
        )
        .with_note(format!("asked {}; containerd and skopeo do not say why they wait", super::times(step.seen.len())))
}

fn storage(block: &Block, last: &Seen) -> Verdict {
    let (host, status) = (&last.place.host, last.status.unwrap_or_default());
    let sent_token = !matches!(last.credentials, Credentials::None | Credentials::Unknown);
    let mut verdict = Verdict::failed(
        Cause::StorageRefused,
        format!("{host}, where {} sent the client for the blob, refused: {status} {}", block.host, says(last)),
    );
    if sent_token {
        verdict = verdict.with_evidence(
            "credentials",
            flow(last),
            "the client's token went along to the storage host: signed addresses are refused with one",
        );
    }
    verdict
        .with_fix(
            "check the clock of the client and of the registry: signed addresses are good for minutes",
            "timedatectl",
        )
        .with_fix(
            "let nothing on the way rewrite the Host field: it is part of the signature",
            format!("NO_PROXY={host}"),
        )
}

fn denied(block: &Block, last: &Seen) -> Verdict {
    let untitled = last.method == "HEAD" && last.says.media_type == "text/html" && !last.says.names_api;
    if let Some(title) = page(last).or(untitled.then_some("without a title")) {
        return Verdict::failed(
            Cause::RequestBlocked,
            format!("something before {} blocks the request with a page of its own: {title}", block.host),
        )
        .with_fix("ask who runs the proxy or firewall", format!("NO_PROXY={}", block.host));
    }
    Verdict::failed(Cause::AccessDenied, format!("{} denies it (403): {}", block.host, says(last))).with_fix(
        "check the rights of the login, and the name",
        format!("docker login {}; the name is {}", block.host, block.image()),
    )
}

fn absent(block: &Block, step: &Step, last: &Seen) -> Verdict {
    let code = last.errors.first().map_or("", |(code, _)| code.as_str());
    let repository = block.repository.as_deref().unwrap_or_default();
    if matches!(step.what, What::Upload(_)) || code == "BLOB_UPLOAD_UNKNOWN" {
        return Verdict::failed(
            Cause::UploadLost,
            format!("{} does not know the upload that the client goes on with", block.host),
        )
        .with_fix(
            "several replicas need the same secret and storage",
            "http.secret (REGISTRY_HTTP_SECRET) of every replica",
        )
        .with_fix(
            "behind a proxy, the registry must see host and scheme as the client does",
            "proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto $scheme;",
        );
    }
    if matches!(step.what, What::Config(_) | What::Layer(..) | What::Blob(_)) || code == "BLOB_UNKNOWN" {
        let digest = step.what.reference().unwrap_or_default();
        return Verdict::failed(
            Cause::BlobUnknown,
            format!("the manifest names a blob that {} does not have: {digest}", last.place.host),
        )
        .with_fix(
            "push the image again: the storage lost the blob (garbage collection, a replica that lags)",
            format!("docker push {}", block.image()),
        );
    }
    if code == "NAME_UNKNOWN" {
        return Verdict::failed(Cause::RepositoryUnknown, format!("{} has no repository {repository}", block.host))
            .with_fix("check the name", format!("sidelight registry check {}", block.image()));
    }
    // The head alone has no error in it; a registry's has the type of one.
    let may_be_one = last.method == "HEAD" && !last.says.media_type.starts_with("text/");
    let is_registry = last.says.names_api || !code.is_empty() || may_be_one;
    if last.asks == Asks::Ping || !is_registry {
        return Verdict::failed(
            Cause::NotARegistry,
            format!("what answers at {} is no registry: 404 {}", last.place, last.says.media_type),
        )
        .with_evidence("field missing", flow(last), "Docker-Distribution-Api-Version, and no error of a registry")
        .with_fix(
            "let the proxy before it hand /v2/ to the registry",
            "location /v2/ { proxy_pass http://REGISTRY; }",
        );
    }
    let reference = step.what.reference().unwrap_or_default();
    Verdict::failed(Cause::ManifestUnknown, format!("{} has no {reference} in {repository}", block.host))
        .with_fix("see which tags there are", format!("skopeo list-tags docker://{}/{repository}", block.host))
        .with_note("a login without the right to see it is told the same by some registries")
}

fn too_large(block: &Block, last: &Seen) -> Verdict {
    Verdict::failed(
        Cause::BodyTooLarge,
        format!("what stands before {} takes no more than it was sent (413)", block.host),
    )
    .with_evidence("sent", flow(last), format!("{} bytes", last.sent))
    .with_fix(
        "let it take layers of any size",
        "client_max_body_size 0; (nginx), nginx.ingress.kubernetes.io/proxy-body-size: \"0\" (ingress)",
    )
}

fn failed(block: &Block, last: &Seen, status: u16) -> Verdict {
    let by = last.says.server.as_ref().map_or_else(String::new, |it| format!(" (by {it})"));
    Verdict::failed(Cause::RegistryFailed, format!("{} failed with {status}{by}: {}", last.place.host, says(last)))
        .with_fix(
            "see the registry's own log, or that of the proxy before it",
            format!("the lines of {} {}", last.method, last.place.path),
        )
        .with_note(if block.action == Action::Push {
            "a full disk of the registry looks like this"
        } else {
            "an interception that cannot verify the registry answers 502 as well"
        })
}

/// A redirection without an address, or with one that is none.
fn nowhere(block: &Block, last: &Seen) -> Verdict {
    let status = last.status.unwrap_or_default();
    Verdict::failed(
        Cause::LocationWrong,
        format!("{} redirects the client ({status}) and names no address where it could go on", block.host),
    )
    .with_evidence("field missing or unreadable", flow(last), "Location")
    .with_fix(
        "let the registry, or the proxy before it, know its own address",
        "proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto $scheme; or http.host of the registry's configuration",
    )
}

fn circle(block: &Block, last: &Seen, to: &Place) -> Verdict {
    let where_to = if *to == last.place { "back to itself".to_owned() } else { format!("to {to}") };
    Verdict::failed(
        Cause::RedirectLoop,
        format!("{} sends the client round: {} leads {where_to}", block.host, last.place),
    )
    .with_fix("let the registry see the scheme that the client used", "proxy_set_header X-Forwarded-Proto $scheme;")
}

fn web_page(block: &Block, last: &Seen) -> Verdict {
    let title = page(last).unwrap_or_default();
    Verdict::failed(Cause::WebPageInstead, format!("a web page comes where {} should answer: {title}", block.host))
        .with_fix("log in to the network (captive portal), or go past what answers", format!("NO_PROXY={}", block.host))
}
