//! Files by which clients know how registries are reached. In: their bytes. Out: mirrors, CAs, proxies, what is insecure.
//! Spec: dockerd's `daemon.json`, containerd's `hosts.toml` and `config.toml`, containers-registries.conf(5) version 2.

use std::net::IpAddr;

use serde_json::Value as Json;
use toml::{Table, Value};

/// The most entries of one list that are read.
const MOST: usize = 1024;

/// What `daemon.json` says of registries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DaemonJson {
    /// Hosts, with ports where written, and networks for which certificates are not verified.
    pub insecure: Vec<String>,
    /// Mirrors of Docker Hub, as URLs.
    pub mirrors: Vec<String>,
    /// `proxies`: variables of the environment and their values.
    pub proxies: Vec<(&'static str, String)>,
}

impl DaemonJson {
    /// Reads it.
    ///
    /// # Errors
    /// When it is no JSON object; the words say where.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let value: Json = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let object = value.as_object().ok_or("it is JSON, but no object")?;
        let list = |key: &str| -> Vec<String> {
            let all = object.get(key).and_then(Json::as_array).into_iter().flatten();
            all.filter_map(Json::as_str).take(MOST).map(str::to_owned).collect()
        };
        let names = [("https-proxy", "HTTPS_PROXY"), ("http-proxy", "HTTP_PROXY"), ("no-proxy", "NO_PROXY")];
        let proxies = object.get("proxies").and_then(Json::as_object);
        let set = |(key, name): (&str, &'static str)| Some((name, proxies?.get(key)?.as_str()?.to_owned()));
        Ok(Self {
            insecure: list("insecure-registries"),
            mirrors: list("registry-mirrors"),
            proxies: names.into_iter().filter_map(set).collect(),
        })
    }

    /// What makes a registry insecure for dockerd: an entry of the list, or that it is on loopback, which needs no entry.
    pub fn insecure_by(&self, registry: &str, addresses: &[IpAddr]) -> Option<String> {
        let host = registry.rsplit_once(':').map_or(registry, |(host, _)| host);
        let named = self.insecure.iter().find(|entry| {
            entry.eq_ignore_ascii_case(registry)
                || entry.eq_ignore_ascii_case(host)
                || addresses.iter().any(|address| is_in(entry, *address))
        });
        if let Some(entry) = named {
            return Some(format!("`{entry}` in insecure-registries"));
        }
        let loopback = addresses.iter().find(|address| address.to_canonical().is_loopback())?;
        Some(format!("its address {loopback} is on loopback"))
    }
}

/// Whether an address is in a network that is written `10.0.0.0/8`.
fn is_in(network: &str, address: IpAddr) -> bool {
    let bits = |address: IpAddr| match address.to_canonical() {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    };
    let Some((base, length)) = network.split_once('/') else { return false };
    let (Ok(base), Ok(length)) = (base.parse::<IpAddr>(), length.parse::<u32>()) else { return false };
    let ((base, whole), (address, of)) = (bits(base), bits(address));
    if whole != of || length > whole {
        return false;
    }
    length == 0 || (base ^ address) >> (128 - length) == 0
}

/// One place that containerd or podman asks for a registry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// `https://HOST`, or without scheme `HOST[:PORT][/PATH]`.
    pub url: String,
    /// Files of CAs, as written.
    pub ca: Vec<String>,
    /// Client certificates with their keys, as written; without a key it is in the same file.
    pub client: Vec<(String, Option<String>)>,
    /// Whether certificates are not verified.
    pub skip_verify: bool,
    /// Whether the URL's path stands for `/v2`.
    pub override_path: bool,
    /// Whether it may be asked for what a tag means.
    pub resolves: bool,
    /// Whether it is asked for manifests and blobs.
    pub pulls: bool,
}

/// containerd's `hosts.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostsToml {
    /// The registry itself, after the others; `None`: as the image names it.
    pub server: Option<Place>,
    /// What is asked before it, in order.
    pub hosts: Vec<Place>,
}

