//! Names to addresses, without the C library. In: a host. Out: its addresses, in the order to try. Spec: RFC 6761 §6.3 (localhost).

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::ResolverConfig;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use sidelight_model::flow::Host;

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
        let system = self.system.as_ref().map_err(|why| format!("no resolver: {why}"))?;
        let answer = system.lookup_ip(name.as_str()).await.map_err(|error| error.to_string())?;
        let found: Vec<_> = answer.iter().collect();
        if found.is_empty() { Err("it has no address".to_owned()) } else { Ok(found) }
    }
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolver").field("given", &self.given).finish_non_exhaustive()
    }
}
