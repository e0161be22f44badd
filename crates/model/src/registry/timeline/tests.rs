//! Conversations written down by hand, and any at all. In: requests. Out: blocks, steps, causes.

use proptest::prelude::*;

use super::super::seen::{
    Asks, Caller, Challenge, Claims, Content, Credentials, Descriptor, Digest, Manifest, Place, Seen, Token,
};
use super::{Block, Outcome, State, build};
use crate::finding::{Cause, Finding};
use crate::time::Timestamp;
use crate::token::Scope;

/// A request of `agent` in the millisecond `at`.
fn asked(at: i64, agent: &str, method: &str, asks: Asks, status: u16) -> Seen {
    let caller = Caller { agent: agent.to_owned(), address: Some([10, 0, 0, 7].into()), process: None };
    let place = Place { scheme: "https".to_owned(), host: "r.test".to_owned(), path: format!("/v2/{at}") };
    let start = Some(Timestamp(at * 1000));
    let end = Some(Timestamp(at * 1000 + 900));
    Seen {
        caller,
        place,
        method: method.to_owned(),
        asks,
        status: Some(status),
        start,
        answered: end,
        end,
        ..Seen::default()
    }
}

fn manifest(reference: &str) -> Asks {
    Asks::Manifest { repository: "a/b".to_owned(), reference: reference.to_owned() }
}

fn blob(digest: &str) -> Asks {
    Asks::Blob { repository: "a/b".to_owned(), digest: digest.to_owned() }
}

fn challenged(mut seen: Seen) -> Seen {
    let place = Place { scheme: "https".to_owned(), host: "t.test".to_owned(), path: "/token".to_owned() };
    let realm = place.to_string();
    seen.challenge = Some(Challenge {
        scheme: "bearer".to_owned(),
        realm,
        place: Some(place),
        service: "r".to_owned(),
        ..Challenge::default()
    });
    seen
}

fn token(at: i64, agent: &str, repository: &str) -> Seen {
    let scopes: Vec<Scope> = format!("repository:{repository}:pull").parse().into_iter().collect();
    let mut seen = asked(at, agent, "GET", Asks::Token { service: "r".to_owned(), scopes, account: None }, 200);
    seen.place = Place { scheme: "https".to_owned(), host: "t.test".to_owned(), path: "/token".to_owned() };
    seen.content = Content::Grant { token: Box::default(), expires_in: 300, refresh: false };
    seen
}

fn bearer(mut seen: Seen, claims: Claims) -> Seen {
    seen.credentials = Credentials::Bearer(Box::new(Token { claims: Some(claims), ..Token::default() }));
    seen
}

fn with_image(mut seen: Seen) -> Seen {
    let part = |digest: &str| Descriptor { digest: digest.to_owned(), size: 10, platform: None };
    let layers = vec![part("sha256:1"), part("sha256:2")];
    seen.content = Content::Manifest(Manifest { config: Some(part("sha256:c")), layers, ..Manifest::default() });
    seen
}

fn shown(block: &Block) -> String {
    let steps: Vec<String> = block.steps.iter().map(|it| format!("{} {}", it.what.name(), it.state.name())).collect();
    format!("{} {} {}: {}", block.program.name, block.action.name(), block.verdict.cause.code(), steps.join(", "))
}

/// A pull by docker: ping, token, manifest, blobs beside each other.
fn pull(at: i64, agent: &str) -> Vec<Seen> {
    let shows = |seen| bearer(seen, Claims::default());
    vec![
        challenged(asked(at, agent, "GET", Asks::Ping, 401)),
        token(at + 1, agent, "a/b"),
        shows(asked(at + 2, agent, "HEAD", manifest("1"), 200)),
        with_image(shows(asked(at + 3, agent, "GET", manifest("sha256:m"), 200))),
        shows(asked(at + 4, agent, "GET", blob("sha256:c"), 200)),
        shows(asked(at + 4, agent, "GET", blob("sha256:2"), 200)),
        shows(asked(at + 5, agent, "GET", blob("sha256:1"), 200)),
    ]
}

const WHOLE: &str = "ping challenged, token done, manifest done, manifest done, config done, layer done, layer done";

