//! Which requests belong together. In: [`Seen`] in the order of time. Out: [`Group`]s: who asked, which registry, which repository.
//!
//! What comes before a repository is named (a ping, a connection that failed) waits until a request of the same client to the same
//! registry tells what it was for.

use std::collections::{HashMap, HashSet};

use super::super::seen::{Asks, Caller, Credentials, Seen};
use super::fit::{Place, begins_anew};
use super::process;
use crate::time::Timestamp;

/// The requests of one pull, push or login.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    pub(super) caller: Caller,
    pub(super) host: String,
    pub(super) repository: Option<String>,
    pub(super) seen: Vec<Seen>,
    /// Digests that its manifests name, and their own.
    pub(super) named: HashSet<String>,
    /// Where its uploads go on.
    pub(super) uploads: HashSet<Place>,
}

/// Groups of one client, registry and repository that are looked at again: pulls of several tags may go on beside each other.
const MOST_OPEN: usize = 8;

/// What belongs to one login comes within these microseconds.
pub(super) const LOGIN_TIME: i64 = 30_000_000;

/// A client that did not get in tries another way within these microseconds.
const RETRY_TIME: i64 = 2_000_000;

/// Client, registry, repository.
type Key = (Caller, String, Option<String>);

#[derive(Default)]
struct Sorter {
    groups: Vec<Group>,
    open: HashMap<Key, Vec<usize>>,
    /// The latest login of a client to a registry.
    logins: HashMap<(Caller, String), usize>,
    /// Pings and failed connections that wait.
    waiting: HashMap<(Caller, String), Vec<Seen>>,
    /// Where the host of a registry is known from: challenges, by the place of their realm, newest last.
    realms: HashMap<(Option<std::net::IpAddr>, Place), Vec<String>>,
    /// Redirections, by where they led and from which client.
    redirects: HashMap<(Option<std::net::IpAddr>, Place), usize>,
    /// The latest group that led a client to another host: a token server's or a storage's.
    led: HashMap<(Option<std::net::IpAddr>, String), usize>,
    /// The registry that named a token server's host, and who was sent there last.
    token_hosts: HashMap<(Option<std::net::IpAddr>, String), (String, Caller)>,
    /// The latest group of a client at a registry.
    latest: HashMap<(Caller, String), usize>,
}

/// Sorts requests into groups, in the order of their beginnings.
pub(super) fn groups(mut seen: Vec<Seen>) -> Vec<Group> {
    process::fill(&mut seen);
    one_address(&mut seen);
    let mut seen = about_registries(seen);
    one_agent(&mut seen);
    // Now that connections have their agents.
    process::fill(&mut seen);
    let mut sorter = Sorter::default();
    for it in seen {
        sorter.place(it);
    }
    sorter.finish()
}

/// A program of this machine leaves it by several addresses where registry and token server lie on different routes: it is one all the same.
fn one_address(seen: &mut [Seen]) {
    let mut first: HashMap<(u32, String), Option<std::net::IpAddr>> = HashMap::new();
    for it in seen {
        if let Some(process) = &it.caller.process {
            it.caller.address = *first.entry(process.clone()).or_insert(it.caller.address);
        }
    }
}

/// Registries that are known by their names.
const KNOWN: &[&str] = &[
    "docker.io",
    "ghcr.io",
    "quay.io",
    "gcr.io",
    "pkg.dev",
    "azurecr.io",
    "mcr.microsoft.com",
    "registry.k8s.io",
    "public.ecr.aws",
];

/// Programs that talk to registries.
const PROGRAMS: &[&str] = &[
    "dockerd",
    "containerd",
    "podman",
    "skopeo",
    "buildah",
    "buildkitd",
    "crio",
    "crane",
    "nerdctl",
    "ctr",
    "oras",
    "helm",
];

/// Leaves out failed connections of which nothing tells that they were for a registry.
fn about_registries(seen: Vec<Seen>) -> Vec<Seen> {
    let mut hosts: HashSet<String> = HashSet::new();
    for it in seen.iter().filter(|it| it.asks != Asks::Connection) {
        hosts.insert(it.place.host.clone());
        hosts.extend(it.challenge.iter().filter_map(|it| Some(it.place.as_ref()?.host.clone())));
        hosts.extend(it.says.location.iter().map(|it| it.host.clone()));
    }
    let is_known = |host: &str| {
        let is_one = |known: &&str| host == *known || host.strip_suffix(*known).is_some_and(|rest| rest.ends_with('.'));
        KNOWN.iter().any(is_one) || host.contains(".dkr.ecr.") || host.starts_with("registry.")
    };
    let is_program = |it: &Seen| it.caller.process.as_ref().is_some_and(|(_, name)| PROGRAMS.contains(&name.as_str()));
    let is_about = |it: &Seen| {
        it.asks != Asks::Connection || hosts.contains(&it.place.host) || is_known(&it.place.host) || is_program(it)
    };
    seen.into_iter().filter(is_about).collect()
}

