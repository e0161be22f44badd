//! Conversations in HTTP/1 of which bytes were not seen: what is handed out as whole is true, and decoding takes up again.

mod script;

use proptest::prelude::*;
use script::{Step, client, exchanges, lines, play, server};
use sidelight_model::flow::{AnomalyKind, Direction, Exchange, Outcome};

use Direction::{ToClient, ToServer};

fn get(number: usize) -> Vec<u8> {
    format!("GET /{number} HTTP/1.1\r\nHost: h\r\n\r\n").into_bytes()
}

fn ok(number: usize) -> Vec<u8> {
    let body = format!("is {number}");
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// What was found, without the words of anomalies.
fn found(steps: &[Step]) -> Vec<String> {
    lines(&play(steps)).into_iter().filter(|line| !line.starts_with("anomaly")).collect()
}

const ENDED: &str = "9 bytes were not seen, and a message ended among them";

#[test]
fn an_answer_that_was_not_seen_leaves_the_next_exchange() {
    let long = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab";
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab";
    for (seen, kept) in [("", "-"), ("HTTP/1.1 2", "-"), (long, "200 2 `ab`"), (chunks, "200 2 `ab`")] {
        let lost = Step::Lost(ToClient, 9);
        let script = [
            vec![client(get(1)), server(seen), lost, server("HTTP/1.1 200 OK\r\n\r\nis no answer")],
            vec![client(get(2)), server(ok(2)), client(get(3)), server(ok(3)), Step::Closed],
        ]
        .concat();
        let expected = [
            &*format!("#1 GET h/1 0 -> {kept} CUT {ENDED}"),
            "#2 GET h/2 0 -> 200 4 `is 2` !Gap",
            "#3 GET h/3 0 -> 200 4 `is 3`",
        ];
        assert_eq!(found(&script), expected, "{seen}");
    }
}

#[test]
fn a_request_that_was_not_seen_takes_its_answer_with_it() {
    let post = "POST /1 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab";
    for (seen, cut) in [("", None), ("GET /1 HT", None), (post, Some(format!("#1 POST h/1 2 -> - CUT {ENDED}")))] {
        let script = [
            // What follows the gap looks like a request, but the service has not spoken since.
            vec![client(seen), Step::Lost(ToServer, 9), client(get(7)), server(ok(1))],
            vec![client(get(2)), server(ok(2)), client(get(3)), server(ok(3)), Step::Closed],
        ]
        .concat();
        let script = [vec![Step::Agreed(Some(b"http/1.1"))], script].concat();
        let base = usize::from(cut.is_some());
        let mut expected: Vec<String> = cut.into_iter().collect();
        expected.push(format!("#{} GET h/2 0 -> 200 4 `is 2` !Gap", base + 1));
        expected.push(format!("#{} GET h/3 0 -> 200 4 `is 3`", base + 2));
        assert_eq!(found(&script), expected, "{seen}");
    }
}

#[test]
fn whole_exchanges_may_be_missing() {
    let missing = [Step::Lost(ToServer, 300), Step::Lost(ToClient, 500)];
    let script = [vec![client(get(1)), server(ok(1))], missing.to_vec(), vec![client(get(9)), server(ok(9))]].concat();
    let expected = ["#1 GET h/1 0 -> 200 4 `is 1`", "#2 GET h/9 0 -> 200 4 `is 9` !Gap"];
    let closed = [script, vec![Step::Closed]].concat();
    assert_eq!(found(&closed), expected);
    let text = lines(&play(&closed)).concat();
    assert!(text.contains("anomaly > Gap 300 bytes were not seen"), "{text}");
    // From the first byte on: TLS has told which protocol it is.
    let begun = [&[Step::Agreed(Some(b"http/1.1"))][..], &missing, &[client(get(9)), server(ok(9)), Step::Closed]];
    assert_eq!(found(&begun.concat()), ["#1 GET h/9 0 -> 200 4 `is 9` !Gap"]);
}

#[test]
fn what_only_resembles_a_request_is_none() {
    for odd in
        ["get /x HTTP/1.1\r\nHost: h\r\n\r\n", "\r\nGET /x HTTP/1.1\r\nHost: h\r\n\r\n", "GET /x HTTP/1.1\n\n", "x"]
    {
        let script = [
            vec![client(get(1)), server(ok(1)), Step::Lost(ToServer, 40), Step::Lost(ToClient, 40)],
            vec![client(odd), server(ok(5)), client(get(2)), server(ok(2)), Step::Closed],
        ]
        .concat();
        assert_eq!(found(&script), ["#1 GET h/1 0 -> 200 4 `is 1`", "#2 GET h/2 0 -> 200 4 `is 2` !Gap"], "{odd}");
    }
}

#[test]
fn clients_that_do_not_wait_are_not_guessed_at() {
    // The first of two requests was not seen: two answers come.
    let script = [client(get(1)), server(ok(1)), Step::Lost(ToServer, 9), Step::Lost(ToClient, 9), client(get(3))];
    let answers = [vec![server(ok(2))], vec![server(ok(3)), client(get(4)), server(ok(4)), Step::Closed]].concat();
    let said = found(&[script.to_vec(), answers].concat());
    assert_eq!(said[0], "#1 GET h/1 0 -> 200 4 `is 1`");
    assert!(
        said[1].contains("#2 GET h/3 0 -> 200 4 `is 2` UNDECODABLE bytes were not seen, and more than"),
        "{said:?}"
    );
    assert_eq!(said.iter().filter(|line| line.starts_with('#')).count(), 2, "{said:?}");
    // Another request comes before the answer.
    let said = found(&[script.to_vec(), vec![client(get(4)), server(ok(2)), server(ok(3)), Step::Closed]].concat());
    assert!(said[1..].iter().all(|line| line.contains("UNDECODABLE") || line.starts_with("stopped")), "{said:?}");
    // It was seen before the gap.
    let script = [client([get(1), get(2)].concat()), server([ok(1), ok(2)].concat()), client(get(3))];
    let said = found(&[script.to_vec(), vec![Step::Lost(ToClient, 9), client(get(4)), server(ok(3))]].concat());
    assert!(said[2].ends_with(&format!("UNDECODABLE {ENDED}")) && said[3] == format!("stopped < {ENDED}"), "{said:?}");
}

#[test]
fn a_change_of_protocol_that_was_not_seen_ends_it() {
    let ask = "GET /1 HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n";
    let said = found(&[client(ask), Step::Lost(ToClient, 9), client(get(2)), server(ok(2)), Step::Closed]);
    assert!(said.iter().all(|line| !line.contains("200")), "{said:?}");
}

#[test]
fn the_first_exchange_after_a_gap_says_so() {
    let script = [client(get(1)), Step::Lost(ToClient, 9), client(get(2)), server(ok(2)), Step::Closed];
    let all = play(&script);
    let second = exchanges(&all)[1];
    assert_eq!(second.anomalies[0].kind, AnomalyKind::Gap);
    assert_eq!(second.outcome, Outcome::Complete);
}

/// One exchange of a conversation that is made up.
#[derive(Clone, Debug)]
struct Made {
    post: Option<usize>,
    chunked: bool,
    interim: bool,
    content: usize,
}

impl Made {
    fn request(&self, number: usize) -> Vec<u8> {
        match self.post {
            None => get(number),
            Some(length) => {
                let body = body(number, length);
                let head = format!("POST /{number} HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n");
                [head.as_bytes(), &body].concat()
            }
        }
    }

    fn answer(&self, number: usize) -> Vec<u8> {
        let body = body(number, self.content);
        let interim = if self.interim { "HTTP/1.1 100 Continue\r\n\r\n" } else { "" };
        let head = if self.chunked {
            "Transfer-Encoding: chunked".to_owned()
        } else {
            format!("Content-Length: {}", body.len())
        };
        let head = format!("{interim}HTTP/1.1 200 OK\r\nNumber: {number}\r\n{head}\r\n\r\n");
        let content = if !self.chunked {
            body
        } else if body.is_empty() {
            b"0\r\n\r\n".to_vec()
        } else {
            [format!("{:x}\r\n", body.len()).as_bytes(), &body, b"\r\n0\r\n\r\n"].concat()
        };
        [head.as_bytes(), &content].concat()
    }
}

/// Content that may look like messages of its own.
fn body(number: usize, length: usize) -> Vec<u8> {
    let text = format!("HTTP/1.1 200 OK\r\nNumber: 999\r\nContent-Length: 0\r\n\r\n{number}, ");
    text.bytes().cycle().take(length).collect()
}

fn made() -> impl Strategy<Value = Made> {
    (prop::option::of(0_usize..90), any::<bool>(), any::<bool>(), 0_usize..90)
        .prop_map(|(post, chunked, interim, content)| Made { post, chunked, interim, content })
}

/// Whether a step of the conversation is seen: all of it, none, or its parts up to and from these places.
#[derive(Clone, Debug)]
enum Sight {
    All,
    Nothing,
    But(prop::sample::Index, prop::sample::Index),
}

fn sight() -> impl Strategy<Value = Sight> {
    prop_oneof![
        5 => Just(Sight::All),
        1 => Just(Sight::Nothing),
        1 => any::<(prop::sample::Index, prop::sample::Index)>().prop_map(|(from, to)| Sight::But(from, to)),
    ]
}

/// Puts a step in as it is seen. What is lost in one direction is told when something is seen in either, as the tap does.
fn show(steps: &mut Vec<Step>, direction: Direction, bytes: &[u8], sight: &Sight) {
    let see = |steps: &mut Vec<Step>, part: &[u8]| {
        if !part.is_empty() {
            let part = part.to_vec();
            steps.push(if direction == ToServer { Step::Client(part) } else { Step::Server(part) });
        }
    };
    let lose = |steps: &mut Vec<Step>, count: usize| {
        if count > 0 {
            steps.push(Step::Lost(direction, count as u64));
        }
    };
    match sight {
        Sight::All => see(steps, bytes),
        Sight::Nothing => lose(steps, bytes.len()),
        Sight::But(from, to) => {
            let (from, to) = (from.index(bytes.len() + 1), to.index(bytes.len() + 1));
            let (from, to) = (from.min(to), from.max(to));
            see(steps, &bytes[..from]);
            lose(steps, to - from);
            see(steps, &bytes[to..]);
        }
    }
}

/// Whether an exchange that is told as whole is one of those that were made.
fn is_true(exchange: &Exchange, all: &[Made]) -> bool {
    let (Some(request), Some(response)) = (&exchange.request, &exchange.response) else { return false };
    let number = String::from_utf8_lossy(&request.target.raw).trim_start_matches('/').parse::<usize>();
    let Some((number, made)) = number.ok().and_then(|number| Some((number, all.get(number)?))) else { return false };
    let told = response.headers.iter().find(|header| header.is("number"));
    let same_number = told.is_some_and(|header| header.value == number.to_string());
    let sent = request.body.length == made.post.unwrap_or(0) as u64;
    let came = response.body.length == made.content as u64;
    let (upload, download) = (body(number, made.post.unwrap_or(0)), body(number, made.content));
    let prefix = upload.starts_with(&request.body.kept) && download.starts_with(&response.body.kept);
    same_number && sent && came && prefix
}

fn wholes(found: &[sidelight_model::flow::Decoded]) -> Vec<&Exchange> {
    exchanges(found).into_iter().filter(|exchange| exchange.outcome == Outcome::Complete).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn what_is_whole_is_true_and_decoding_goes_on(
        all in prop::collection::vec(made(), 1..9),
        sights in prop::collection::vec((sight(), sight()), 9),
        agreed: bool,
    ) {
        let mut steps = if agreed { vec![Step::Agreed(Some(&b"http/1.1"[..]))] } else { Vec::new() };
        // The first is seen where nothing else tells the protocol.
        let whole = |at: usize| matches!(sights[at], (Sight::All, Sight::All)) || !agreed && at == 0;
        for (number, made) in all.iter().enumerate() {
            let (asked, answered) = if whole(number) { (&Sight::All, &Sight::All) } else { (&sights[number].0, &sights[number].1) };
            show(&mut steps, ToServer, &made.request(number), asked);
            show(&mut steps, ToClient, &made.answer(number), answered);
        }
        steps.push(Step::Closed);
        let found = play(&steps);
        let wholes = wholes(&found);
        for exchange in &wholes {
            prop_assert!(is_true(exchange, &all), "{:?} of {:?}", lines(&found), steps);
        }
        for number in (0..all.len()).filter(|number| whole(*number)) {
            let target = format!("/{number}");
            let told = |exchange: &&&Exchange| exchange.request.as_ref().is_some_and(|it| it.target.raw == target.as_bytes());
            prop_assert_eq!(wholes.iter().filter(told).count(), 1, "/{}: {:?} of {:?}", number, lines(&found), steps);
        }
        let numbers: Vec<u64> = exchanges(&found).iter().map(|exchange| exchange.stream).collect();
        prop_assert!(numbers.is_sorted_by(|a, b| a < b), "{:?}", numbers);
    }

    /// Clients that do not wait for the answer to send the next request, but now and then for all answers.
    #[test]
    fn nothing_is_guessed_of_clients_that_pipeline(
        bursts in prop::collection::vec(prop::collection::vec((made(), sight(), sight(), any::<bool>()), 1..4), 1..5),
    ) {
        let all: Vec<Made> = bursts.iter().flatten().map(|(made, ..)| made.clone()).collect();
        let mut steps = vec![Step::Agreed(Some(&b"http/1.1"[..]))];
        let mut first = 0;
        for burst in &bursts {
            let mut answered = 0;
            let mut answer = |steps: &mut Vec<Step>, until: usize| {
                while answered < until {
                    let (made, _, sight, _) = &burst[answered];
                    show(steps, ToClient, &made.answer(first + answered), sight);
                    answered += 1;
                }
            };
            for (place, (made, sight, _, waits)) in burst.iter().enumerate() {
                // One answer is still missing then.
                if *waits {
                    answer(&mut steps, place.saturating_sub(1));
                }
                show(&mut steps, ToServer, &made.request(first + place), sight);
            }
            answer(&mut steps, burst.len());
            first += burst.len();
        }
        steps.push(Step::Closed);
        let found = play(&steps);
        // An answer whose request was not seen is told alone.
        for exchange in wholes(&found).into_iter().filter(|exchange| exchange.request.is_some()) {
            prop_assert!(is_true(exchange, &all), "{:?} of {:?}", lines(&found), steps);
        }
    }
}