#[test]
fn a_pull_is_a_block() {
    let blocks = build(pull(0, "docker/20.10"));
    assert_eq!(blocks.iter().map(shown).collect::<Vec<_>>(), [format!("docker pull ok: {WHOLE}")]);
    assert_eq!(blocks[0].image(), "r.test/a/b:1");
    assert!(blocks[0].not_fetched().is_empty());
}

#[test]
fn clients_do_not_mix_and_a_second_pull_is_another_block() {
    let mut seen = pull(0, "docker/20.10");
    seen.extend(pull(2, "podman/4"));
    seen.extend(pull(3_000, "docker/20.10"));
    let blocks: Vec<String> = build(seen).iter().map(shown).collect();
    let one = |name: &str| format!("{name} pull ok: {WHOLE}");
    assert_eq!(blocks, [one("docker"), one("podman"), one("docker")]);
}

#[test]
fn pulls_of_two_tags_beside_each_other_keep_their_blobs() {
    let agent = "containerd/1.6";
    let image = |seen: Seen, layer: &str| {
        let layers = vec![Descriptor { digest: layer.to_owned(), size: 1, platform: None }];
        Seen { content: Content::Manifest(Manifest { layers, ..Manifest::default() }), ..seen }
    };
    let seen = vec![
        image(asked(0, agent, "GET", manifest("1"), 200), "sha256:one"),
        image(asked(1, agent, "GET", manifest("2"), 200), "sha256:two"),
        asked(2, agent, "GET", blob("sha256:one"), 200),
        asked(3, agent, "GET", blob("sha256:two"), 200),
    ];
    let blocks = build(seen);
    let read: Vec<_> = blocks.iter().map(|it| (it.image(), it.steps[1].what.reference().unwrap().to_owned())).collect();
    let expected = [("r.test/a/b:1", "sha256:one"), ("r.test/a/b:2", "sha256:two")];
    assert_eq!(read, expected.map(|(image, blob)| (image.to_owned(), blob.to_owned())));
}

#[test]
fn a_ping_that_failed_long_before_is_no_part_of_a_pull() {
    let mut seen = vec![asked(0, "docker/20.10", "GET", Asks::Ping, 502)];
    seen.extend(pull(15_000, "docker/20.10"));
    let blocks: Vec<String> = build(seen.clone()).iter().map(shown).collect();
    assert_eq!(blocks, ["docker login registry_failed: ping failed".to_owned(), format!("docker pull ok: {WHOLE}")]);
    // Just before, it is: a client that tries without TLS what failed with it.
    seen[0].start = Some(Timestamp(14_990_000));
    seen[0].end = seen[0].start;
    assert_eq!(shown(&build(seen)[0]), format!("docker pull ok: ping failed, {WHOLE}"));
}

#[test]
fn a_connection_that_was_left_beside_a_whole_pull_is_no_failure() {
    let agent = "containerd/1.6";
    let spare = |at| Seen {
        status: None,
        cut: Some("no request came".to_owned()),
        ..asked(at, agent, "", Asks::Connection, 0)
    };
    let with = |mut seen: Vec<Seen>, spare: Seen| {
        seen.push(spare);
        build(seen).iter().map(shown).collect::<Vec<_>>()
    };
    assert_eq!(with(pull(0, agent), spare(4)).len(), 1);
    assert!(
        with(pull(0, agent), spare(4))[0].starts_with("containerd pull ok: "),
        "{:?}",
        with(pull(0, agent), spare(4))
    );
    // Where a part is missing, it may be the reason.
    let mut cut_short = pull(0, agent);
    cut_short.pop();
    let told = with(cut_short, spare(6));
    assert!(told.len() == 1 && !told[0].starts_with("containerd pull ok: "), "{told:?}");
}

