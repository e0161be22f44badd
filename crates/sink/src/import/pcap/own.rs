//! Comments that sidelight has written on packets. In: a comment. Out: whose conversation it is, and what is known of it.
//! Spec: docs/pcapng.md.

use sidelight_model::flow::{Authority, Process, TlsVersion, Verdict};

/// Which conversation of a connection a packet belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Part {
    /// With the client.
    Client,
    /// With the service.
    Service,
    /// The content, without TLS.
    Content,
}

/// What a comment says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct About {
    /// The local program, and its container.
    pub(super) process: Option<Process>,
    /// Whom the connection is for.
    pub(super) target: Option<Authority>,
    /// The server name of the client's hello.
    pub(super) sni: Option<String>,
    /// What was done with it.
    pub(super) verdict: Option<Verdict>,
    /// What was agreed with the client, where its TLS is not in the capture; 0 when it is not told.
    pub(super) version: TlsVersion,
    /// IANA name of the cipher suite; empty when it is not told.
    pub(super) cipher: String,
    /// The true ports of client and service, where others are written.
    pub(super) ports: [Option<u16>; 2],
}

/// Reads `sidelight: connection 7, client leg; curl[1234]; container 0123456789ab; to registry.test:443; SNI …; intercept (…)`.
pub(super) fn read(comment: &str) -> Option<(u64, Part, About)> {
    let line = comment.lines().next()?.strip_prefix("sidelight: connection ")?;
    let (number, rest) = line.split_once(", ")?;
    let mut words = rest.split("; ");
    let part = match words.next()? {
        "client leg" => Part::Client,
        "service leg" => Part::Service,
        "decrypted" => Part::Content,
        _ => return None,
    };
    let mut about = About::default();
    for word in words {
        about.learn(word);
    }
    Some((number.parse().ok()?, part, about))
}

impl Default for About {
    fn default() -> Self {
        let (process, target, sni, verdict) = (None, None, None, None);
        Self { process, target, sni, verdict, version: TlsVersion(0), cipher: String::new(), ports: [None; 2] }
    }
}

impl About {
    fn learn(&mut self, word: &str) {
        let verdict = word.split(" (").next().unwrap_or_default();
        if let Some(target) = word.strip_prefix("to ") {
            self.target = target.parse().ok();
        } else if let Some(sni) = word.strip_prefix("SNI ") {
            self.sni = Some(sni.to_owned());
        } else if let Some(container) = word.strip_prefix("container ") {
            if let Some(process) = &mut self.process {
                process.container = Some(container.to_owned());
            }
        } else if let Some(verdict) = verdict_of(verdict) {
            self.verdict = Some(verdict);
        } else if let Some(port) = true_port(word.strip_prefix("port ")) {
            self.ports[1] = Some(port);
        } else if let Some(port) = true_port(word.strip_prefix("the client's port ")) {
            self.ports[0] = Some(port);
        } else if let Some((version, cipher)) = agreed(word) {
            (self.version, self.cipher) = (version, cipher.to_owned());
        } else if let Some((name, pid)) = word.strip_suffix(']').and_then(|word| word.rsplit_once('['))
            && let Ok(pid) = pid.parse()
        {
            self.process = Some(Process { pid, name: name.to_owned(), exe: None, container: None });
        }
    }
}

/// `443 is written as 80 …`.
fn true_port(words: Option<&str>) -> Option<u16> {
    words?.split_once(" is written as ")?.0.parse().ok()
}

/// `TLS 1.3 TLS_AES_128_GCM_SHA256`.
fn agreed(word: &str) -> Option<(TlsVersion, &str)> {
    let (version, cipher) = word.rsplit_once(' ').filter(|(version, _)| version.starts_with("TLS 1."))?;
    let known = [0x0301, 0x0302, 0x0303, 0x0304].map(TlsVersion);
    Some((known.into_iter().find(|known| known.name() == version)?, cipher))
}

fn verdict_of(word: &str) -> Option<Verdict> {
    match word {
        "intercept" => Some(Verdict::Intercept),
        "plain" => Some(Verdict::Plain),
        "relay" => Some(Verdict::Relay),
        "refuse" => Some(Verdict::Refuse),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_tell_whose_packets_they_are() {
        let comment = "sidelight: connection 7, client leg; my curl[1234]; container 0123456789ab; to registry.test:443; \
                       SNI registry.test; port 443 is written as 80, as it is without TLS here; TLS 1.3 TLS_AES_128_GCM_SHA256; intercept (matches --only *)\nsidelight: 5 bytes …";
        let (number, part, about) = read(comment).unwrap();
        assert_eq!((number, part), (7, Part::Client));
        let process = about.process.unwrap();
        assert_eq!((process.pid, process.name.as_str()), (1234, "my curl"));
        assert_eq!(process.container.as_deref(), Some("0123456789ab"));
        assert_eq!(about.target.unwrap().to_string(), "registry.test:443");
        assert_eq!((about.sni.as_deref(), about.verdict), (Some("registry.test"), Some(Verdict::Intercept)));
        assert_eq!(about.ports, [None, Some(443)]);
        assert_eq!((about.version, about.cipher.as_str()), (TlsVersion(0x0304), "TLS_AES_128_GCM_SHA256"));
        assert_eq!(read("sidelight: connection 12, service leg").unwrap().1, Part::Service);
        assert_eq!(read("sidelight: connection 12, decrypted; plain").unwrap().1, Part::Content);
        for foreign in ["", "a comment", "sidelight: connection x, client leg", "sidelight: connection 1, other"] {
            assert_eq!(read(foreign), None, "{foreign}");
        }
    }
}
