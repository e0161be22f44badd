//! DNS for a sandbox. In: queries over UDP, as a program sent them. Out: the answers of this machine's name servers, byte for
//! byte. Spec: RFC 1035 §4.2.1 (messages over UDP), resolv.conf(5).
//!
//! Nothing is read into a query but its ID: what the program asked is what the name server sees, and a truncated answer
//! arrives truncated, so that the program asks again over TCP. Servers are asked in their order, the next one when one is
//! silent or not there. `/etc/resolv.conf` is read for each query: a laptop changes its network under running programs.

use std::fs::File;
use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Queries under way at one time; more are dropped, and asked again by those who sent them.
const MAX_IN_FLIGHT: usize = 128;
/// The longest message over UDP.
const MAX_MESSAGE: usize = 65_535;
/// A header: anything shorter is no DNS message.
const MIN_MESSAGE: usize = 12;
/// More than this of `resolv.conf` is not read.
const MAX_CONFIGURATION: u64 = 64 * 1024;
/// `MAXNS` of resolv.conf(5).
const MAX_SERVERS: usize = 3;
const DNS_PORT: u16 = 53;
/// `RES_TIMEOUT` and `RES_DFLRETRY` of resolv.conf(5), and the largest values that it allows.
const TIMEOUT: (u64, u64) = (5, 30);
const ATTEMPTS: (u32, u32) = (2, 5);

/// Answers the queries that arrive at `socket` by asking the name servers in `resolv_conf` (usually
/// `/etc/resolv.conf`, of the network namespace that the caller is in). Drop the future to end it.
///
/// # Errors
/// When nothing can be received from the socket any more.
pub async fn serve(socket: std::net::UdpSocket, resolv_conf: PathBuf) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    let socket = Arc::new(UdpSocket::from_std(socket)?);
    let slots = Arc::new(Semaphore::new(MAX_IN_FLIGHT));
    let resolv_conf: Arc<Path> = resolv_conf.into();
    let mut under_way = tokio::task::JoinSet::new(); // ends them all when this future is dropped
    let mut buffer = vec![0; MAX_MESSAGE];
    loop {
        let (length, asker) = match socket.recv_from(&mut buffer).await {
            // An asker that went away before its answer came (ICMP port unreachable) is no trouble of the socket's.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => continue,
            other => other?,
        };
        while under_way.try_join_next().is_some() {}
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else { continue };
        if length < MIN_MESSAGE {
            continue;
        }
        let query = buffer[..length].to_vec();
        let (socket, resolv_conf) = (Arc::clone(&socket), Arc::clone(&resolv_conf));
        under_way.spawn(async move {
            if let Some(answer) = resolve(&query, &resolv_conf).await {
                let _ = socket.send_to(&answer, asker).await;
            }
            drop(slot);
        });
    }
}

/// Asks one name server after the other, in as many rounds as `resolv.conf` says.
async fn resolve(query: &[u8], resolv_conf: &Path) -> Option<Vec<u8>> {
    let configuration = Configuration::read(resolv_conf);
    for _ in 0..configuration.attempts {
        for server in &configuration.servers {
            if let Ok(Ok(answer)) = timeout(configuration.patience, exchange(query, *server)).await {
                return Some(answer);
            }
        }
    }
    None
}

/// Sends the query from a port of its own, and waits for the answer that has its ID.
async fn exchange(query: &[u8], server: SocketAddr) -> io::Result<Vec<u8>> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?; // only this server can answer, and its absence is told at once
    socket.send(query).await?;
    let mut answer = vec![0; MAX_MESSAGE];
    loop {
        let length = socket.recv(&mut answer).await?;
        if length >= MIN_MESSAGE && answer[..2] == query[..2] {
            answer.truncate(length);
            return Ok(answer);
        }
    }
}

/// What of resolv.conf(5) matters to one who forwards queries.
#[derive(Debug, PartialEq, Eq)]
struct Configuration {
    servers: Vec<SocketAddr>,
    patience: Duration,
    attempts: u32,
}