#[test]
fn a_token_server_that_is_down_belongs_to_whom_was_sent_there() {
    let agent = "skopeo/1.9";
    let process = |pid: Option<u32>, seen: Seen| {
        let process = pid.map(|pid| (pid, "skopeo".to_owned()));
        Seen { caller: Caller { process, ..seen.caller.clone() }, ..seen }
    };
    let down = |pid| {
        let mut seen = Seen {
            status: None,
            finding: Some(Box::new(Finding::new(
                Cause::ConnectionRefused,
                "t.test refuses",
                "error",
                "t.test",
                "refused",
            ))),
            ..asked(2, agent, "", Asks::Connection, 0)
        };
        seen.place.host = "t.test".to_owned();
        process(pid, seen)
    };
    // Of the connection's own process, of none that was found, or of a neighbour's.
    for pid in [Some(7), None, Some(8)] {
        let seen = vec![process(Some(7), challenged(asked(0, agent, "GET", Asks::Ping, 401))), down(pid)];
        let blocks: Vec<String> = build(seen).iter().map(shown).collect();
        assert_eq!(blocks, ["skopeo login connection_refused: ping challenged, connect failed"], "{pid:?}");
    }
}

#[test]
fn a_login_is_a_block_of_its_own() {
    let agent = "docker/20.10";
    let seen = vec![
        challenged(asked(0, agent, "GET", Asks::Ping, 401)),
        Seen { credentials: Credentials::Login, ..token(1, agent, "") },
        bearer(asked(2, agent, "GET", Asks::Ping, 200), Claims::default()),
    ];
    let all: Vec<Seen> = seen.into_iter().chain(pull(50, agent)).collect();
    let blocks: Vec<String> = build(all).iter().map(shown).collect();
    assert_eq!(
        blocks,
        ["docker login ok: ping challenged, token done, ping done".to_owned(), format!("docker pull ok: {WHOLE}")]
    );
}

#[test]
fn a_push_with_chunks_is_one_step_a_blob() {
    let agent = "docker/20.10";
    let at = |path: &str| Place { scheme: "https".to_owned(), host: "r.test".to_owned(), path: path.to_owned() };
    let repository = || "a/b".to_owned();
    let leads = |mut seen: Seen, path: &str, to: &str| {
        seen.place = at(path);
        seen.says.location = Some(at(to));
        seen
    };
    let start = Asks::UploadStart { repository: repository(), digest: None, from: None };
    let chunk = || Asks::UploadChunk { repository: repository() };
    let end = Asks::UploadEnd { repository: repository(), digest: "sha256:1".to_owned() };
    let mount =
        Asks::UploadStart { repository: repository(), digest: Some("sha256:2".to_owned()), from: Some("x".to_owned()) };
    let seen = vec![
        asked(0, agent, "HEAD", blob("sha256:1"), 404),
        leads(asked(1, agent, "POST", start, 202), "/uploads/", "/u/1"),
        leads(asked(2, agent, "PATCH", chunk(), 202), "/u/1", "/u/2"),
        leads(asked(3, agent, "PATCH", chunk(), 202), "/u/2", "/u/3"),
        Seen { place: at("/u/3"), ..asked(4, agent, "PUT", end, 201) },
        asked(5, agent, "HEAD", blob("sha256:1"), 200),
        asked(6, agent, "POST", mount, 201),
        asked(7, agent, "PUT", manifest("1"), 201),
    ];
    let blocks = build(seen);
    assert_eq!(shown(&blocks[0]), "docker push ok: upload done, mount done, put_manifest done");
    assert_eq!(blocks[0].steps[0].seen.len(), 6);
    assert_eq!(blocks[0].verdict.summary, "1 manifest written; 1 blob uploaded, 1 blob mounted");
}

#[test]
fn uploads_beside_each_other_have_their_own_ends() {
    let agent = "skopeo/1";
    let at = |path: &str| Place { scheme: "https".to_owned(), host: "r.test".to_owned(), path: path.to_owned() };
    let start = |time, to: &str| {
        let asks = Asks::UploadStart { repository: "a/b".to_owned(), digest: None, from: None };
        let mut seen = asked(time, agent, "POST", asks, 202);
        seen.says.location = Some(at(to));
        seen
    };
    let end = |time, path: &str, digest: &str| {
        let asks = Asks::UploadEnd { repository: "a/b".to_owned(), digest: digest.to_owned() };
        Seen { place: at(path), ..asked(time, agent, "PUT", asks, 201) }
    };
    let look = |time, digest: &str| asked(time, agent, "HEAD", blob(digest), 404);
    let seen = vec![
        look(0, "sha256:1"),
        look(1, "sha256:2"),
        start(2, "/u/1"),
        start(3, "/u/2"),
        end(4, "/u/2", "sha256:2"),
        end(5, "/u/1", "sha256:1"),
    ];
    let blocks = build(seen);
    let steps: Vec<_> = blocks[0].steps.iter().map(|it| (it.what.reference(), it.seen.len())).collect();
    assert_eq!(steps, [(Some("sha256:1"), 3), (Some("sha256:2"), 3)]);
}

