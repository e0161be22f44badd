//! From options to questions. In: the command line and the environment. Out: everything that is the same for all endpoints, and
//! the question for each.

use std::collections::HashMap;
use std::os::fd::AsFd as _;
use std::sync::Arc;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use rustls::sign::CertifiedKey;
use sidelight_engine::probe::{self, Progress, Ways};
use sidelight_engine::resolve::Resolver;
use sidelight_model::diagnose::{Adding, ClientIdentity, Question, Roots};
use sidelight_model::flow::{Authority, Host};
use sidelight_model::trust::{add_command, quoted, quoted_file};
use sidelight_model::x509::Anchors;

use super::roots::{self, Found, Place};
use crate::cli::{AsRuntime, DiagnoseCommand, DiagnoseTrust, Endpoint, ProxyChoice};
use crate::commands::environment_proxy::further_proxy;
use crate::commands::image_source;
use crate::commands::{environment_proxy, source_roots};
use crate::exit::Failure;
use crate::ui::Ui;

/// The port of TLS where none is given.
const PORT: u16 = 443;

/// What all endpoints have in common.
pub(super) struct Prepared {
    command: DiagnoseCommand,
    found: Found,
    others: Vec<(String, Anchors)>,
    client: Option<(ClientIdentity, Option<Arc<CertifiedKey>>)>,
}

impl Prepared {
    /// Reads roots and certificates.
    ///
    /// # Errors
    /// When a file or source cannot be read.
    pub(super) fn of(command: &DiagnoseCommand, ui: Ui) -> Result<Self, Failure> {
        let handshake = &command.handshake;
        let found = roots::find(&command.trust, ui)?;
        let others = roots::others(&found);
        let password =
            handshake.cert_password.as_ref().map(crate::cli::Credentials::login).transpose().map_err(Failure::usage)?;
        let read = |cert: &std::path::PathBuf| {
            let password = password.as_ref().map(|login| login.password.reveal().as_str());
            probe::read_identity(cert, handshake.key.as_deref(), password)
        };
        let client = handshake.cert.as_ref().map(read).transpose();
        let client = client.map_err(|why| Failure::new(format!("--cert: {why}")))?;
        Ok(Self { command: command.clone(), found, others, client })
    }

    /// The roots that are judged by.
    pub(super) fn roots(&self) -> Roots {
        self.found.roots.clone()
    }

    /// Roots for comparison.
    pub(super) fn others(&self) -> Vec<(String, Anchors)> {
        self.others.clone()
    }

    /// Runs work where the source's own network is, on a thread of its own.
    ///
    /// # Errors
    /// When the network namespace cannot be entered.
    pub(super) fn enter<F, W, T>(&self, work: W) -> Result<T, Failure>
    where
        W: FnOnce() -> F + Send,
        F: Future<Output = T>,
        T: Send,
    {
        let run = || -> Result<T, Failure> {
            if let Some(Place { namespace: Some(namespace), name, .. }) = &self.found.place {
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).map_err(|error| {
                    Failure::new(format!("the network of {name} cannot be entered: {error}"))
                        .hint("that takes root's rights (CAP_SYS_ADMIN)")
                })?;
            }
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|error| Failure::new(format!("no threads: {error}")))?;
            let result = runtime.block_on(work());
            runtime.shutdown_background();
            Ok(result)
        };
        std::thread::scope(|scope| {
            scope
                .spawn(run)
                .join()
                .unwrap_or_else(|_| Err(Failure::new("the diagnosis itself broke; this is a defect of sidelight")))
        })
    }

    /// The question about one endpoint, and the ways there. To be called inside [`Prepared::enter`].
    ///
    /// # Errors
    /// When the proxy that the environment names cannot be read.
    pub(super) fn question(
        &self,
        target: &Endpoint,
        progress: Option<Progress>,
    ) -> Result<(Question, Arc<Ways>), Failure> {
        let options = &self.command.handshake;
        let effort = &self.command.effort;
        let target = target.authority(options.starttls.map_or(PORT, |protocol| protocol.port()));
        let name = options.name.clone().unwrap_or_else(|| target.host.clone());
        let of_name = || match &name {
            Host::Name(name) => Some(name.clone()),
            Host::Ip(_) => None,
        };
        let sni = if options.no_sni { None } else { options.sni.clone().or_else(of_name) };
        let proxy = self.proxy(&target)?;
        let question = Question {
            name,
            sni,
            sni_forbidden: options.no_sni,
            at: self.command.trust.at.map_or_else(probe::now, |moment| moment.0),
            rules: self.found.rules,
            alpn: protocols(options.alpn.as_deref()),
            starttls: options.starttls.map(|protocol| protocol.name()),
            proxy: proxy.as_ref().map(|(upstream, named)| (upstream.at.clone(), named.clone())),
            patience: effort.timeout.0,
            may_fetch: !effort.no_fetch,
            every_address: effort.all_addresses,
            client: self.client.as_ref().map(|(identity, _)| identity.clone()),
            source: self.command.trust.from.as_deref().map(image_source::in_full),
            adding: adding(&self.command.trust),
            trust_options: trust_options(&self.command.trust),
            target,
        };
        let (resolver, resolver_name) = self.resolver();
        let ways = Ways {
            resolver,
            resolver_name,
            proxy: proxy.map(|(upstream, _)| further_proxy(&upstream)),
            identity: self.client.as_ref().and_then(|(_, key)| key.clone()),
            trusted: self.found.trusted.clone(),
            progress,
        };
        Ok((question, Arc::new(ways)))
    }

    /// Who turns names into addresses: the source's own files where it runs, else this host's.
    fn resolver(&self) -> (Resolver, (String, Vec<String>)) {
        let own = || std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
        match &self.found.place {
            Some(place) => {
                let described = describe(&place.resolv_conf, &place.name);
                (Resolver::of_files(&place.hosts, &place.resolv_conf), described)
            }
            None => (Resolver::new(HashMap::new()), describe(&own(), "this host")),
        }
    }

    /// The proxy for this endpoint, and where it was named.
    fn proxy(&self, target: &Authority) -> Result<Option<(crate::cli::Upstream, String)>, Failure> {
        match &self.command.handshake.proxy {
            Some(ProxyChoice::None) => return Ok(None),
            Some(ProxyChoice::Through(upstream)) => return Ok(Some((upstream.clone(), "--proxy".to_owned()))),
            None => {}
        }
        let variable = |name: &str| match &self.found.place {
            Some(place) => place.env.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()),
            None => std::env::var(name).ok(),
        };
        let Some((upstream, named)) = environment_proxy::named_in(environment_proxy::FOR_HTTPS, variable)
            .map_err(|failure| failure.hint("--proxy none goes around it"))?
        else {
            return Ok(None);
        };
        // As every client has it, loopback is never reached through a proxy.
        let loopback = match &target.host {
            Host::Ip(ip) => ip.is_loopback(),
            Host::Name(name) => name == "localhost" || name.ends_with(".localhost"),
        };
        let excepted = loopback || environment_proxy::exceptions_in(variable).covers(target);
        Ok((!excepted).then(|| (upstream, named.to_owned())))
    }
}