/// A connection without any request names no agent, and where a port is forwarded not the registry's own address: both are those of
/// what the same program asked next, else of what the client asks the same host.
fn one_agent(seen: &mut [Seen]) {
    let mut by_host: HashMap<(Option<std::net::IpAddr>, String), String> = HashMap::new();
    let mut hosts: HashSet<String> = HashSet::new();
    for it in seen.iter().filter(|it| !it.caller.agent.is_empty()) {
        // To token servers and storages a client goes because somebody sent it there.
        let sent = it.challenge.iter().filter_map(|it| it.place.as_ref()).chain(&it.says.location);
        for place in std::iter::once(&it.place).chain(sent) {
            by_host.entry((it.caller.address, place.host.clone())).or_insert_with(|| it.caller.agent.clone());
        }
        hosts.insert(it.place.host.clone());
    }
    let mut next: HashMap<u32, (Option<Timestamp>, String, String)> = HashMap::new();
    // Where the program is not known: what its address asked next, if it asked nothing of that host itself.
    let mut near: HashMap<Option<std::net::IpAddr>, (Option<Timestamp>, String, String)> = HashMap::new();
    for it in seen.iter_mut().rev() {
        let pid = it.caller.process.as_ref().map(|it| it.0);
        if it.asks != Asks::Connection {
            let asked = (it.start, it.caller.agent.clone(), it.place.host.clone());
            next.extend(pid.map(|pid| (pid, asked.clone())));
            near.insert(it.caller.address, asked);
            continue;
        }
        let by_address = || near.get(&it.caller.address).filter(|_| !hosts.contains(&it.place.host));
        let after = pid.map_or_else(by_address, |pid| next.get(&pid)).filter(|(start, ..)| {
            match (start, it.end.or(it.start)) {
                (Some(next), Some(end)) => next.0.saturating_sub(end.0) <= LOGIN_TIME,
                _ => false,
            }
        });
        if let Some((_, agent, host)) = after {
            it.caller.agent.clone_from(agent);
            if !hosts.contains(&it.place.host) {
                it.place.host.clone_from(host);
            }
        } else if let Some(agent) = by_host.get(&(it.caller.address, it.place.host.clone())) {
            it.caller.agent.clone_from(agent);
        }
    }
}

impl Sorter {
    /// A connection that failed: to a token server or a storage, it belongs to what led there.
    fn connection(&mut self, seen: Seen) {
        let there = (seen.caller.address, seen.place.host.clone());
        if let Some(at) = self.led.get(&there).copied().filter(|at| self.groups[*at].host != seen.place.host) {
            self.join(at, seen);
            return;
        }
        let Some((host, sent)) = self.token_hosts.get(&there).cloned() else {
            self.wait(seen);
            return;
        };
        // Its own process may not be known, or be taken for a neighbour's: then it is whoever was sent there last.
        for caller in [seen.caller.clone(), sent] {
            let waiting = self.waiting.get_mut(&(caller.clone(), host.clone()));
            if let Some(waiting) = waiting.filter(|it| it.last().is_some_and(Seen::is_challenged)) {
                waiting.push(seen);
                return;
            }
            if let Some(at) = self.challenged(&caller, &host) {
                self.join(at, seen);
                return;
            }
        }
        self.waiting.entry((seen.caller.clone(), host)).or_default().push(seen);
    }

    /// The latest group of a client at a registry, if the last that it was told there is where tokens are.
    fn challenged(&self, caller: &Caller, host: &str) -> Option<usize> {
        let at = self.latest.get(&(caller.clone(), host.to_owned())).copied()?;
        self.groups[at].seen.last().is_some_and(Seen::is_challenged).then_some(at)
    }

    fn place(&mut self, seen: Seen) {
        if let Some(challenge) = &seen.challenge
            && let Some(realm) = &challenge.place
        {
            let hosts = self.realms.entry((seen.caller.address, realm.site())).or_default();
            hosts.retain(|it| *it != seen.place.host);
            hosts.push(seen.place.host.clone());
            if realm.host != seen.place.host {
                let sent = (seen.place.host.clone(), seen.caller.clone());
                self.token_hosts.insert((seen.caller.address, realm.host.clone()), sent);
            }
        }
        match &seen.asks {
            Asks::Redirected => self.follow(seen),
            Asks::Connection => self.connection(seen),
            Asks::Ping if !matches!(seen.credentials, Credentials::None | Credentials::Unknown) => self.login(seen),
            Asks::Ping => self.wait(seen),
            Asks::Token { .. } => self.token(seen),
            Asks::Catalog => {
                let (caller, host) = (seen.caller.clone(), seen.place.host.clone());
                let waited = self.waited(&seen, &host, true);
                self.begin(caller, host, None, waited, seen);
            }
            _ => {
                let (host, repository) =
                    (seen.place.host.clone(), seen.asks.repository().unwrap_or_default().to_owned());
                self.repository(seen, host, repository);
            }
        }
    }