impl HostsToml {
    /// Reads it. The order of `[host."…"]` tables counts, which is that of the file.
    ///
    /// # Errors
    /// When it is no TOML; the words say where.
    pub fn parse(text: &str) -> Result<Self, String> {
        let file: Table = text.parse().map_err(|error: toml::de::Error| error.message().to_owned())?;
        let server = file.get("server").and_then(Value::as_str).map(|url| place(url, &file));
        let hosts = file.get("host").and_then(Value::as_table).into_iter().flatten();
        let mut hosts: Vec<Place> =
            hosts.filter_map(|(url, value)| Some(place(url, value.as_table()?))).take(MOST).collect();
        let written = |place: &Place| text.find(&format!("\"{}\"", place.url)).unwrap_or(usize::MAX);
        hosts.sort_by_key(written);
        // Without a server of its own, what stands at the top still counts for the registry.
        let own = ["ca", "client", "skip_verify"].iter().any(|key| file.contains_key(*key));
        Ok(Self { server: server.or_else(|| own.then(|| place("", &file))), hosts })
    }
}

fn place(url: &str, table: &Table) -> Place {
    let flag = |key: &str| table.get(key).and_then(Value::as_bool).unwrap_or(false);
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let ca = match table.get("ca") {
        Some(Value::Array(all)) => all.iter().filter_map(text).take(MOST).collect(),
        Some(one) => text(one).into_iter().collect(),
        None => Vec::new(),
    };
    let pair = |value: &Value| match value {
        Value::Array(pair) => Some((text(pair.first()?)?, pair.get(1).and_then(text))),
        one => Some((text(one)?, None)),
    };
    let client = match table.get("client") {
        Some(Value::Array(all)) => all.iter().filter_map(pair).take(MOST).collect(),
        Some(one) => pair(one).into_iter().collect(),
        None => Vec::new(),
    };
    let capabilities = table.get("capabilities").and_then(Value::as_array);
    let can = |name: &str| capabilities.is_none_or(|all| all.iter().any(|it| it.as_str() == Some(name)));
    Place {
        url: url.to_owned(),
        ca,
        client,
        skip_verify: flag("skip_verify"),
        override_path: flag("override_path"),
        resolves: can("resolve"),
        pulls: can("pull"),
    }
}

/// Where containerd's `config.toml` has its `certs.d` folders, wherever the release keeps the setting.
pub fn containerd_config_path(text: &str) -> Option<String> {
    fn look(table: &Table, depth: usize) -> Option<String> {
        let own = table.get("config_path").and_then(Value::as_str).filter(|path| !path.is_empty());
        if own.is_some() || depth == 0 {
            return own.map(str::to_owned);
        }
        table.values().filter_map(Value::as_table).find_map(|inner| look(inner, depth - 1))
    }
    look(&text.parse().ok()?, 6)
}

/// `registries.conf` and its drop-ins, read one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistriesConf {
    entries: Vec<RegistryEntry>,
}

/// One `[[registry]]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistryEntry {
    /// What images begin with that it counts for; may begin with `*.`.
    pub prefix: String,
    /// What stands in the prefix's place; empty: the prefix itself.
    pub location: String,
    /// Whether certificates are not verified, and plain HTTP is spoken where TLS is not.
    pub insecure: bool,
    /// Whether nothing may be pulled.
    pub blocked: bool,
    /// What is asked before it: location, and whether insecure.
    pub mirrors: Vec<(String, bool)>,
}

impl RegistriesConf {
    /// Adds a file; an entry for the same prefix takes the place of an earlier one.
    ///
    /// # Errors
    /// When it is no TOML; the words say where.
    pub fn add(&mut self, text: &str) -> Result<(), String> {
        let file: Table = text.parse().map_err(|error: toml::de::Error| error.message().to_owned())?;
        for table in file.get("registry").and_then(Value::as_array).into_iter().flatten().take(MOST) {
            let word = |key: &str| table.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            let flag = |value: &Value, key: &str| value.get(key).and_then(Value::as_bool).unwrap_or(false);
            let mirror = |value: &Value| Some((value.get("location")?.as_str()?.to_owned(), flag(value, "insecure")));
            let mirrors = table.get("mirror").and_then(Value::as_array).into_iter().flatten().take(MOST);
            let (prefix, location) = (word("prefix"), word("location"));
            let entry = RegistryEntry {
                prefix: if prefix.is_empty() { location.clone() } else { prefix },
                location,
                insecure: flag(table, "insecure"),
                blocked: flag(table, "blocked"),
                mirrors: mirrors.filter_map(mirror).collect(),
            };
            self.entries.retain(|known| known.prefix != entry.prefix);
            self.entries.push(entry);
        }
        Ok(())
    }