#[test]
fn storage_retries_and_ranges_are_one_step() {
    let agent = "docker/20.10";
    let storage = Place { scheme: "https".to_owned(), host: "s3.test".to_owned(), path: "/x".to_owned() };
    let mut away = asked(2, agent, "GET", blob("sha256:1"), 307);
    away.says.location = Some(storage.clone());
    let there = |at, status| Seen { place: storage.clone(), ..asked(at, agent, "GET", Asks::Redirected, status) };
    let mut cut = there(3, 200);
    (cut.announced, cut.received) = (Some(100), 40);
    let mut seen = vec![with_image(asked(0, agent, "GET", manifest("1"), 200)), away.clone(), cut];
    let cut_short = build(seen.clone());
    assert_eq!(shown(&cut_short[0]), "docker pull transfer_cut: manifest done, layer cut");
    away.start = Some(Timestamp(4_000));
    seen.extend([away, there(5, 206)]);
    let blocks = build(seen);
    assert_eq!(shown(&blocks[0]), "docker pull ok: manifest done, layer done");
    assert_eq!((blocks[0].steps[1].seen.len(), blocks[0].not_fetched().len()), (4, 2));
}

/// The cause of a pull whose manifest is answered so.
fn cause(seen: Seen) -> &'static str {
    let blocks =
        build(vec![challenged(asked(0, "docker/1", "GET", Asks::Ping, 401)), token(1, "docker/1", "a/b"), seen]);
    assert_eq!(blocks.len(), 1);
    let verdict = &blocks[0].verdict;
    assert!(!verdict.evidence.is_empty() && verdict.outcome == Outcome::Failed, "{verdict:?}");
    verdict.cause.code()
}

#[test]
fn refusals_have_their_causes() {
    let asked = |status| asked(1_000, "docker/1", "GET", manifest("1"), status);
    let error = |status, code: &str| Seen { errors: vec![(code.to_owned(), String::new())], ..asked(status) };
    assert_eq!(cause(error(404, "MANIFEST_UNKNOWN")), "manifest_unknown");
    assert_eq!(cause(error(404, "NAME_UNKNOWN")), "repository_unknown");
    assert_eq!(cause(asked(404)), "not_a_registry");
    assert_eq!(cause(asked(429)), "rate_limited");
    assert_eq!(cause(asked(502)), "registry_failed");
    assert_eq!(cause(asked(403)), "access_denied");
    assert_eq!(cause(asked(407)), "proxy_auth_required");
    let page = || Content::Page { title: "Log in".to_owned() };
    assert_eq!(cause(Seen { content: page(), ..asked(403) }), "request_blocked");
    assert_eq!(cause(Seen { content: page(), ..asked(200) }), "web_page_instead");
    let digest = Digest::Differs { expected: "sha256:a".to_owned(), found: "sha256:b".to_owned() };
    assert_eq!(cause(Seen { digest, ..asked(200) }), "manifest_altered");
}

#[test]
fn refused_tokens_are_told_apart() {
    let refused = |claims: Claims, error: Option<&str>| {
        let mut seen = challenged(bearer(asked(1_000, "docker/1", "GET", manifest("1"), 401), claims));
        let challenge = seen.challenge.as_mut().unwrap();
        challenge.error = error.map(str::to_owned);
        challenge.scopes.extend("repository:a/b:pull".parse::<Scope>());
        cause(seen)
    };
    let right = Claims { audience: vec!["r".to_owned()], expires: Some(10), ..Claims::default() };
    assert_eq!(refused(Claims { expires: Some(-100), ..right.clone() }, Some("invalid_token")), "token_expired");
    assert_eq!(
        refused(Claims { not_before: Some(100), ..right.clone() }, Some("invalid_token")),
        "token_not_yet_valid"
    );
    assert_eq!(
        refused(Claims { audience: vec!["x".to_owned()], ..right.clone() }, Some("invalid_token")),
        "token_wrong_audience"
    );
    assert_eq!(refused(right.clone(), Some("insufficient_scope")), "token_access_missing");
    assert_eq!(refused(right, Some("invalid_token")), "token_refused");
}