    /// A request about a repository joins a group, or begins one.
    fn repository(&mut self, seen: Seen, host: String, repository: String) {
        let key = (seen.caller.clone(), host.clone(), Some(repository.clone()));
        let open = self.open.get(&key).cloned().unwrap_or_default();
        let is_waiting = self.waiting.get(&(seen.caller.clone(), host.clone())).is_some_and(|it| !it.is_empty());
        // What a manifest names belongs to that manifest's group; other things to the latest.
        let named = open.iter().rev().copied().find(|at| self.groups[*at].names(&seen));
        let joined = named.or_else(|| open.last().copied());
        match joined {
            Some(at) if !begins_anew(&self.groups[at], &seen, is_waiting) => self.join(at, seen),
            _ => {
                let waited = self.waited(&seen, &host, false);
                self.begin(seen.caller.clone(), host, Some(repository), waited, seen);
            }
        }
    }

    fn token(&mut self, seen: Seen) {
        let hosts = self.realms.get(&(seen.caller.address, seen.place.site()));
        let service = match &seen.asks {
            Asks::Token { service, .. } => service.clone(),
            _ => String::new(),
        };
        let known = hosts.and_then(|hosts| hosts.iter().rev().find(|it| **it == service).or_else(|| hosts.last()));
        let host = known
            .cloned()
            .unwrap_or_else(|| if service.contains(['.', ':']) { service.clone() } else { seen.place.host.clone() });
        match seen.asks.repository().map(str::to_owned) {
            Some(repository) => self.repository(seen, host, repository),
            None => {
                // Whose challenge named a repository is known, although its content was not kept.
                let is_waiting =
                    self.waiting.get(&(seen.caller.clone(), host.clone())).is_some_and(|it| !it.is_empty());
                let challenged = self.challenged(&seen.caller, &host).filter(|_| !is_waiting);
                match challenged {
                    Some(at) => self.join(at, seen),
                    None => self.login_at(seen, host),
                }
            }
        }
    }

    fn login(&mut self, seen: Seen) {
        let host = seen.place.host.clone();
        self.login_at(seen, host);
    }

    fn login_at(&mut self, seen: Seen, host: String) {
        let key = (seen.caller.clone(), host.clone());
        let waited = self.waited(&seen, &host, true);
        let is_recent = |group: &Group| match (group.latest(), seen.start) {
            (Some(latest), Some(start)) => start.0.saturating_sub(latest.0) <= LOGIN_TIME,
            _ => true,
        };
        match self.logins.get(&key).copied() {
            Some(at) if waited.is_empty() && is_recent(&self.groups[at]) => self.join(at, seen),
            _ => {
                self.begin(seen.caller.clone(), host, None, waited, seen);
                self.logins.insert(key, self.groups.len() - 1);
            }
        }
    }

    fn wait(&mut self, seen: Seen) {
        self.waiting.entry((seen.caller.clone(), seen.place.host.clone())).or_default().push(seen);
    }

    /// What waited for this: the newest ping with what failed just before it, or everything. What waited for longer than a client
    /// takes to go on was given up.
    fn waited(&mut self, for_: &Seen, host: &str, all: bool) -> Vec<Seen> {
        let caller = &for_.caller;
        let Some(waiting) = self.waiting.get_mut(&(caller.clone(), host.to_owned())) else { return Vec::new() };
        let is_stale = |it: &Seen| match (it.end.or(it.start), for_.start) {
            (Some(ended), Some(start)) => start.0.saturating_sub(ended.0) > LOGIN_TIME,
            _ => false,
        };
        let stale = waiting.iter().take_while(|it| is_stale(it)).count();
        if stale > 0 {
            self.groups.push(alone(caller, host, waiting.drain(..stale).collect()));
        }
        let from = if all { 0 } else { attempt(waiting) };
        let taken = waiting.drain(from..).collect();
        // What failed before that was given up: nothing goes on with it. A ping that was answered may be another pull's.
        let is_old = |it: &Seen| match (it.end.or(it.start), for_.start) {
            (Some(ended), Some(start)) => start.0.saturating_sub(ended.0) > RETRY_TIME,
            _ => false,
        };
        let given_up: Vec<Seen> =
            waiting.extract_if(.., |it| !it.is_ok() && !it.is_challenged() && is_old(it)).collect();
        if !given_up.is_empty() {
            self.groups.push(alone(caller, host, given_up));
        }
        taken
    }

