//! `sidelight registry token serve`. In: connections in plain HTTP. Out: tokens, and a line about each request. Spec: RFC 9110, RFC 7617 (Basic);
//! GET with a query, and the POST form of OAuth2.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use sidelight_model::token::Who;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::bcrypt_users::Users;
use super::desk::{Asked, Desk, Reply, refuse};
use super::rules;
use super::signer::{self, Signer};
use crate::cli::{GlobalOptions, TokenServe, percent_decode};
use crate::commands::proxy::told_to_stop;
use crate::exit::{Exit, Failure};
use crate::render::escape;
use crate::ui::Ui;

/// Connections at a time; more wait.
const MOST_CONNECTIONS: usize = 128;

/// Passwords that are checked at a time.
const MOST_CHECKS: usize = 2;

/// Bytes of a form that are read.
const LARGEST_FORM: usize = 64 << 10;

/// A client gets so long for its request's head.
const PATIENCE: Duration = Duration::from_secs(15);

pub(super) fn run(options: &TokenServe, global: &GlobalOptions, ui: Ui) -> Result<Exit, Failure> {
    let desk = Arc::new(desk(options, ui)?);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("no threads: {error}")))?;
    let json = global.json;
    let listen = options.listen;
    runtime.block_on(async move {
        let listener = TcpListener::bind(listen).await;
        let listener = listener.map_err(|error| Failure::new(format!("--listen {listen}: {error}")).hint("--listen 127.0.0.1:0 takes any free port"))?;
        announce(listener.local_addr()?, &desk, json, ui)?;
        tokio::select! {
            told = told_to_stop() => told.map(|()| Exit::Done),
            never = accept(listener, Arc::new(Teller { desk, json, ui, checks: Semaphore::new(MOST_CHECKS) })) => match never {},
        }
    })
}

fn desk(options: &TokenServe, ui: Ui) -> Result<Desk, Failure> {
    let text = |path: &Path| -> Result<String, Failure> {
        let bytes = super::super::read(path)?;
        String::from_utf8(bytes).map_err(|_| Failure::new(format!("{}: it is no text", path.display())))
    };
    let at = |path: &Path, why: String| Failure::new(escape::line(&format!("{}: {why}", path.display())));
    let users = match &options.users {
        Some(path) => Some(Users::read(&text(path)?).map_err(|why| at(path, why))?),
        None => None,
    };
    let rules = match (&options.rules, &users) {
        (Some(path), _) => rules::read(&text(path)?).map_err(|why| at(path, why))?,
        (None, Some(_)) => rules::everything(&Who::Users),
        (None, None) => {
            ui.warning("there are neither users nor rules: everybody may everything; --users FILE and --rules FILE change that");
            rules::everything(&Who::Anybody)
        }
    };
    if !options.listen.ip().is_loopback() {
        ui.warning(&format!(
            "{} can be reached from outside this machine, and passwords go there unencrypted",
            options.listen
        ));
    }
    let signer = Signer::from_file(&options.key)?;
    let chain = options.cert.as_deref().map(signer::certificates).transpose()?.unwrap_or_default();
    if chain.is_empty() && sidelight_model::token::kid::of(options.registry, &signer.key).is_none() {
        let failure = Failure::usage(format!(
            "registry {} looks {} keys up by no ID",
            options.registry.title(),
            signer.key.kind()
        ));
        return Err(failure.hint("--cert FILE sends the certificate with each token"));
    }
    Ok(Desk {
        signer,
        chain,
        issuer: options.issuer.clone(),
        service: options.service.clone(),
        generation: options.registry,
        lifetime: i64::try_from(options.lifetime.0.as_secs()).unwrap_or(i64::MAX),
        users,
        rules,
        refresh_tokens: Mutex::new(VecDeque::new()),
    })
}

fn announce(address: SocketAddr, desk: &Desk, json: bool, ui: Ui) -> Result<(), Failure> {
    let realm = format!("http://{address}/token");
    if json {
        let line =
            json!({"v": 1, "type": "token-serve", "realm": realm, "issuer": desk.issuer, "service": desk.service});
        return super::super::show(format!("{line}\n").as_bytes());
    }
    let users = desk.users.as_ref().map_or(0, Users::len);
    ui.note(&format!(
        "serving tokens at {realm} for {users} user(s); Ctrl-C ends it. In the registry's configuration:"
    ));
    ui.note(&format!(
        "  auth:\n    token:\n      realm: {realm}\n      service: {}\n      issuer: {}\n      rootcertbundle: the signer's certificate in PEM",
        desk.service, desk.issuer
    ));
    Ok(())
}

/// What each connection needs.
struct Teller {
    desk: Arc<Desk>,
    json: bool,
    ui: Ui,
    checks: Semaphore,
}

async fn accept(listener: TcpListener, teller: Arc<Teller>) -> Infallible {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let place = Arc::clone(&places).acquire_owned().await;
        let Ok((socket, _)) = listener.accept().await else {
            // Too many open files, and the like: it passes.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let teller = Arc::clone(&teller);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let teller = Arc::clone(&teller);
                async move { Ok::<_, Infallible>(teller.answer(request).await) }
            });
            let mut server = hyper::server::conn::http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
            // A client that goes away in the middle is nothing to tell.
            let _ = server.serve_connection(TokioIo::new(socket), service).await;
            drop(place);
        });
    }
}

