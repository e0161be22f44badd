//! Plain local ports in the places of registries, of their token servers and of their storage. In: origins (`https://HOST[:PORT]`).
//! Out: `http://127.0.0.N:PORT` for each; a client that asks there is answered by the true service, over TLS.
//!
//! Each has a loopback address of its own: Go's client takes its Authorization along to another port of the same host, which a storage
//! host would refuse, and must not get.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use sidelight_engine::dial::{Proxy, Way};
use sidelight_engine::transport::Edit;
use sidelight_engine::{Identify, Listener, Mode};
use sidelight_model::flow::{Authority, LOCAL_PORT};
use sidelight_wire::http1::{EditHeads, Editing, RequestHead, ResponseHead};
use sidelight_wire::registry::{request_for_registry, response_for_client};

use crate::commands::interception::Doorman;
use crate::exit::Failure;
use crate::ui::Ui;

/// Origins that are followed; a registry names a handful.
const MOST: usize = 64;

/// All local ports of a watch.
pub(super) struct LocalPorts {
    doorman: Doorman,
    identify: Arc<dyn Identify>,
    /// The proxy by which the watched client reaches registries.
    proxy: Option<Arc<Proxy>>,
    known: Mutex<Known>,
    ui: Option<Ui>,
}

#[derive(Default)]
struct Known {
    by_origin: HashMap<String, String>,
    /// What was said to be moved.
    told: Vec<(&'static str, String)>,
}

impl LocalPorts {
    /// None yet. `ui`: who is told what is written anew; `None` when nobody is.
    pub(super) fn new(
        doorman: Doorman,
        identify: Arc<dyn Identify>,
        proxy: Option<Arc<Proxy>>,
        ui: Option<Ui>,
    ) -> Arc<Self> {
        Arc::new(Self { doorman, identify, proxy, known: Mutex::default(), ui })
    }

    /// Opens a port in the place of `origin`. `keep_ns`: it is a stand-in for a registry itself, and told which.
    ///
    /// # Errors
    /// When it is no origin, or it cannot be listened.
    pub(super) fn open(self: &Arc<Self>, origin: &str, keep_ns: bool) -> Result<String, Failure> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        self.open_in(&mut known, origin, keep_ns)
    }

    fn open_in(self: &Arc<Self>, known: &mut Known, origin: &str, keep_ns: bool) -> Result<String, Failure> {
        let origin = plain(origin);
        if let Some(local) = known.by_origin.get(&origin) {
            return Ok(local.clone());
        }
        let (scheme, place) = origin.split_once("://").unwrap_or(("https", &origin));
        let tls = scheme == "https";
        let to = Authority::parse(place, Some(if tls { 443 } else { 80 })).map_err(Failure::new)?;
        let number = known.by_origin.len() + 1;
        let number = u8::try_from(number).ok().filter(|_| number <= MOST);
        let number = number.ok_or_else(|| Failure::new("more hosts than are followed"))?;
        let listen = SocketAddr::from((Ipv4Addr::new(127, 0, 0, number), 0));
        let cannot = |error: std::io::Error| Failure::new(format_args!("cannot listen on {}: {error}", listen.ip()));
        let socket = TcpListener::bind(listen).map_err(cannot)?;
        let local = format!("http://{}", socket.local_addr().map_err(cannot)?);
        known.by_origin.insert(origin.clone(), local.clone());
        let (ports, host, own) = (Arc::downgrade(self), place.to_owned(), local.clone());
        let new_edit = move || -> Box<dyn Edit> {
            let heads = Heads { ports: ports.clone(), host: host.clone(), local: own.clone(), keep_ns };
            Box::new(Conversation(Editing::new(heads)))
        };
        let listener = Listener {
            mode: Mode::Reverse { tls, to },
            name: LOCAL_PORT.into(),
            way: Way { proxy: self.proxy.clone(), inside: None },
            foreign: false,
            identify: Some(self.identify.clone()),
            scope: None,
            edit: Some(Arc::new(new_edit)),
        };
        self.doorman.add(listener, socket).map_err(cannot)?;
        Ok(local)
    }

    /// The local port for an origin that a registry named; opened now, if need be.
    fn follow(self: &Arc<Self>, origin: &str) -> Option<String> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // It names one of our own where a client's words come back to it.
        if known.by_origin.values().any(|local| local == origin) {
            return None;
        }
        self.open_in(&mut known, origin, false).ok()
    }

    /// Says once what was written anew.
    fn moved(&self, field: &'static str, from: &str, to: &str) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let what = (field, from.to_owned());
        if known.told.contains(&what) || known.told.len() > MOST {
            return;
        }
        known.told.push(what);
        if let Some(ui) = self.ui {
            ui.note(&format!(
                "{field} {from} is shown to the client as {to}, so that it stays in view (recorded as {from})"
            ));
        }
    }
}

/// An origin in its shortest form.
fn plain(origin: &str) -> String {
    let origin = origin.trim_end_matches('/').to_ascii_lowercase();
    let origin = if origin.contains("://") { origin } else { format!("https://{origin}") };
    let usual = if origin.starts_with("https://") { ":443" } else { ":80" };
    origin.strip_suffix(usual).unwrap_or(&origin).to_owned()
}

/// The heads of one connection.
struct Heads {
    ports: Weak<LocalPorts>,
    host: String,
    local: String,
    keep_ns: bool,
}

impl EditHeads for Heads {
    fn request(&mut self, head: &RequestHead) -> Option<Vec<u8>> {
        Some(request_for_registry(head, &self.host, &self.local, self.keep_ns))
    }

    fn response(&mut self, head: &ResponseHead) -> Option<Vec<u8>> {
        let ports = self.ports.upgrade()?;
        let (written, moved) = response_for_client(head, &mut |origin| ports.follow(origin))?;
        moved.iter().for_each(|it| ports.moved(it.field, &it.from, &it.to));
        Some(written)
    }
}

/// One connection's bytes.
struct Conversation(Editing<Heads>);

impl Edit for Conversation {
    fn from_client(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.0.from_client(bytes, out);
    }

    fn from_service(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.0.from_service(bytes, out);
    }

    fn client_ended(&mut self, out: &mut Vec<u8>) {
        self.0.client_ended(out);
    }

    fn service_ended(&mut self, out: &mut Vec<u8>) {
        self.0.service_ended(out);
    }
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn origins_have_one_form() {
        for (origin, expected) in [
            ("https://R.test:443/", "https://r.test"),
            ("r.test:5000", "https://r.test:5000"),
            ("http://r.test:80", "http://r.test"),
            ("http://r.test:443", "http://r.test:443"),
        ] {
            assert_eq!(plain(origin), expected);
        }
    }
}
