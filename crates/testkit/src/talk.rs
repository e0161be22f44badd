//! Conversations with the program under test: both of its ends in one hand. In: what each side says, when. Out: a panic that shows what came instead.
//!
//! A [`Service`] runs one closure for each client; a [`Line`] is either end of a connection, plain or (from any moment on) TLS.
//! Every read and write is bounded in time.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;

use crate::{Issuer, Sidelight};

/// No read or write of a conversation waits longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is between us and the socket.
enum Layer {
    Plain(TcpStream),
    Client(Box<StreamOwned<ClientConnection, Box<Line>>>),
    Server(Box<StreamOwned<ServerConnection, Box<Line>>>),
}

/// One end of a connection.
pub struct Line {
    layer: Layer,
    tcp: TcpStream,
}

impl Line {
    /// Connects.
    #[track_caller]
    pub fn to(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).unwrap_or_else(|e| panic!("cannot connect to {address}: {e}")))
    }

    fn over(tcp: TcpStream) -> Self {
        for limit in [TcpStream::set_read_timeout, TcpStream::set_write_timeout] {
            limit(&tcp, Some(PATIENCE)).expect("a time limit");
        }
        tcp.set_nodelay(true).expect("no delay");
        Self { layer: Layer::Plain(tcp.try_clone().expect("a second handle")), tcp }
    }

    /// Begins TLS as a client; the handshake is done when this returns.
    ///
    /// # Errors
    /// Why there is no TLS.
    pub fn try_tls(self, name: &str, config: &Arc<ClientConfig>) -> std::io::Result<Self> {
        let name = ServerName::try_from(name.to_owned()).expect("a server name");
        let connection = ClientConnection::new(Arc::clone(config), name).expect("a client connection");
        let tcp = self.tcp.try_clone()?;
        let mut stream = StreamOwned::new(connection, Box::new(self));
        while stream.conn.is_handshaking() {
            if let Err(error) = stream.conn.complete_io(&mut stream.sock) {
                // The alert that says why must reach the other side.
                while stream.conn.wants_write() && stream.conn.write_tls(&mut stream.sock).is_ok() {}
                return Err(error);
            }
        }
        Ok(Self { layer: Layer::Client(Box::new(stream)), tcp })
    }

    /// As [`Line::try_tls`], for handshakes that must succeed.
    #[track_caller]
    pub fn tls(self, name: &str, config: &Arc<ClientConfig>) -> Self {
        self.try_tls(name, config).unwrap_or_else(|e| panic!("no TLS as a client of {name}: {e}"))
    }

    /// Begins TLS as a server.
    ///
    /// # Errors
    /// Why there is no TLS.
    pub fn try_serve_tls(self, config: &Arc<ServerConfig>) -> std::io::Result<Self> {
        let connection = ServerConnection::new(Arc::clone(config)).expect("a server connection");
        let tcp = self.tcp.try_clone()?;
        let mut stream = StreamOwned::new(connection, Box::new(self));
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self { layer: Layer::Server(Box::new(stream)), tcp })
    }

    /// As [`Line::try_serve_tls`], for handshakes that must succeed.
    #[track_caller]
    pub fn serve_tls(self, config: &Arc<ServerConfig>) -> Self {
        self.try_serve_tls(config).unwrap_or_else(|e| panic!("no TLS as a server: {e}"))
    }

    /// The client's state of TLS.
    #[track_caller]
    pub fn client(&self) -> &ClientConnection {
        match &self.layer {
            Layer::Client(stream) => &stream.conn,
            _ => panic!("this end is no TLS client"),
        }
    }

    /// The server's state of TLS.
    #[track_caller]
    pub fn server(&self) -> &ServerConnection {
        match &self.layer {
            Layer::Server(stream) => &stream.conn,
            _ => panic!("this end is no TLS server"),
        }
    }

    /// The leaf that the server of this TLS connection showed.
    #[track_caller]
    pub fn leaf(&self) -> CertificateDer<'static> {
        self.client().peer_certificates().expect("a chain")[0].clone().into_owned()
    }

    /// Says this, in one write.
    #[track_caller]
    pub fn say(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        if let Err(e) = self.write_all(bytes).and_then(|()| self.flush()) {
            panic!("{e}, saying {:?}", String::from_utf8_lossy(bytes));
        }
    }

    /// Says this, byte by byte.
    #[track_caller]
    pub fn say_slowly(&mut self, bytes: impl AsRef<[u8]>) {
        for byte in bytes.as_ref().chunks(1) {
            self.say(byte);
        }
    }

    /// Hears exactly this next.
    #[track_caller]
    pub fn hear(&mut self, wanted: impl AsRef<[u8]>) {
        let wanted = wanted.as_ref();
        let mut heard = Vec::new();
        while heard.len() < wanted.len() {
            let mut part = vec![0; wanted.len() - heard.len()];
            match self.read(&mut part) {
                Ok(0) => panic!("the end after {:?}, not {:?}", shown(&heard), shown(wanted)),
                Ok(count) => heard.extend_from_slice(&part[..count]),
                Err(e) => panic!("{e} after {:?}, not {:?}", shown(&heard), shown(wanted)),
            }
            assert!(wanted.starts_with(&heard), "heard {:?}, not {:?}", shown(&heard), shown(wanted));
        }
    }

    /// Hears everything up to and with `end`.
    #[track_caller]
    pub fn hear_until(&mut self, end: impl AsRef<[u8]>) -> String {
        let end = end.as_ref();
        let (mut heard, mut byte) = (Vec::new(), [0]);
        while !heard.ends_with(end) {
            match self.read(&mut byte) {
                Ok(0) => panic!("the end after {:?}, no {:?}", shown(&heard), shown(end)),
                Ok(_) => heard.push(byte[0]),
                Err(e) => panic!("{e} after {:?}, no {:?}", shown(&heard), shown(end)),
            }
        }
        String::from_utf8_lossy(&heard).into_owned()
    }

    /// Hears the head of an HTTP message, its empty line included.
    #[track_caller]
    pub fn hear_head(&mut self) -> String {
        self.hear_until("\r\n\r\n")
    }

    /// Hears all until the other side closes, in whatever way.
    #[track_caller]
    pub fn hear_all(&mut self) -> Vec<u8> {
        let mut heard = Vec::new();
        crate::exact::read_to_end(self, &mut heard);
        heard
    }

    /// Hears the other side close, in order and without another byte.
    #[track_caller]
    pub fn hear_end(&mut self) {
        let mut byte = [0];
        match self.read(&mut byte) {
            Ok(0) => {}
            Ok(_) => panic!("{:?} came instead of the end", shown(&byte)),
            Err(e) => panic!("{e} instead of an orderly end"),
        }
    }

    /// Hears the other side close, by FIN or by reset, without another byte.
    #[track_caller]
    pub fn hear_gone(&mut self) {
        let rest = self.hear_all();
        assert!(rest.is_empty(), "{:?} came instead of the end", shown(&rest));
    }

    /// Says that nothing more comes from here (close_notify, FIN), and goes on hearing.
    pub fn half_close(&mut self) {
        match &mut self.layer {
            Layer::Client(stream) => stream.conn.send_close_notify(),
            Layer::Server(stream) => stream.conn.send_close_notify(),
            Layer::Plain(_) => {}
        }
        let _ = self.flush();
        // Fails only when the other side is gone already.
        let _ = self.tcp.shutdown(Shutdown::Write);
    }

    /// Ends the connection with a reset.
    pub fn reset(self) {
        // Without lingering, closing resets (tcp(7), SO_LINGER).
        rustix::net::sockopt::set_socket_linger(&self.tcp, Some(Duration::ZERO)).expect("SO_LINGER");
    }

    /// The address of this end.
    pub fn local(&self) -> SocketAddr {
        self.tcp.local_addr().expect("an address")
    }
}