    /// Goes where a registry redirected to.
    fn follow(&mut self, seen: Seen) {
        match self.redirects.get(&(seen.caller.address, seen.place.site())).copied() {
            Some(at) => self.join(at, seen),
            None => {
                let (caller, host) = (seen.caller.clone(), seen.place.host.clone());
                self.begin(caller, host, None, Vec::new(), seen);
            }
        }
    }

    fn begin(&mut self, caller: Caller, host: String, repository: Option<String>, waited: Vec<Seen>, seen: Seen) {
        let at = self.groups.len();
        let open = self.open.entry((caller.clone(), host.clone(), repository.clone())).or_default();
        if open.len() == MOST_OPEN {
            open.remove(0);
        }
        open.push(at);
        self.groups.push(Group { caller, host, repository, seen: waited, ..Group::default() });
        self.join(at, seen);
    }

    fn join(&mut self, at: usize, seen: Seen) {
        if let Some(location) = &seen.says.location {
            if seen.is_redirect() {
                self.redirects.insert((seen.caller.address, location.site()), at);
                self.led.insert((seen.caller.address, location.host.clone()), at);
            }
            self.groups[at].uploads.insert(location.site());
        }
        if matches!(seen.asks, Asks::Manifest { .. }) {
            let parts = seen.manifest().into_iter();
            let parts = parts.flat_map(|it| it.config.iter().chain(&it.layers).chain(&it.manifests));
            let digests = parts.map(|it| it.digest.clone()).chain(seen.says.digest.clone());
            self.groups[at].named.extend(digests);
        }
        let group = &self.groups[at];
        self.latest.insert((group.caller.clone(), group.host.clone()), at);
        self.groups[at].seen.push(seen);
    }

    /// What still waits was all that a client asked: each connection or ping by itself, those close to each other together.
    fn finish(mut self) -> Vec<Group> {
        let waiting: Vec<_> = self.waiting.drain().collect();
        for ((caller, host), all) in waiting {
            let all = self.spare(&caller, &host, all);
            let mut rest: Vec<Seen> = Vec::new();
            for seen in all {
                let gap = rest.last().and_then(|it: &Seen| Some(seen.start?.0.saturating_sub(it.start?.0)));
                if gap.is_some_and(|gap| gap > LOGIN_TIME) {
                    self.groups.push(alone(&caller, &host, std::mem::take(&mut rest)));
                }
                rest.push(seen);
            }
            self.groups.push(alone(&caller, &host, rest));
        }
        for group in &mut self.groups {
            group.seen.sort_by_key(|it| it.start);
        }
        self.groups.retain(|it| !it.seen.is_empty());
        self.groups.sort_by_key(|it| (it.seen.iter().filter_map(|seen| seen.start).min(), it.first_flow()));
        self.groups
    }
}

impl Sorter {
    /// Connections that a client made beside those it used (Go does), and left without a request: they belong to what it did there at
    /// that time. Gives back what does not.
    fn spare(&mut self, caller: &Caller, host: &str, waiting: Vec<Seen>) -> Vec<Seen> {
        let Some(at) = self.latest.get(&(caller.clone(), host.to_owned())).copied() else { return waiting };
        let group = &mut self.groups[at];
        let (first, last) = (group.seen.iter().filter_map(|it| it.start).min(), group.latest());
        let is_beside = |it: &Seen| match (it.start, first, last) {
            (Some(start), Some(first), Some(last)) => start >= first && start.0.saturating_sub(last.0) <= RETRY_TIME,
            _ => false,
        };
        let (spare, rest) = waiting.into_iter().partition(|it| it.asks == Asks::Connection && is_beside(it));
        group.seen.extend::<Vec<Seen>>(spare);
        rest
    }
}

/// Where the newest attempt to get in begins: with the newest ping, and before it what failed shortly before, as clients try TLS
/// first and then go without.
fn attempt(waiting: &[Seen]) -> usize {
    let Some(mut from) = waiting.iter().rposition(|it| it.asks == Asks::Ping) else { return 0 };
    while let Some(before) = from.checked_sub(1).and_then(|at| waiting.get(at)) {
        let gap = before
            .end
            .or(before.start)
            .zip(waiting[from].start)
            .map_or(0, |(end, start)| start.0.saturating_sub(end.0));
        if before.is_ok() || before.is_challenged() || gap > RETRY_TIME {
            break;
        }
        from -= 1;
    }
    from
}

fn alone(caller: &Caller, host: &str, seen: Vec<Seen>) -> Group {
    Group { caller: caller.clone(), host: host.to_owned(), seen, ..Group::default() }
}

impl Group {
    /// When its last request ended or began.
    pub(super) fn latest(&self) -> Option<Timestamp> {
        self.recent().filter_map(|it| it.end.or(it.start)).max()
    }

    fn first_flow(&self) -> Option<u64> {
        self.seen.iter().filter_map(|it| it.flow).min()
    }
}
