//! Who asks. In: a request and what it needs to do. Out: its answer, after the registry's challenge was met with a login or a token.
//! Spec: distribution's token authentication (GET with Basic, POST with OAuth 2), RFC 9110 §11.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use hyper::Method;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use sidelight_model::redact::Secret;
use sidelight_wire::registry::{Challenge, Login, Token, parse_challenges, parse_errors, parse_token};

use super::event::{Event, Party, Proof};
use super::http::{Answer, Ask};
use super::url::encode;
use super::{Client, FoundLogins, RegistryError, Url, body::SentBody};

/// The most bytes of a token server's answer; tokens with many certificates in them have some 20,000.
const LARGEST_TOKEN: usize = 1 << 20;

/// A token is thrown away so long before its end.
const MARGIN: Duration = Duration::from_secs(10);

/// What says who asks, once it is known.
#[derive(Clone)]
pub(super) struct Known {
    proof: Proof,
    value: Secret<String>,
    until: Option<Instant>,
    with_login: bool,
}

/// How a request is made anew after a challenge; its body must be there a second time.
pub(super) type Make<'m> = &'m (dyn Fn() -> Result<Ask, RegistryError> + Send + Sync);

impl Client {
    /// Sends a request that needs `scope`, meets a challenge once, and gives the answer, whatever its status is then.
    /// The second value says whether a login went into it.
    pub(super) async fn authorised(&self, scope: &str, make: Make<'_>) -> Result<(Answer, bool), RegistryError> {
        let known = self.known(scope);
        let fresh = known.is_none();
        let answer = self.exchange(prove(make()?, known.as_ref())).await?;
        if answer.status != 401 {
            return Ok((answer, known.is_some_and(|known| known.with_login)));
        }
        let challenges: Vec<Challenge> = answer
            .fields
            .get_all("www-authenticate")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(parse_challenges)
            .collect();
        let (status_url, with_login) = (answer.url.clone(), known.as_ref().is_some_and(|known| known.with_login));
        self.tell(|| Event::Challenged { challenges: challenges.clone() });
        // What was just refused is not offered again, unless it is a token that may have grown too old.
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(scope);
        if !fresh && known.is_some_and(|known| known.proof == Proof::Basic) {
            return Ok((answer, with_login));
        }
        let errors = answer.beginning(self, super::LARGEST_ERROR).await;
        let Some(known) = self.meet(scope, &challenges).await? else {
            let schemes: Vec<_> = challenges.iter().map(|challenge| challenge.scheme.as_str()).collect();
            if challenges.iter().any(|challenge| matches!(challenge.scheme.as_str(), "basic" | "bearer"))
                || schemes.is_empty()
            {
                let errors = parse_errors(&errors);
                return Err(RegistryError::Denied { url: status_url, status: 401, with_login: false, errors });
            }
            return Err(RegistryError::NoScheme { url: status_url, schemes: schemes.join(", ") });
        };
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(scope.to_owned(), known.clone());
        let answer = self.exchange(prove(make()?, Some(&known))).await?;
        if answer.status == 401 {
            self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(scope);
        }
        Ok((answer, known.with_login))
    }

