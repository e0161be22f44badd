//! Conversations byte by byte. In: a script of what one side says and waits for. Out: exactly what the other side sent.
//! For what no HTTP library would send or show: odd header case, chunk extensions, 1xx, half-closes, resets, alerts.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection, StreamOwned};

/// No read or write of a script waits longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client's side of a TLS connection.
pub type ClientStream = StreamOwned<ClientConnection, TcpStream>;

/// One step of a server's script.
#[derive(Clone, Debug)]
pub enum Step {
    /// Reads until what came ends with these bytes.
    ReadUntil(Vec<u8>),
    /// Reads until the client has closed its direction.
    ReadToEnd,
    /// Sends these bytes in one write.
    Send(Vec<u8>),
    /// Sends these bytes one at a time, each in a record of its own.
    SendSlowly(Vec<u8>),
    /// Says close_notify and closes the direction to the client; reading goes on.
    HalfClose,
    /// Breaks the connection with a TCP reset.
    Reset,
}

/// A server that speaks one script with one client.
#[derive(Debug)]
pub struct Script {
    /// Where it listens.
    pub address: SocketAddr,
    thread: JoinHandle<Vec<u8>>,
}

impl Script {
    /// Speaks the script over TLS with the first client that comes.
    pub fn over_tls(config: Arc<ServerConfig>, steps: Vec<Step>) -> Self {
        Self::listen(move |tcp| {
            let connection = ServerConnection::new(config).expect("a server connection");
            speak(StreamOwned::new(connection, tcp), &steps)
        })
    }

    /// Speaks the script in the clear.
    pub fn plain(steps: Vec<Step>) -> Self {
        Self::listen(move |tcp| speak(tcp, &steps))
    }

    fn listen(serve: impl FnOnce(TcpStream) -> Vec<u8> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let thread = thread::spawn(move || {
            let (tcp, _) = listener.accept().expect("a client");
            bound(&tcp);
            serve(tcp)
        });
        Self { address, thread }
    }

    /// Waits for the end of the script; gives everything the client sent.
    ///
    /// # Panics
    /// If the script could not be followed.
    #[track_caller]
    pub fn received(self) -> Vec<u8> {
        self.thread.join().expect("the script was followed to its end")
    }
}

fn bound(tcp: &TcpStream) {
    tcp.set_read_timeout(Some(PATIENCE)).expect("a time limit");
    tcp.set_write_timeout(Some(PATIENCE)).expect("a time limit");
    tcp.set_nodelay(true).expect("no delay");
}

/// What a script needs besides reading and writing.
trait Conversation: Read + Write {
    /// Says that nothing more will be sent, where the protocol has words for it.
    fn say_goodbye(&mut self);
    /// The connection below.
    fn tcp(&self) -> &TcpStream;
}

impl Conversation for TcpStream {
    fn say_goodbye(&mut self) {}

    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Conversation for StreamOwned<ServerConnection, TcpStream> {
    fn say_goodbye(&mut self) {
        self.conn.send_close_notify();
        let _ = self.flush();
    }

    fn tcp(&self) -> &TcpStream {
        &self.sock
    }
}

fn speak(mut stream: impl Conversation, steps: &[Step]) -> Vec<u8> {
    let mut received = Vec::new();
    let mut read_so_far = 0;
    for step in steps {
        match step {
            Step::ReadUntil(end) => {
                read_until(&mut stream, &mut received, read_so_far, end);
                read_so_far = received.len();
            }
            Step::ReadToEnd => read_to_end(&mut stream, &mut received),
            Step::Send(bytes) => send(&mut stream, bytes),
            Step::SendSlowly(bytes) => bytes.chunks(1).for_each(|byte| send(&mut stream, byte)),
            Step::HalfClose => {
                stream.say_goodbye();
                let _ = stream.tcp().shutdown(Shutdown::Write);
            }
            Step::Reset => {
                // Linger 0: closing sends a reset instead of a FIN (socket(7)).
                rustix::net::sockopt::set_socket_linger(stream.tcp(), Some(Duration::ZERO)).expect("linger");
                return received;
            }
        }
    }
    received
}

fn send(stream: &mut impl Write, bytes: &[u8]) {
    stream.write_all(bytes).and_then(|()| stream.flush()).expect("the client reads what it is sent");
}

fn read_until(stream: &mut impl Read, received: &mut Vec<u8>, from: usize, end: &[u8]) {
    let mut byte = [0];
    while !received[from..].ends_with(end) {
        match stream.read(&mut byte) {
            Ok(0) => panic!("the client closed after {:?}", String::from_utf8_lossy(received)),
            Ok(_) => received.push(byte[0]),
            Err(e) => panic!("{e} after {:?}", String::from_utf8_lossy(received)),
        }
    }
}

/// Reads to a clean end. A reset, or TLS cut short, is an end too: the bytes are what counts.
pub fn read_to_end(stream: &mut impl Read, received: &mut Vec<u8>) {
    let mut buffer = [0; 16_384];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(n) => received.extend_from_slice(&buffer[..n]),
            Err(e) if matches!(e.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => return,
            Err(e) => panic!("{e} after {} bytes", received.len()),
        }
    }
}

/// Connects to `address`; through an HTTP proxy with CONNECT if one is given.
///
/// # Errors
/// What TCP or the proxy answered.
pub fn tcp(proxy: Option<SocketAddr>, target: &str, address: SocketAddr) -> std::io::Result<TcpStream> {
    let mut tcp = TcpStream::connect(proxy.unwrap_or(address))?;
    bound(&tcp);
    if proxy.is_some() {
        write!(tcp, "CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n")?;
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && head.len() < 8192 && tcp.read(&mut byte)? == 1 {
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        if !head.starts_with("HTTP/1.1 200") {
            return Err(std::io::Error::other(head));
        }
    }
    Ok(tcp)
}

/// A TLS client over a connection; the handshake is done with the first read or write.
///
/// # Panics
/// If `name` is neither a name nor an address.
pub fn tls(tcp: TcpStream, name: &str, config: Arc<ClientConfig>) -> ClientStream {
    let name = ServerName::try_from(name.to_owned()).expect("a server name");
    StreamOwned::new(ClientConnection::new(config, name).expect("a client connection"), tcp)
}