impl Read for Line {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match &mut self.layer {
            Layer::Plain(tcp) => tcp.read(buffer),
            Layer::Client(stream) => stream.read(buffer),
            Layer::Server(stream) => stream.read(buffer),
        }
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match &mut self.layer {
            Layer::Plain(tcp) => tcp.write(bytes),
            Layer::Client(stream) => stream.write(bytes),
            Layer::Server(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match &mut self.layer {
            Layer::Plain(tcp) => tcp.flush(),
            Layer::Client(stream) => stream.flush(),
            Layer::Server(stream) => stream.flush(),
        }
    }
}

fn shown(bytes: &[u8]) -> String {
    bytes[..bytes.len().min(2000)].escape_ascii().to_string()
}

/// A server whose side of every conversation is one closure.
#[derive(Debug)]
pub struct Service<T> {
    /// Where it listens.
    pub address: SocketAddr,
    talks: Receiver<JoinHandle<T>>,
}

impl<T: Send + 'static> Service<T> {
    /// Listens at 127.0.0.1 and holds this conversation with each client.
    pub fn start(talk: impl Fn(Line) -> T + Send + Sync + 'static) -> Self {
        Self::at("127.0.0.1:0", talk)
    }

    /// As [`Service::start`], at an address.
    pub fn at(address: &str, talk: impl Fn(Line) -> T + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(address).unwrap_or_else(|e| panic!("cannot listen on {address}: {e}"));
        let address = listener.local_addr().expect("an address");
        let (sender, talks) = channel();
        let talk = Arc::new(talk);
        thread::spawn(move || {
            for tcp in listener.incoming().map_while(Result::ok) {
                let talk = Arc::clone(&talk);
                if sender.send(thread::spawn(move || talk(Line::over(tcp)))).is_err() {
                    return;
                }
            }
        });
        Self { address, talks }
    }