impl Teller {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let method = request.method().to_string();
        let (reply, scopes) = match asked(request).await {
            Ok(asked) => {
                let scopes = asked.scopes.join(" ");
                (Arc::clone(&self).decide(asked).await, scopes)
            }
            Err(reply) => (reply, String::new()),
        };
        self.tell(&method, &reply, &scopes);
        response(&reply)
    }

    async fn decide(self: Arc<Self>, asked: Asked) -> Reply {
        let Ok(_turn) = self.checks.acquire().await else { return refuse(503, "UNAVAILABLE", "it ends".to_owned()) };
        let desk = Arc::clone(&self.desk);
        let decided = tokio::task::spawn_blocking(move || desk.answer(&asked, SystemTime::now().into())).await;
        decided.unwrap_or_else(|_| refuse(500, "UNKNOWN", "the answer could not be made".to_owned()))
    }

    /// A line about a request: who, what was asked for, what was granted.
    fn tell(&self, method: &str, reply: &Reply, scopes: &str) {
        let granted: Vec<String> = reply.granted.iter().map(|it| it.access.to_string()).collect();
        let refused: Vec<String> = reply
            .granted
            .iter()
            .flat_map(|it| it.refused.iter().map(move |action| format!("{}:{action}", it.access.name)))
            .collect();
        if self.json {
            let line = json!({
                "v": 1, "type": "token-grant", "status": reply.status, "user": reply.user, "scope": scopes,
                "granted": granted, "refused": refused, "problem": reply.problem,
            });
            let _ = super::super::show(format!("{line}\n").as_bytes());
            return;
        }
        let user = reply.user.as_deref().unwrap_or("nobody");
        let words = match &reply.problem {
            Some(why) => why.clone(),
            None if granted.is_empty() => "a login, nothing asked for".to_owned(),
            None if refused.is_empty() => format!("granted {}", granted.join(" ")),
            None => format!("granted {}, not {}", granted.join(" "), refused.join(" ")),
        };
        self.ui.note(&escape::line(&format!("{} {method} {user}: {words}", reply.status)));
    }
}

fn response(reply: &Reply) -> Response<Full<Bytes>> {
    let mut builder = Response::builder().status(reply.status).header(header::CONTENT_TYPE, "application/json");
    builder = builder.header(header::CACHE_CONTROL, "no-store");
    if reply.status == 401 {
        builder = builder.header(header::WWW_AUTHENTICATE, "Basic realm=\"tokens\"");
    }
    let body = Full::new(Bytes::from(reply.body.to_string()));
    builder.body(body).unwrap_or_else(|_| Response::new(Full::new(Bytes::new())))
}

/// What a request asks for; or the refusal.
async fn asked(request: Request<Incoming>) -> Result<Asked, Reply> {
    let path = request.uri().path();
    if !matches!(path, "/token" | "/token/" | "/auth" | "/auth/token") {
        return Err(refuse(404, "UNSUPPORTED", format!("{path} is not served; tokens are at /token")));
    }
    let login = request.headers().get(header::AUTHORIZATION).and_then(|value| basic(value.to_str().ok()?));
    match *request.method() {
        Method::GET => Ok(from_fields(&form(request.uri().query().unwrap_or_default()), login)),
        Method::POST => {
            let body = Limited::new(request.into_body(), LARGEST_FORM).collect().await;
            let body = body.map_err(|_| refuse(413, "SIZE_INVALID", "the form is too large, or cut off".to_owned()))?;
            let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
            let fields = form(&text);
            let grant = fields.iter().find(|(name, _)| name == "grant_type").map(|(_, value)| value.as_str());
            match grant {
                Some("password" | "refresh_token") => Ok(from_fields(&fields, login)),
                _ => Err(refuse(400, "UNSUPPORTED", "grant_type must be password or refresh_token".to_owned())),
            }
        }
        _ => Err(refuse(405, "UNSUPPORTED", "GET and POST are served".to_owned())),
    }
}

fn from_fields(fields: &[(String, String)], login: Option<(String, String)>) -> Asked {
    let one = |wanted: &str| fields.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
    let form_login = one("username").zip(one("password"));
    Asked {
        service: one("service").filter(|service| !service.is_empty()),
        scopes: fields.iter().filter(|(name, _)| name == "scope").map(|(_, value)| value.clone()).collect(),
        login: form_login.or(login),
        refresh_token: one("refresh_token"),
        offline: one("offline_token").is_some_and(|it| it == "true")
            || one("access_type").is_some_and(|it| it == "offline"),
    }
}

/// Fields of a query or form.
fn form(text: &str) -> Vec<(String, String)> {
    let decode = |part: &str| percent_decode(&part.replace('+', " "));
    let field = |part: &str| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        Some((decode(name)?, decode(value)?))
    };
    text.split('&').take(256).filter_map(field).collect()
}

/// Name and password of a Basic `Authorization`.
fn basic(value: &str) -> Option<(String, String)> {
    let (scheme, rest) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let bytes = data_encoding::BASE64.decode(rest.trim().as_bytes()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    text.split_once(':').map(|(name, password)| (name.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read() {
        let fields = form(
            "service=reg&scope=repository%3Aa%3Apull&scope=repository:b:pull+registry:catalog:*&offline_token=true",
        );
        let asked = from_fields(&fields, basic("Basic am9lOmh1bnRlcjI="));
        assert_eq!(asked.scopes, ["repository:a:pull", "repository:b:pull registry:catalog:*"]);
        assert_eq!(asked.login, Some(("joe".to_owned(), "hunter2".to_owned())));
        assert!(asked.offline);
        let posted = from_fields(&form("grant_type=password&username=kim&password=a%26b&access_type=offline"), None);
        assert_eq!(posted.login, Some(("kim".to_owned(), "a&b".to_owned())));
        assert!(basic("Bearer x").is_none() && basic("Basic !").is_none());
    }
}