    fn known(&self, scope: &str) -> Option<Known> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(scope).filter(|known| known.until.is_none_or(|until| until > Instant::now())).cloned()
    }

    /// Finds what meets one of the challenges; `None` when nothing does.
    async fn meet(&self, scope: &str, challenges: &[Challenge]) -> Result<Option<Known>, RegistryError> {
        let scheme = |name: &str| challenges.iter().find(|challenge| challenge.scheme == name);
        let logins = self.logins().await;
        if let Some(bearer) = scheme("bearer") {
            return self.token(scope, bearer, logins).await.map(Some);
        }
        if scheme("basic").is_none() {
            return Ok(None);
        }
        let login = logins.iter().find_map(|login| match login {
            Login::Password { user, password } => Some(basic(user, password)),
            _ => None,
        });
        Ok(login.map(|value| Known { proof: Proof::Basic, value, until: None, with_login: true }))
    }

    /// The logins for the repository, looked for once.
    async fn logins(&self) -> &[Login] {
        let found = self.logins.get_or_init(|| async {
            let Some(find) = self.options.logins.clone() else { return FoundLogins::default() };
            let (registry, repository) = (self.registry.clone(), self.repository.clone());
            // A helper is another program, which may take its time.
            let found = tokio::task::spawn_blocking(move || find(&registry, &repository)).await;
            found.unwrap_or_else(|error| FoundLogins { logins: Vec::new(), problems: vec![error.to_string()] })
        });
        &found.await.logins
    }

    async fn token(&self, scope: &str, bearer: &Challenge, logins: &[Login]) -> Result<Known, RegistryError> {
        if let Some(Login::Registry(token)) = logins.first() {
            let value = Secret::new(format!("Bearer {}", token.reveal()));
            return Ok(Known { proof: Proof::Bearer, value, until: None, with_login: true });
        }
        let realm = self.realm(bearer)?;
        let service = bearer.param("service").unwrap_or_default();
        // What was asked of the registry is asked of the token server; it grants what both allow.
        let scope = match (bearer.param("scope").filter(|scope| !scope.is_empty()), scope) {
            (Some(challenged), "") => challenged.to_owned(),
            (Some(challenged), wanted) if covers(wanted, challenged) => wanted.to_owned(),
            (Some(challenged), wanted) => format!("{challenged} {wanted}"),
            (None, wanted) => wanted.to_owned(),
        };
        let (token, with_login) = match logins.first() {
            None | Some(Login::Registry(_)) => (self.get_token(&realm, service, &scope, None).await?, false),
            Some(Login::Password { user, password }) => {
                (self.get_token(&realm, service, &scope, Some((user, password))).await?, true)
            }
            Some(Login::Identity(token)) => (self.post_token(&realm, service, &scope, token).await?, true),
        };
        self.tell(|| Event::Granted {
            scope: scope.clone(),
            expires_in: token.expires_in,
            token: Box::new(sidelight_wire::jwt::read(token.token.reveal())),
        });
        let life = Duration::from_secs(token.expires_in.min(86_400)).saturating_sub(MARGIN);
        let value = Secret::new(format!("Bearer {}", token.token.reveal()));
        Ok(Known { proof: Proof::Bearer, value, until: Some(Instant::now() + life), with_login })
    }

    /// The token server, which must be asked in TLS unless it is on this machine: a login goes there, be the registry itself a tunnel's
    /// end on loopback, where plain HTTP is spoken.
    fn realm(&self, bearer: &Challenge) -> Result<Url, RegistryError> {
        let realm = bearer.param("realm").unwrap_or_default();
        let refused = |why: String| RegistryError::Realm { realm: realm.chars().take(200).collect(), why };
        let url = Url::parse(realm).map_err(refused)?;
        if !url.tls && !url.is_loopback() && !self.options.insecure && !self.options.follow_plain {
            return Err(refused("it would be asked without TLS, and a login goes there".to_owned()));
        }
        Ok(url)
    }

    async fn get_token(
        &self,
        realm: &Url,
        service: &str,
        scope: &str,
        login: Option<(&String, &Secret<String>)>,
    ) -> Result<Token, RegistryError> {
        let mut url = realm.clone();
        if !service.is_empty() {
            url = url.with_param("service", service);
        }
        for scope in scope.split(' ').filter(|scope| !scope.is_empty()) {
            url = url.with_param("scope", scope);
        }
        let mut ask = Ask::new(Party::TokenServer, Method::GET, url.clone()).with(ACCEPT, "application/json");
        if let Some((user, password)) = login {
            ask.url = url.with_param("account", user);
            ask = ask.proved(Proof::Basic, header(&basic(user, password)));
        }
        let answer = self.exchange(ask).await?;
        self.read_token(realm, answer, login.map(|(user, _)| user.as_str())).await
    }

    async fn post_token(
        &self,
        realm: &Url,
        service: &str,
        scope: &str,
        refresh: &Secret<String>,
    ) -> Result<Token, RegistryError> {
        let form = format!(
            "grant_type=refresh_token&service={}&client_id=sidelight&scope={}&refresh_token={}",
            encode(service),
            encode(scope),
            encode(refresh.reveal())
        );
        let mut ask = Ask::new(Party::TokenServer, Method::POST, realm.clone())
            .with(ACCEPT, "application/json")
            .with(CONTENT_TYPE, "application/x-www-form-urlencoded");
        ask.proof = Proof::Refresh;
        ask.body = SentBody::Whole(Some(form.into()));
        let answer = self.exchange(ask).await?;
        self.read_token(realm, answer, Some("<token>")).await
    }

    async fn read_token(&self, realm: &Url, answer: Answer, user: Option<&str>) -> Result<Token, RegistryError> {
        let status = answer.status;
        let failed =
            |why: String| RegistryError::Token { realm: realm.clone(), status, why, user: user.map(str::to_owned) };
        if status == 429 {
            return Err(self.failure(answer, false).await);
        }
        if status != 200 {
            // Redirects are not followed: a login would go where the registry did not name.
            let to = answer
                .field("location")
                .map(|to| format!("it leads to `{}`", to.split('?').next().unwrap_or_default()));
            let body = answer.beginning(self, super::LARGEST_ERROR).await;
            let said = parse_errors(&body)
                .into_iter()
                .next()
                .map(|error| format!("{} {}", error.code, error.message).trim().to_owned());
            return Err(failed(to.or(said).unwrap_or_default()));
        }
        let body = answer.whole(self, LARGEST_TOKEN).await?;
        parse_token(&body).map_err(failed)
    }
}

