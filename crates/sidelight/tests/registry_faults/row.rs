//! A provoked failure. In: a cause, and how it comes about. Out: a [`Row`] of the table.

use std::sync::{Arc, Mutex};

use sidelight_testkit::registry::{Asked, Reply, serve};
use sidelight_testkit::talk::{Line, Service};

use crate::ground::Ground;

/// What a verb makes of it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sees {
    /// It names the cause; `explain` as the first.
    Names,
    /// `explain` lists it after others, and says what tells them apart; why it cannot be first.
    Among(&'static str),
    /// It cannot by nature; why.
    Not(&'static str),
}

/// The client that meets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    /// `skopeo copy` from the registry.
    Pull,
    /// `skopeo copy` to the registry.
    Push,
    /// `podman pull`.
    Podman,
    /// `docker pull`: dockerd does it.
    Docker,
    /// `ctr images pull`.
    Ctr,
}

impl Tool {
    /// As `check --as` names it.
    pub(crate) const fn client(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Ctr => "containerd",
            Self::Pull | Self::Push | Self::Podman => "podman",
        }
    }
}

/// A provoked failure.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) cause: &'static str,
    pub(crate) tool: Tool,
    /// `HOST:PORT/team/app:1`.
    pub(crate) image: String,
    /// Text for the file of logins.
    pub(crate) logins: String,
    /// The registry speaks plain HTTP, and the client is told so.
    pub(crate) plain: bool,
    /// The proxy that the client has to go through.
    pub(crate) proxy: Option<String>,
    pub(crate) timeline: Sees,
    pub(crate) check: Sees,
    pub(crate) explain: Sees,
    /// What answers, as long as the row is there.
    services: Mutex<Vec<Service<()>>>,
}

impl Row {
    /// The registry's host and port.
    pub(crate) fn host(&self) -> &str {
        self.image.split('/').next().unwrap_or_default()
    }

    pub(crate) fn is_named_by_all(&self) -> bool {
        [self.timeline, self.check, self.explain].iter().all(|it| matches!(it, Sees::Names))
    }

    /// A pull of `image`.
    pub(crate) fn of(name: &'static str, cause: &'static str, image: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            cause,
            tool: Tool::Pull,
            image: image.into(),
            logins: "{}".to_owned(),
            plain: false,
            proxy: None,
            timeline: Sees::Names,
            check: Sees::Names,
            explain: Sees::Names,
            services: Mutex::default(),
        }
    }

    /// A pull from a service whose bytes are all its own.
    pub(crate) fn talking(
        name: &'static str,
        cause: &'static str,
        talk: impl Fn(Line) + Send + Sync + 'static,
    ) -> Self {
        let service = Service::start(talk);
        let image = format!("registry.test:{}/team/app:1", service.address.port());
        Self::of(name, cause, image).beside(service)
    }

    /// A pull from a registry in sound TLS.
    pub(crate) fn answering(
        ground: &Ground,
        name: &'static str,
        cause: &'static str,
        answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::showing(name, cause, Arc::clone(&ground.tls), answer)
    }

    /// A pull from a registry in this TLS.
    pub(crate) fn showing(
        name: &'static str,
        cause: &'static str,
        tls: Arc<rustls::ServerConfig>,
        answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let service = serve(Some(tls), answer);
        let image = format!("registry.test:{}/team/app:1", service.address.port());
        Self::of(name, cause, image).beside(service)
    }

    /// With one more service that lives as long.
    pub(crate) fn beside(self, service: Service<()>) -> Self {
        self.services.lock().expect("no panic").push(service);
        self
    }

    /// Another tag or digest.
    pub(crate) fn asking(mut self, reference: &str) -> Self {
        self.image = format!("{}/team/app{reference}", self.host());
        self
    }

    /// With this file of logins.
    pub(crate) fn with_logins(mut self, logins: String) -> Self {
        self.logins = logins;
        self
    }

    /// Brings a login.
    pub(crate) fn with_login(mut self) -> Self {
        self.logins = format!(r#"{{"auths":{{"{}":{{"auth":"am9lOndyb25n"}}}}}}"#, self.host());
        self
    }

    pub(crate) fn by(mut self, tool: Tool) -> Self {
        self.tool = tool;
        self
    }

    /// The same met by another client, whose words may say more or less.
    pub(crate) fn again(mut self, tool: Tool, explain: Sees) -> Self {
        self.name = format!("{}, {}", self.name, tool.client());
        self.explain = explain;
        self.by(tool)
    }

    pub(crate) fn in_plain(mut self) -> Self {
        self.plain = true;
        self
    }

    pub(crate) fn through(mut self, proxy: &str) -> Self {
        self.proxy = Some(proxy.to_owned());
        self
    }

    /// The words alone cannot tell it from others.
    pub(crate) fn among(mut self, why: &'static str) -> Self {
        self.explain = Sees::Among(why);
        self
    }

    /// The words say nothing of it.
    pub(crate) fn unsaid(mut self, why: &'static str) -> Self {
        self.explain = Sees::Not(why);
        self
    }

    /// The recording has nothing of it.
    pub(crate) fn unrecorded(mut self, why: &'static str) -> Self {
        self.timeline = Sees::Not(why);
        self
    }

    /// A check that pulls does not come there.
    pub(crate) fn unchecked(mut self, why: &'static str) -> Self {
        self.check = Sees::Not(why);
        self
    }
}
