//! Why there was no connection, or no TLS. In: the place, and what the client trusts there. Out: steps for name, TCP, proxy and TLS,
//! and the finding of `diagnose` with this client's own way to add a root.

use std::sync::Arc;
use std::time::Duration;

use sidelight_engine::probe::{self, Ways, probe};
use sidelight_engine::registry_client::{Client, Party, TrustInputs};
use sidelight_engine::resolve::Resolver;
use sidelight_model::diagnose::{Adding, Diagnosis, Facts, ProxyFailure, Question, Roots, Unreached, judge};
use sidelight_model::finding::{Cause, Finding};
use sidelight_model::flow::{Authority, Host};
use sidelight_model::trust::Runtime;
use sidelight_model::x509::path::{Profile, Stack};

use super::report::{State, Step};
use super::trail::step;

/// Each further attempt gets so long.
const PATIENCE: Duration = Duration::from_secs(10);

/// Looks at a place as closely as `diagnose` does. `None`: nothing is wrong with it now.
pub(super) async fn look(
    client: &Client,
    party: Party,
    at: &Authority,
    adding: Adding,
    proxy_named: &str,
) -> (Vec<Step>, Option<Finding>) {
    let inputs = match client.trust_inputs(at) {
        Ok(inputs) => inputs,
        Err(_) => return (Vec::new(), None),
    };
    let facts = facts(client, at, inputs, adding, proxy_named).await;
    let diagnosis = judge(&facts);
    let steps = steps(&facts, &diagnosis, party, at);
    let finding = diagnosis.finding;
    (steps, (finding.cause != Cause::Ok).then_some(finding))
}

async fn facts(client: &Client, at: &Authority, inputs: TrustInputs, adding: Adding, proxy_named: &str) -> Facts {
    let proxy = client.way_to(at);
    let identity = inputs.identity.as_ref().and_then(|(cert, key)| probe::read_identity(cert, Some(key), None).ok());
    let roots = Roots::new(
        inputs.trusted.source.clone(),
        inputs.trusted.roots.iter().map(AsRef::as_ref),
        inputs.trusted.warnings.clone(),
    );
    let question = Question {
        name: at.host.clone(),
        sni: match &at.host {
            Host::Name(name) => Some(name.clone()),
            Host::Ip(_) => None,
        },
        sni_forbidden: false,
        at: probe::now(),
        // docker, containerd and podman are Go's.
        rules: Profile::Stack(Stack::Of(Runtime::Go)),
        alpn: Vec::new(),
        starttls: None,
        proxy: proxy.as_ref().map(|proxy| (proxy.at.clone(), proxy_named.to_owned())),
        patience: PATIENCE,
        may_fetch: true,
        every_address: false,
        client: identity.as_ref().map(|(identity, _)| identity.clone()),
        source: None,
        adding,
        trust_options: String::new(),
        target: at.clone(),
    };
    let ways = Ways {
        resolver: Resolver::new(std::collections::HashMap::new()),
        resolver_name: ("this host: /etc/hosts, then the servers of /etc/resolv.conf".to_owned(), Vec::new()),
        proxy,
        identity: identity.and_then(|(_, key)| key),
        trusted: inputs.trusted,
        progress: None,
    };
    probe(question, roots, Vec::new(), Arc::new(ways)).await
}

/// Name, TCP or proxy, and TLS, up to the one that failed.
fn steps(facts: &Facts, diagnosis: &Diagnosis, party: Party, at: &Authority) -> Vec<Step> {
    let mut steps = Vec::new();
    match &facts.resolution.addresses {
        Some(Ok(addresses)) => {
            let list: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            steps.push(step("dns", party, at, State::Good, format!("{} is {}", at.host, list.join(", "))));
        }
        Some(Err(why)) => {
            steps.push(step("dns", party, at, State::Bad, why.clone()));
            return steps;
        }
        None => {}
    }
    if let Some(failure) = &facts.proxy_failure {
        let words = match failure {
            ProxyFailure::Unreachable(why) => format!("the proxy cannot be reached: {why}"),
            ProxyFailure::Login(answer) => format!("the proxy wants a login: {answer}"),
            ProxyFailure::Refused(answer) => format!("the proxy refuses: {answer}"),
        };
        steps.push(step("proxy", party, at, State::Bad, words));
        return steps;
    }
    for reach in &facts.reached {
        let (state, words) = match &reach.outcome {
            Ok(_) => (State::Good, format!("{} answers", reach.address)),
            Err(Unreached::Refused) => (State::Bad, format!("{} refuses the connection", reach.address)),
            Err(Unreached::TimedOut) => (State::Bad, format!("{} does not answer", reach.address)),
            Err(Unreached::Other(why)) => (State::Bad, format!("{}: {why}", reach.address)),
        };
        steps.push(step("tcp", party, at, state, words));
    }
    let reached = facts.proxy_failure.is_none()
        && (facts.reached.is_empty() || facts.reached.iter().any(|it| it.outcome.is_ok()));
    if reached {
        let (state, words) = match diagnosis.finding.cause {
            Cause::Ok => (State::Good, "as it should be".to_owned()),
            cause => (State::Bad, cause.code().to_owned()),
        };
        steps.push(step("tls", party, at, state, words));
    }
    steps
}