/// Whether `wanted` holds everything that was challenged for.
fn covers(wanted: &str, challenged: &str) -> bool {
    let parts = |scope: &str| -> Vec<(String, Vec<String>)> {
        let split = |part: &str| {
            let (what, actions) = part.rsplit_once(':').unwrap_or((part, ""));
            (what.to_owned(), actions.split(',').map(str::to_owned).collect())
        };
        scope.split(' ').filter(|part| !part.is_empty()).map(split).collect()
    };
    let wanted = parts(wanted);
    parts(challenged).iter().all(|(what, actions)| {
        wanted.iter().any(|(known, have)| known == what && actions.iter().all(|action| have.contains(action)))
    })
}

fn basic(user: &str, password: &Secret<String>) -> Secret<String> {
    let pair = format!("{user}:{}", password.reveal());
    Secret::new(format!("Basic {}", data_encoding::BASE64.encode(pair.as_bytes())))
}

/// Tokens were checked when they were read, and base64 holds nothing that a field cannot.
fn header(value: &Secret<String>) -> HeaderValue {
    HeaderValue::from_str(value.reveal()).unwrap_or(HeaderValue::from_static(""))
}

fn prove(ask: Ask, known: Option<&Known>) -> Ask {
    match known {
        Some(known) => ask.proved(known.proof, header(&known.value)),
        None => ask,
    }
}

#[cfg(test)]
mod tests {
    use super::covers;

    #[test]
    fn a_wider_scope_covers_the_challenged_one() {
        assert!(covers("repository:a/b:pull,push", "repository:a/b:pull"));
        assert!(covers("repository:a/b:pull,push repository:c:pull", "repository:c:pull"));
        assert!(!covers("repository:a/b:pull", "repository:a/b:push,pull"));
        assert!(!covers("repository:a/b:pull", "repository:docker-local/a/b:pull"), "Artifactory names its own");
        assert!(covers("repository:h:5000/a:pull", "repository:h:5000/a:pull"));
    }
}