    /// The entry for an image (`HOST/NAME`): that of the longest prefix.
    pub fn find(&self, image: &str) -> Option<&RegistryEntry> {
        let fits = |entry: &&RegistryEntry| {
            if let Some(domain) = entry.prefix.strip_prefix("*.") {
                let host = image.split(['/', ':']).next().unwrap_or_default();
                return host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
            }
            image.strip_prefix(&entry.prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', ':', '@']))
        };
        self.entries.iter().filter(fits).max_by_key(|entry| entry.prefix.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_s_insecure_registries_are_hosts_ports_and_networks() {
        let text =
            br#"{"insecure-registries":["r.test:5000","10.0.0.0/8","plain.test"],"registry-mirrors":["https://m.test"],
            "proxies":{"https-proxy":"http://p:1","no-proxy":"x"}}"#;
        let daemon = DaemonJson::parse(text).unwrap();
        let by = |registry: &str, address: &str| daemon.insecure_by(registry, &[address.parse().unwrap()]).is_some();
        assert!(by("r.test:5000", "192.0.2.1") && by("plain.test:443", "192.0.2.1") && by("other.test", "10.9.9.9"));
        assert!(!by("r.test:5001", "192.0.2.1") && !by("other.test", "11.0.0.1"));
        assert!(by("other.test", "127.0.0.53") && by("other.test", "::1"), "loopback needs no entry");
        assert_eq!(daemon.proxies, [("HTTPS_PROXY", "http://p:1".to_owned()), ("NO_PROXY", "x".to_owned())]);
        assert!(DaemonJson::parse(b"[]").is_err() && DaemonJson::parse(b"{").is_err());
        assert!(!is_in("::/0", "10.0.0.1".parse().unwrap()) && is_in("0.0.0.0/0", "10.0.0.1".parse().unwrap()));
    }

    #[test]
    fn containerd_s_hosts_are_read_in_the_order_of_the_file() {
        let text = r#"
            server = "https://r.test"
            ca = "own.crt"
            [host."https://z.test"]
              capabilities = ["pull", "resolve"]
              ca = ["a.crt", "b.crt"]
              client = [["c.cert", "c.key"], ["one.pem", ""]]
            [host."http://a.test:5000/v2/mirror"]
              capabilities = ["pull"]
              skip_verify = true
              override_path = true
        "#;
        let hosts = HostsToml::parse(text).unwrap();
        let server = hosts.server.unwrap();
        assert_eq!((server.url.as_str(), server.ca.as_slice()), ("https://r.test", &["own.crt".to_owned()][..]));
        assert_eq!(
            hosts.hosts.iter().map(|it| it.url.as_str()).collect::<Vec<_>>(),
            ["https://z.test", "http://a.test:5000/v2/mirror"]
        );
        assert_eq!(hosts.hosts[0].client[0], ("c.cert".to_owned(), Some("c.key".to_owned())));
        assert!(hosts.hosts[1].skip_verify && hosts.hosts[1].override_path && !hosts.hosts[1].resolves);
        assert!(HostsToml::parse("ca = 'x'").unwrap().server.is_some());
        assert!(HostsToml::parse("= 1").is_err());
        let config = "[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/etc/containerd/certs.d\"";
        assert_eq!(containerd_config_path(config).as_deref(), Some("/etc/containerd/certs.d"));
        assert_eq!(containerd_config_path("version = 2"), None);
    }

    #[test]
    fn the_longest_prefix_of_registries_conf_counts() {
        let mut conf = RegistriesConf::default();
        conf.add("[[registry]]\nprefix = 'r.test'\nlocation = 'in.test:5000/x'\ninsecure = true\n[[registry.mirror]]\nlocation = 'm.test'")
            .unwrap();
        conf.add("[[registry]]\nlocation = 'r.test/team'\nblocked = true\n[[registry]]\nprefix = '*.corp.test'\nlocation = 'c.test'").unwrap();
        assert!(conf.find("r.test/team/app").unwrap().blocked);
        assert!(conf.find("r.test/teammate").unwrap().insecure);
        assert_eq!(conf.find("r.test/a").unwrap().mirrors, [("m.test".to_owned(), false)]);
        assert_eq!(conf.find("a.corp.test/x").unwrap().location, "c.test");
        assert!(conf.find("corp.test/x").is_none() && conf.find("r.tester/x").is_none());
        assert!(conf.add("[[registry]").is_err());
    }
}
