//! Names to addresses, without the C library. In: a host. Out: its addresses, in the order to try. Spec: RFC 6761 §6.3 (localhost),
//! hosts(5), and nsswitch.conf(5) as distributions have it: what `files` answers is not asked of `dns`, for neither family.

use std::collections::HashMap;
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ResolveHosts, ResolverConfig};
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

/// What a hosts file says.
type Lines = HashMap<String, Vec<IpAddr>>;

/// Most bytes of a hosts file: lists of unwanted hosts have some megabytes.
const LARGEST: u64 = 32 << 20;

/// Asks /etc/hosts, then the name servers of /etc/resolv.conf.
pub struct Resolver {
    system: Result<TokioResolver, String>,
    given: Lines,
    hosts: Option<HostsFile>,
}

impl Resolver {
    /// The resolver of this host. `given` are further lines as of a hosts file; they come first.
    ///
    /// A host without a usable /etc/resolv.conf is no error until a name has to be looked up.
    pub fn new(given: HashMap<String, Vec<IpAddr>>) -> Self {
        // Without name servers /etc/hosts still counts: a container made from nothing has often that alone.
        let mut builder = TokioResolver::builder_tokio().unwrap_or_else(|_| {
            TokioResolver::builder_with_config(ResolverConfig::default(), TokioRuntimeProvider::default())
        });
        // The library would ask name servers for the family that the file does not have.
        builder.options_mut().use_hosts_file = ResolveHosts::Never;
        let system = builder.build().map_err(|error| error.to_string());
        Self { system, given, hosts: Some(HostsFile::at("/etc/hosts")) }
    }

    /// A resolver with the files of another place, such as a container: the texts of its /etc/hosts and /etc/resolv.conf.
    pub fn of_files(hosts: &str, resolv_conf: &str) -> Self {
        let system = hickory_resolver::system_conf::parse_resolv_conf(resolv_conf)
            .map_err(|error| error.to_string())
            .and_then(|(config, options)| {
                let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
                *builder.options_mut() = options;
                // The hosts file of this machine is not that place's.
                builder.options_mut().use_hosts_file = ResolveHosts::Never;
                builder.build().map_err(|error| error.to_string())
            });
        Self { system, given: lines(hosts), hosts: None }
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
        if let Some(found) = self.hosts.as_ref().and_then(|hosts| hosts.find(name)) {
            return Ok(found);
        }
        let system = self.system.as_ref().map_err(|why| plain(format!("no resolver: {why}")))?;
        let answer = Box::pin(system.lookup_ip(name.as_str()))
            .await
            .map_err(|error| Unresolved { why: in_words(&error), raw: Some(error.to_string()) })?;
        let found: Vec<_> = answer.iter().collect();
        if found.is_empty() { Err(plain("the name exists, but has no address".to_owned())) } else { Ok(found) }
    }
}

/// A hosts file that is read anew when it was changed: engines write to those of running containers.
struct HostsFile {
    path: PathBuf,
    read: Mutex<Option<(Stamp, Arc<Lines>)>>,
}

/// What differs after a change: device and inode, size, and the time of the last change.
type Stamp = (u64, u64, u64, (i64, i64));

impl HostsFile {
    fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), read: Mutex::new(None) }
    }

    fn find(&self, name: &str) -> Option<Vec<IpAddr>> {
        self.lines()?.get(name).cloned()
    }

    /// `None`: it cannot be read, which is as if it were empty.
    fn lines(&self) -> Option<Arc<Lines>> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let meta = std::fs::metadata(&self.path).ok()?;
        let stamp = (meta.dev(), meta.ino(), meta.size(), (meta.ctime(), meta.ctime_nsec()));
        if let Some((_, known)) = read.as_ref().filter(|(known, _)| *known == stamp) {
            return Some(known.clone());
        }
        let mut bytes = Vec::new();
        std::fs::File::open(&self.path).ok()?.take(LARGEST).read_to_end(&mut bytes).ok()?;
        let fresh = Arc::new(lines(&String::from_utf8_lossy(&bytes)));
        *read = Some((stamp, fresh.clone()));
        Some(fresh)
    }
}

/// Reads the text of a hosts file; lines without an address say nothing.
fn lines(text: &str) -> Lines {
    let mut all = Lines::new();
    for line in text.lines().map(|line| line.split('#').next().unwrap_or_default()) {
        let mut words = line.split_ascii_whitespace();
        let Some(Ok(address)) = words.next().map(str::parse::<IpAddr>) else { continue };
        for name in words {
            let known = all.entry(name.trim_end_matches('.').to_ascii_lowercase()).or_default();
            if !known.contains(&address) {
                known.push(address);
            }
        }
    }
    all
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A resolver that has a name server which never answers, so that each question to it fails; and how many it was asked.
    fn resolver(hosts: &std::path::Path) -> (Resolver, std::net::UdpSocket) {
        use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ProtocolConfig};
        let server = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        server.set_nonblocking(true).unwrap();
        let mut connection = ConnectionConfig::new(ProtocolConfig::Udp);
        connection.port = server.local_addr().unwrap().port();
        let servers = vec![NameServerConfig::new(Ipv4Addr::LOCALHOST.into(), true, vec![connection])];
        let config = ResolverConfig::from_parts(None, Vec::new(), servers);
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        builder.options_mut().use_hosts_file = ResolveHosts::Never;
        (builder.options_mut().timeout, builder.options_mut().attempts) = (std::time::Duration::from_millis(50), 0);
        let system = builder.build().map_err(|error| error.to_string());
        (Resolver { system, given: Lines::new(), hosts: Some(HostsFile::at(hosts)) }, server)
    }

    #[tokio::test]
    async fn what_the_hosts_file_answers_is_asked_of_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let hosts = folder.path().join("hosts");
        std::fs::write(&hosts, "192.0.2.1 one.test One-More.test. # two.test\n2001:db8::1 six.test\nnonsense x.test\n")
            .unwrap();
        let (resolver, server) = resolver(&hosts);
        let ask = async |name: &str| resolver.addresses(&Host::parse(name).unwrap()).await;
        let v4: Vec<IpAddr> = vec!["192.0.2.1".parse().unwrap()];
        assert_eq!(ask("one.test").await, Ok(v4.clone()));
        assert_eq!(ask("ONE-more.test").await, Ok(v4));
        assert_eq!(ask("six.test").await, Ok(vec!["2001:db8::1".parse().unwrap()]));
        let asked = || server.recv_from(&mut [0; 512]).is_ok();
        assert!(!asked(), "a name server was asked");
        assert!(ask("two.test").await.is_err() && asked(), "what is not in the file is asked of name servers");
        // A change counts at once, and a file that is gone says nothing.
        std::fs::write(&hosts, "192.0.2.2 one.test\n").unwrap();
        assert_eq!(ask("one.test").await, Ok(vec!["192.0.2.2".parse().unwrap()]));
        std::fs::remove_file(&hosts).unwrap();
        assert!(ask("one.test").await.is_err());
    }
}
