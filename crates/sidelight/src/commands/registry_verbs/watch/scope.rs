//! Which of the redirected connections are opened. In: the daemon's process, registries, what these answer. Out: those of the daemon to
//! the registries, and to the hosts that they name as realm or in a redirection; all others pass unseen.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use sidelight_engine::Scope;
use sidelight_host::redirect::Redirection;
use sidelight_model::flow::{Authority, Exchange, Process};
use sidelight_model::policy::Subject;
use sidelight_wire::registry::named_origins;

use crate::ui::Ui;

/// Hosts that are followed; a registry names a handful.
const MOST: usize = 256;

/// The connections of one daemon to some registries.
pub(super) struct DaemonScope {
    /// Its process; another one once it was started anew.
    pid: AtomicU32,
    name: String,
    named: Mutex<Vec<Authority>>,
    /// Where ports are redirected that the registries name; known once the listeners are open.
    redirection: Mutex<Option<Redirection>>,
    ui: Option<Ui>,
    /// Whether a process runs.
    is_there: fn(u32) -> bool,
}

impl DaemonScope {
    pub(super) fn new((pid, name): (u32, &str), registries: Vec<Authority>, ui: Option<Ui>) -> Self {
        Self {
            pid: AtomicU32::new(pid),
            name: name.to_owned(),
            named: Mutex::new(registries),
            redirection: Mutex::default(),
            ui,
            is_there: |pid| std::path::Path::new(&format!("/proc/{pid}")).exists(),
        }
    }

    /// Keeps the redirection, for as long as this lives.
    pub(super) fn keep(&self, redirection: Redirection) {
        *self.redirection.lock().unwrap_or_else(PoisonError::into_inner) = Some(redirection);
    }

    /// Ends the redirection.
    pub(super) fn release(&self) {
        drop(self.redirection.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Whether these hosts are followed.
    fn has(&self, host: &Authority) -> bool {
        self.named.lock().unwrap_or_else(PoisonError::into_inner).contains(host)
    }

    /// Follows a host from now on; whether it is new.
    fn add(&self, host: Authority) -> bool {
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        if named.contains(&host) || named.len() >= MOST {
            return false;
        }
        named.push(host);
        true
    }
}

impl Scope for DaemonScope {
    fn is_foreign(&self, program: Option<&Process>) -> Option<String> {
        let pid = self.pid.load(Ordering::Acquire);
        match program {
            Some(program) if program.pid == pid => None,
            Some(program) if program.name == self.name && !(self.is_there)(pid) => {
                self.pid.store(program.pid, Ordering::Release);
                None
            }
            Some(program) => Some(format!("of {}[{}], not of {}[{pid}]", program.name, program.pid, self.name)),
            None => Some(format!("not seen to be of {}[{pid}]", self.name)),
        }
    }

    fn is_outside(&self, subject: &Subject<'_>) -> Option<String> {
        let named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |host: &Authority| {
            host.port == subject.port
                && subject.names.iter().any(|name| host.host.to_string().eq_ignore_ascii_case(name))
        };
        (!named.iter().any(is_it)).then(|| "neither a watched registry nor a host that one named".to_owned())
    }

    fn heard(&self, from: &Authority, exchange: &Exchange) {
        let Some(response) = exchange.response.as_ref().filter(|_| self.has(from)) else { return };
        for origin in named_origins(response.status, &response.headers) {
            let (place, default) = match origin.split_once("://") {
                Some(("http", place)) => (place, 80),
                Some((_, place)) => (place, 443),
                None => continue,
            };
            let Ok(host) = Authority::parse(place, Some(default)) else { continue };
            let port = host.port;
            if !self.add(host) {
                continue;
            }
            let redirection = self.redirection.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(Err(error)) = redirection.as_ref().map(|it| it.add_port(port))
                && let Some(ui) = self.ui
            {
                ui.warning(&format!("{origin}, which {from} named, cannot be followed: port {port}: {error}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_daemon_and_only_the_registry() {
        let registry = Authority::parse("R.test:5000", None).unwrap();
        let scope = DaemonScope::new((7, "dockerd"), vec![registry], None);
        let of = |pid| Process { pid, name: "curl".into(), exe: None, container: None };
        assert_eq!(scope.is_foreign(Some(&of(7))), None);
        assert_eq!(scope.is_foreign(Some(&of(8))).as_deref(), Some("of curl[8], not of dockerd[7]"));
        assert!(scope.is_foreign(None).is_some());
        let again = Process { name: "dockerd".into(), ..of(9) };
        assert!(scope.is_foreign(Some(&again)).is_some(), "there may be two of them");
        let ended = DaemonScope { is_there: |_| false, ..scope };
        assert_eq!(ended.is_foreign(Some(&again)), None, "it was started anew");
        assert_eq!(ended.is_foreign(Some(&again)), None);
        let scope = ended;
        let outside = |name: &str, port| scope.is_outside(&Subject { names: &[name], address: None, port }).is_some();
        assert!(!outside("r.test", 5000) && outside("r.test", 443) && outside("auth.test", 443));
        assert!(scope.add(Authority::parse("auth.test", Some(443)).unwrap()));
        assert!(!outside("auth.test", 443));
    }
}
