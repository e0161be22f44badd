//! Docker's daemon, asked for an image as `docker save` asks, and where a container runs. In: a name. Out: the archive that it
//! sends, spooled; a container. Spec: Docker Engine API, `GET /images/{name}/get` and `/containers/{id}/json`, over a unix socket.

use std::io::{ErrorKind, Read, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;

use super::absent;
use super::state::{self, Container};
use crate::error::Error;
use crate::opened::Opened;
use crate::options::Options;
use crate::recognise;

/// A daemon that sends nothing for so long has failed; it may take its time before the first byte of a large image.
const PATIENCE: Duration = Duration::from_secs(120);
/// Bytes of an answer that says why not.
const MAX_REFUSAL: usize = 16 << 10;
/// Bytes of what is said of one container.
const MAX_ANSWER: usize = 4 << 20;

/// Opens an image that Docker's daemon has.
pub(crate) fn open(name: &str, options: &Options) -> Result<Opened, Error> {
    let mut tried = Vec::new();
    for socket in sockets(options)? {
        match UnixStream::connect(&socket) {
            Ok(stream) => match save(stream, name) {
                Ok(pipe) => {
                    let what = format!("{name} of {}", socket.display());
                    let options = Options { image: None, ..options.clone() };
                    return recognise::stream(Box::new(pipe), &what, &options);
                }
                Err(why) => tried.push(format!("Docker at {}: {why}", socket.display())),
            },
            Err(error) if error.kind() == ErrorKind::NotFound && options.engines.docker_host.is_none() => {}
            Err(error) => tried.push(format!("Docker at {}: {error}", socket.display())),
        }
    }
    Err(Error::NotFound { what: name.to_owned(), tried })
}

/// What the daemon says of a container: that of a daemon with folders of its own is known to nobody else. Who cannot be asked knows none.
pub(crate) fn container(name: &str, options: &Options) -> Option<Container> {
    if name.is_empty() || name.contains('/') {
        return None;
    }
    let path = format!("/containers/{}/json", encoded(name));
    sockets(options).ok()?.iter().find_map(|socket| {
        let (stream, path) = (UnixStream::connect(socket).ok()?, path.clone());
        let thread = std::thread::Builder::new().name("docker-inspect".to_owned()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
            let body = async { Limited::new(request(stream, &path).await.ok()?, MAX_ANSWER).collect().await.ok() };
            let body = runtime.block_on(async { tokio::time::timeout(PATIENCE, body).await });
            Some(body.ok()??.to_bytes())
        });
        state::inspected(&thread.ok()?.join().ok()??, options)
    })
}

/// The sockets that are tried: the one that DOCKER_HOST names, else Docker's own.
fn sockets(options: &Options) -> Result<Vec<PathBuf>, Error> {
    match &options.engines.docker_host {
        Some(host) => match host.strip_prefix("unix://") {
            Some(path) => Ok(vec![PathBuf::from(path)]),
            None => Err(absent(
                "docker",
                format!("Docker at {host}: only unix sockets are asked; `docker save` works anywhere"),
            )),
        },
        None => {
            let mut sockets = vec![PathBuf::from("/var/run/docker.sock")];
            let own = std::env::var_os("XDG_RUNTIME_DIR").map(|folder| PathBuf::from(folder).join("docker.sock"));
            sockets.extend(own.filter(|socket| socket.exists()));
            Ok(sockets)
        }
    }
}

/// Begins to save an image: the answer's head is awaited, its body comes through the pipe that is returned.
fn save(stream: UnixStream, name: &str) -> Result<Pipe, String> {
    let (mut writer, reader) = pipe().map_err(|error| error.to_string())?;
    let (head_in, head_out) = std::sync::mpsc::sync_channel(1);
    let path = format!("/images/{}/get", encoded(name));
    let thread = std::thread::Builder::new().name("docker-save".to_owned()).spawn(move || {
        let failed = |error: &dyn std::fmt::Display| error.to_string();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => return drop(head_in.send(Err(failed(&error)))),
        };
        runtime.block_on(async {
            match request(stream, &path).await {
                Ok(body) => {
                    let _ = head_in.send(Ok(()));
                    copy(body, &mut writer).await;
                }
                Err(error) => drop(head_in.send(Err(error))),
            }
        });
    });
    thread.map_err(|error| error.to_string())?;
    head_out.recv().map_err(|_| "the request was not made".to_owned())??;
    Ok(reader)
}

/// Sends the request; the body of a good answer.
async fn request(stream: UnixStream, path: &str) -> Result<hyper::body::Incoming, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    stream.set_nonblocking(true).map_err(|error| text(&error))?;
    let stream = tokio::net::UnixStream::from_std(stream).map_err(|error| text(&error))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| text(&error))?;
    tokio::spawn(connection);
    let request = hyper::Request::get(path).header("host", "docker").body(Empty::<Bytes>::new());
    let request = request.map_err(|error| text(&error))?;
    let answer = tokio::time::timeout(PATIENCE, sender.send_request(request));
    let answer = answer.await.map_err(|_| "it does not answer".to_owned())?.map_err(|error| text(&error))?;
    if answer.status().is_success() {
        return Ok(answer.into_body());
    }
    let status = answer.status();
    let limited = Limited::new(answer.into_body(), MAX_REFUSAL);
    let body = limited.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    Err(match serde_json::from_slice::<Refusal>(&body) {
        Ok(refusal) => refusal.message,
        Err(_) => format!("it answers {status}"),
    })
}

#[derive(serde::Deserialize)]
struct Refusal {
    message: String,
}

/// Copies the body into the pipe; an answer that breaks off is told through the pipe.
async fn copy(mut body: hyper::body::Incoming, writer: &mut PipeWriter) {
    loop {
        let frame = match tokio::time::timeout(PATIENCE, body.frame()).await {
            Ok(None) => return writer.end(None),
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(error))) => return writer.end(Some(error.to_string())),
            Err(_) => return writer.end(Some("it sends nothing more".to_owned())),
        };
        if let Ok(data) = frame.into_data()
            && writer.file.write_all(&data).is_err()
        {
            // The reader has what it wants.
            return;
        }
    }
}

/// A kernel pipe, and how the writing side ended.
struct Pipe {
    file: std::fs::File,
    outcome: std::sync::mpsc::Receiver<Option<String>>,
}

struct PipeWriter {
    file: std::fs::File,
    outcome: std::sync::mpsc::SyncSender<Option<String>>,
}

fn pipe() -> std::io::Result<(PipeWriter, Pipe)> {
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let (tell, outcome) = std::sync::mpsc::sync_channel(1);
    Ok((PipeWriter { file: writer.into(), outcome: tell }, Pipe { file: reader.into(), outcome }))
}

impl PipeWriter {
    fn end(&mut self, error: Option<String>) {
        let _ = self.outcome.send(error);
    }
}

impl Read for Pipe {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let count = self.file.read(into)?;
        if count > 0 || into.is_empty() {
            return Ok(count);
        }
        // The end of the pipe is the end of the archive only when the other side says so.
        match self.outcome.recv() {
            Ok(None) => Ok(0),
            Ok(Some(why)) => {
                Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, format!("Docker's answer broke off: {why}")))
            }
            Err(_) => Ok(0),
        }
    }
}

/// A name in a path: slashes and colons stay, as Docker's own client leaves them.
fn encoded(name: &str) -> String {
    let mut text = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/:@".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}