impl Configuration {
    /// Reads the file; without one, a name server on this machine is asked, as the manual says.
    fn read(path: &Path) -> Self {
        let mut bytes = Vec::new();
        if let Ok(file) = File::open(path) {
            let _ = file.take(MAX_CONFIGURATION).read_to_end(&mut bytes); // what came before an error counts
        }
        Self::parse(&bytes)
    }

    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let mut configuration =
            Self { servers: Vec::new(), patience: Duration::from_secs(TIMEOUT.0), attempts: ATTEMPTS.0 };
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("nameserver") => configuration.servers.extend(words.next().and_then(server)),
                Some("options") => words.for_each(|option| configuration.option(option)),
                _ => {}
            }
        }
        if configuration.servers.is_empty() {
            configuration.servers.push(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), DNS_PORT));
        }
        configuration.servers.truncate(MAX_SERVERS);
        configuration
    }

    /// Reads one word of an `options` line; what is not known or not a number changes nothing.
    fn option(&mut self, word: &str) {
        match word.split_once(':').map(|(name, value)| (name, value.parse::<u32>())) {
            Some(("timeout", Ok(seconds))) => {
                self.patience = Duration::from_secs(u64::from(seconds).clamp(1, TIMEOUT.1))
            }
            Some(("attempts", Ok(rounds))) => self.attempts = rounds.clamp(1, ATTEMPTS.1),
            _ => {}
        }
    }
}

/// Reads `192.0.2.53`, `2001:db8::53` or `fe80::1%eth0`.
fn server(text: &str) -> Option<SocketAddr> {
    let Some((address, zone)) = text.split_once('%') else {
        return Some(SocketAddr::new(text.parse().ok()?, DNS_PORT));
    };
    let index = match zone.parse() {
        Ok(index) => index,
        Err(_) => std::fs::read_to_string(interface(zone)?).ok()?.trim().parse().ok()?,
    };
    Some(std::net::SocketAddrV6::new(address.parse().ok()?, DNS_PORT, 0, index).into())
}

/// Where the kernel tells the index of a network interface.
fn interface(name: &str) -> Option<PathBuf> {
    (!name.contains('/')).then(|| Path::new("/sys/class/net").join(name).join("ifindex"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_resolv_conf() {
        let configuration = Configuration::parse(
            b"# comment\nsearch example.test\nnameserver 192.0.2.53\nnameserver\t2001:db8::53\n nameserver nonsense\n\
              nameserver fe80::1%7\nnameserver 192.0.2.4\noptions ndots:5 timeout:2 attempts:99 rotate\n\xff\xfe",
        );
        let servers: Vec<_> = configuration.servers.iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["192.0.2.53:53", "[2001:db8::53]:53", "[fe80::1%7]:53"]);
        assert_eq!((configuration.patience, configuration.attempts), (Duration::from_secs(2), 5));
        let none = Configuration::read(Path::new("/nonexistent/resolv.conf"));
        assert_eq!(none.servers, ["127.0.0.1:53".parse().unwrap()]);
        assert_eq!((none.patience, none.attempts), (Duration::from_secs(5), 2));
    }

    #[tokio::test]
    async fn an_answer_is_given_as_it_came() {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let to = server.local_addr().unwrap();
        let query = *b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x10\x00\x01";
        let asked = tokio::spawn(async move { exchange(&query, to).await });
        let mut buffer = [0; 512];
        let (length, from) = server.recv_from(&mut buffer).await.unwrap();
        assert_eq!(buffer[..length], query);
        server.send_to(b"\x99\x99 of somebody else", from).await.unwrap();
        server.send_to(b"\x12\x34", from).await.unwrap();
        let truncated = b"\x12\x34\x87\x00 truncated, and not even a message \xff\x00";
        server.send_to(truncated, from).await.unwrap();
        assert_eq!(asked.await.unwrap().unwrap(), truncated);
    }

    #[tokio::test]
    async fn an_absent_server_is_told_at_once() {
        let gone = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let error = exchange(&[0; 12], gone).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }
}