    /// Its address as clients write it.
    pub fn place(&self) -> String {
        self.address.to_string()
    }

    /// Waits until the next conversation is over, and gives what it came to.
    ///
    /// # Panics
    /// If the conversation did, or if nobody came.
    #[track_caller]
    pub fn over(&self) -> T {
        let talk = self.talks.recv_timeout(PATIENCE).expect("a client of this service");
        talk.join().unwrap_or_else(|why| {
            let words =
                why.downcast_ref::<String>().cloned().or_else(|| why.downcast_ref::<&str>().map(ToString::to_string));
            panic!("the service at {}: {}", self.address, words.unwrap_or_default())
        })
    }

    /// Whether nobody (more) has come.
    pub fn is_alone(&self) -> bool {
        self.talks.try_recv().is_err()
    }
}

/// A running `sidelight proxy` and its folder.
#[derive(Debug)]
pub struct Proxy {
    /// The program.
    pub sidelight: Sidelight,
    folder: TempDir,
    ca: OnceLock<String>,
}

impl Proxy {
    /// Starts `program` in these modes (`explicit`, `forward:HOST:PORT` …, each at a free port of 127.0.0.1) with these options.
    #[track_caller]
    pub fn start(program: &str, modes: &[&str], options: &[&str]) -> Self {
        Self::launch(program, None, modes, options, &[])
    }

    /// As [`Proxy::start`]; services are verified against this root.
    #[track_caller]
    pub fn trusting(program: &str, root: &Issuer, modes: &[&str], options: &[&str]) -> Self {
        Self::launch(program, Some(root), modes, options, &[])
    }

    /// As [`Proxy::start`], with variables in its environment.
    #[track_caller]
    pub fn launch(
        program: &str,
        root: Option<&Issuer>,
        modes: &[&str],
        options: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let mut command = Command::new(crate::world::binary(program));
        crate::hosts::clean(&mut command);
        command.envs(variables.iter().copied());
        let places: Vec<String> = modes.iter().map(|mode| format!("{mode}@127.0.0.1:0")).collect();
        let mut all: Vec<&str> = places.iter().flat_map(|mode| ["--mode", mode.as_str()]).collect();
        let roots = root.map(|root| root.write_to(&folder.path().join("root.pem")));
        if let Some(roots) = &roots {
            all.extend(["--roots", roots.to_str().expect("a path in UTF-8")]);
        }
        all.extend_from_slice(options);
        let sidelight = Sidelight::start(command, folder.path(), &all, modes.len());
        Self { sidelight, folder, ca: OnceLock::new() }
    }

    /// Connects to it in one of its modes.
    #[track_caller]
    pub fn line(&self, mode: &str) -> Line {
        Line::to(self.sidelight.address(mode))
    }

    /// A tunnel by CONNECT through its explicit mode.
    #[track_caller]
    pub fn tunnel(&self, to: &str) -> Line {
        let mut line = self.line("explicit");
        line.say(format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n"));
        line.hear("HTTP/1.1 200 Connection Established\r\n\r\n");
        line
    }

    /// Its CA's certificate as PEM.
    #[track_caller]
    pub fn ca(&self) -> &str {
        self.ca.get_or_init(|| std::fs::read_to_string(self.sidelight.ca_file()).expect("ca.pem"))
    }

    /// A client's settings that trust its CA.
    #[track_caller]
    pub fn client(&self, protocols: &[&str]) -> Arc<ClientConfig> {
        crate::pki::client_config(self.ca(), protocols)
    }

    /// A file in its folder.
    pub fn file(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// The record of the connection that came from this end of a line, once it is closed.
    #[track_caller]
    pub fn record_of(&self, client: SocketAddr) -> serde_json::Value {
        let client = client.to_string();
        self.sidelight.wait_for(&format!("the connection of {client}"), "connection", |line| {
            line["client"]["address"] == client.as_str()
        })
    }
}