#[test]
fn what_the_client_left_is_not_called_a_failure_of_the_registry() {
    let blocks = build(vec![challenged(asked(0, "docker/1", "GET", Asks::Ping, 401))]);
    assert_eq!((blocks[0].verdict.cause.code(), blocks[0].verdict.outcome), ("stopped", Outcome::Unfinished));
    let mut left = asked(1, "docker/1", "GET", manifest("1"), 200);
    left.cut = Some("client reset the stream (CANCEL)".to_owned());
    let blocks = build(vec![left]);
    assert_eq!((blocks[0].verdict.cause.code(), blocks[0].steps[0].state), ("client_left", State::Cut));
}

/// Any request.
fn request() -> impl Strategy<Value = Seen> {
    let text = || prop::sample::select(vec!["", "a", "sha256:1", "sha256-1", "\u{202e}é"]).prop_map(str::to_owned);
    let asks = prop_oneof![
        Just(Asks::Ping),
        Just(Asks::Connection),
        Just(Asks::Redirected),
        Just(Asks::Catalog),
        (text(), text()).prop_map(|(repository, reference)| Asks::Manifest { repository, reference }),
        (text(), text()).prop_map(|(repository, digest)| Asks::Blob { repository, digest }),
        (text(), text()).prop_map(|(repository, digest)| Asks::UploadEnd { repository, digest }),
        text().prop_map(|repository| Asks::UploadChunk { repository }),
        (text(), prop::option::of(text()), prop::option::of(text()))
            .prop_map(|(repository, digest, from)| Asks::UploadStart { repository, digest, from }),
        (text(), text()).prop_map(|(repository, digest)| Asks::Referrers { repository, digest }),
        text().prop_map(|name| Asks::Token {
            service: name.clone(),
            scopes: vec![Scope { kind: "repository".to_owned(), name, actions: vec!["pull".to_owned()] }],
            account: None,
        }),
    ];
    let method = prop::sample::select(vec!["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "?"]);
    let status =
        prop::option::of(prop::sample::select(vec![200_u16, 201, 202, 206, 304, 307, 401, 403, 404, 429, 500]));
    let times = prop::option::of(prop_oneof![0_i64..1_000_000_000, any::<i64>()]);
    (asks, method, status, times, text(), text(), any::<bool>()).prop_map(
        |(asks, method, status, time, agent, path, flag)| {
            let caller = Caller { agent, ..Caller::default() };
            let place = Place { scheme: "http".to_owned(), host: "r".to_owned(), path };
            let start = time.map(Timestamp);
            let mut seen = Seen { caller, place, method: method.to_owned(), asks, status, start, ..Seen::default() };
            seen.says.location = flag.then(|| seen.place.clone());
            seen.cut = (status.is_none() || flag).then(|| "cut".to_owned());
            if flag {
                seen = challenged(seen);
            }
            seen
        },
    )
}

proptest! {
    /// Every request that is no stray connection is in exactly one step of one block, and blocks never mix clients.
    #[test]
    fn nothing_is_lost_and_nothing_mixes(seen in prop::collection::vec(request(), 0..60)) {
        let count = seen.iter().filter(|it| it.asks != Asks::Connection).count();
        let blocks = build(seen);
        let all = || blocks.iter().flat_map(|it| &it.steps).flat_map(|it| &it.seen);
        prop_assert_eq!(all().filter(|it| it.asks != Asks::Connection).count(), count);
        for block in &blocks {
            prop_assert!(block.steps.iter().all(|it| !it.seen.is_empty()));
            let agents: Vec<_> = block.steps.iter().flat_map(|it| &it.seen).filter(|it| !matches!(it.asks, Asks::Redirected | Asks::Connection)).map(|it| &it.caller.agent).collect();
            prop_assert!(agents.windows(2).all(|pair| pair[0] == pair[1]));
            prop_assert!(block.verdict.outcome == Outcome::Ok || block.verdict.step.is_some_and(|at| at < block.steps.len()));
            block.span();
            for step in &block.steps {
                step.speed();
            }
        }
    }
}