/// Stands for the file of the root in a command.
const FILE: &str = "ROOT.pem";

/// The command that puts a root where it is missing.
fn adding(trust: &DiagnoseTrust) -> Adding {
    let with = |before: &str, after: String| Adding { before: before.to_owned(), after };
    let Some(source) = &trust.from else {
        let Some(given) = trust.roots.first() else {
            return with("sidelight trust add", "--into host".to_owned());
        };
        if source_roots::is_source(given) {
            return into(&given.display().to_string());
        }
        let file = quoted_file(&given.display().to_string());
        let kind = given.extension().and_then(|it| it.to_str()).unwrap_or_default().to_ascii_lowercase();
        return match kind.as_str() {
            _ if given.is_dir() => with("cp", file),
            "jks" | "p12" | "pfx" => with("keytool -importcert -file", format!("-alias root -keystore {file}")),
            _ => with("cat", format!(">> {file}")),
        };
    };
    into(source)
}

fn into(source: &str) -> Adding {
    let line = add_command(FILE, &image_source::in_full(source));
    let (before, after) = line.split_once(FILE).unwrap_or((&line, ""));
    Adding { before: before.trim_end().to_owned(), after: after.trim_start().to_owned() }
}

/// The options that say whose trust counts, for commands that ask again.
fn trust_options(trust: &DiagnoseTrust) -> String {
    let mut options = String::new();
    if let Some(source) = &trust.from {
        options.push_str(&format!(" --from {}", quoted(source)));
    }
    if let Some(AsRuntime::One(runtime)) = trust.runtime {
        options.push_str(&format!(" --as {runtime}"));
    }
    for set in &trust.env {
        options.push_str(&format!(" --env {}", quoted(&set.to_string())));
    }
    for file in &trust.roots {
        options.push_str(&format!(" --roots {}", quoted_file(&file.display().to_string())));
    }
    options
}

fn protocols(list: Option<&str>) -> Vec<Vec<u8>> {
    let names = list.unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty());
    names.map(|name| name.as_bytes().to_vec()).collect()
}

/// The servers and the search list of a resolv.conf, for people.
fn describe(resolv_conf: &str, place: &str) -> (String, Vec<String>) {
    let words = |keyword: &str| {
        let lines = resolv_conf.lines().filter_map(move |line| line.trim().strip_prefix(keyword));
        lines.flat_map(|rest| rest.split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    let servers = words("nameserver ");
    let servers = if servers.is_empty() { "no name server".to_owned() } else { servers.join(", ") };
    (format!("{place}: /etc/hosts, then {servers}"), words("search "))
}
