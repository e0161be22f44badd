//! Names to addresses, without the C library. In: a host. Out: its addresses, in the order to try. Spec: RFC 6761 §6.3 (localhost).

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::ResolverConfig;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use sidelight_model::flow::Host;

/// Why a name has no address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unresolved {
    /// In plain words.
    pub why: String,
    /// The library's words, where they say more.
    pub raw: Option<String>,
}

/// Asks /etc/hosts, then the name servers of /etc/resolv.conf.
pub struct Resolver {
    system: Result<TokioResolver, String>,
    given: HashMap<String, Vec<IpAddr>>,
}

impl Resolver {
    /// The resolver of this host. `given` are further lines as of a hosts file; they come first.
    ///
    /// A host without a usable /etc/resolv.conf is no error until a name has to be looked up.
    pub fn new(given: HashMap<String, Vec<IpAddr>>) -> Self {
        // Without name servers /etc/hosts still counts: a container made from nothing has often that alone.
        let system = TokioResolver::builder_tokio()
            .unwrap_or_else(|_| {
                TokioResolver::builder_with_config(ResolverConfig::default(), TokioRuntimeProvider::default())
            })
            .build()
            .map_err(|error| error.to_string());
        Self { system, given }
    }

    /// A resolver with the files of another place, such as a container: the texts of its /etc/hosts and /etc/resolv.conf.
    pub fn of_files(hosts: &str, resolv_conf: &str) -> Self {
        let mut given: HashMap<String, Vec<IpAddr>> = HashMap::new();
        for line in hosts.lines().map(|line| line.split('#').next().unwrap_or_default()) {
            let mut words = line.split_ascii_whitespace();
            let Some(Ok(address)) = words.next().map(str::parse::<IpAddr>) else { continue };
            for name in words {
                given.entry(name.trim_end_matches('.').to_ascii_lowercase()).or_default().push(address);
            }
        }
        let system = hickory_resolver::system_conf::parse_resolv_conf(resolv_conf)
            .map_err(|error| error.to_string())
            .and_then(|(config, options)| {
                let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
                *builder.options_mut() = options;
                // The hosts file of this machine is not that place's.
                builder.options_mut().use_hosts_file = hickory_resolver::config::ResolveHosts::Never;
                builder.build().map_err(|error| error.to_string())
            });
        Self { system, given }
    }

    /// Whether a line of a hosts file that was given answers for this host.
    pub fn is_given(&self, host: &Host) -> bool {
        matches!(host, Host::Name(name) if self.given.contains_key(name))
    }

    /// The addresses of `host`, never empty.
    ///
    /// # Errors
    /// In words: the name does not exist, has no address, or nobody answers.
    pub async fn addresses(&self, host: &Host) -> Result<Vec<IpAddr>, String> {
        self.look_up(host).await.map_err(|unresolved| unresolved.why)
    }

    /// As [`Self::addresses`], with what the library says beside the plain words.
    ///
    /// # Errors
    /// The name does not exist, has no address, or nobody answers.
    pub async fn look_up(&self, host: &Host) -> Result<Vec<IpAddr>, Unresolved> {
        let plain = |why: String| Unresolved { why, raw: None };
        let name = match host {
            Host::Ip(address) => return Ok(vec![*address]),
            Host::Name(name) => name,
        };
        if let Some(found) = self.given.get(name) {
            return Ok(found.clone());
        }
        if name == "localhost" || name.ends_with(".localhost") {
            return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        }
        let system = self.system.as_ref().map_err(|why| plain(format!("no resolver: {why}")))?;
        let answer = system
            .lookup_ip(name.as_str())
            .await
            .map_err(|error| Unresolved { why: in_words(&error), raw: Some(error.to_string()) })?;
        let found: Vec<_> = answer.iter().collect();
        if found.is_empty() { Err(plain("the name exists, but has no address".to_owned())) } else { Ok(found) }
    }
}

/// What the library's error means.
fn in_words(error: &NetError) -> String {
    let code = match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) if none.response_code == ResponseCode::NoError => {
            return "the name exists, but has no address".to_owned();
        }
        NetError::Dns(DnsError::NoRecordsFound(none)) => none.response_code,
        NetError::Dns(DnsError::ResponseCode(code)) => *code,
        NetError::Timeout | NetError::NoConnections => return "the resolver does not answer".to_owned(),
        NetError::Io(error) => return format!("the resolver cannot be reached: {error}"),
        other => return other.to_string(),
    };
    match code {
        ResponseCode::NXDomain => "no such name (NXDOMAIN)".to_owned(),
        ResponseCode::ServFail => "the resolver failed to find out (SERVFAIL)".to_owned(),
        ResponseCode::Refused => "the resolver refuses to answer (REFUSED)".to_owned(),
        other => format!("the resolver answers: {other}"),
    }
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolver").field("given", &self.given).finish_non_exhaustive()
    }
}
