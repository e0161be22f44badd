//! Reassembly of scripted and of shuffled segments. In: segments. Out: pieces.

use proptest::prelude::*;

use super::*;

const ISN: u32 = u32::MAX - 40;

fn segment(offset: u32, payload: &'static str) -> Segment {
    let payload = Bytes::from_static(payload.as_bytes());
    Segment { seq: ISN.wrapping_add(1).wrapping_add(offset), ack: Some(1), payload, ..Segment::default() }
}

fn syn() -> Segment {
    Segment { seq: ISN, syn: true, ..Segment::default() }
}

fn ack(offset: u32) -> Segment {
    Segment { seq: 1, ack: Some(ISN.wrapping_add(1).wrapping_add(offset)), ..Segment::default() }
}

/// Runs a script of (milliseconds, whether from the server, segment) and writes down the pieces.
fn run(script: Vec<(i64, bool, Segment)>, flush: bool) -> (Vec<String>, Connection) {
    let mut connection = Connection::new(Limits::default());
    let mut out = Vec::new();
    for (at, from_server, segment) in script {
        let direction = if from_server { Direction::ToClient } else { Direction::ToServer };
        connection.segment(direction, Timestamp(at * 1000), &segment, &mut out);
    }
    if flush {
        connection.flush(&mut out);
    }
    let word = |piece| match piece {
        Piece::Data(_, bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
        Piece::Lost(_, count) => format!("lost {count}"),
        Piece::Fin(_) => "fin".into(),
        Piece::Reset(_) => "reset".into(),
        Piece::Differs(_, at) => format!("differs {at}"),
    };
    (out.into_iter().map(word).collect(), connection)
}

fn from_client(segments: Vec<Segment>) -> Vec<(i64, bool, Segment)> {
    segments.into_iter().map(|segment| (0, false, segment)).collect()
}

#[test]
fn order_repetition_and_overlap() {
    let script =
        vec![syn(), segment(3, "def"), segment(0, "abc"), segment(0, "abcdefg"), segment(7, "h"), segment(6, "gh")];
    let (pieces, connection) = run(from_client(script), false);
    assert_eq!(pieces, ["abc", "def", "g", "h"]);
    assert_eq!(connection.held(), 0);
}

#[test]
fn the_first_of_differing_bytes_win_and_it_is_told_once() {
    let late = vec![syn(), segment(0, "abc"), segment(0, "abXYZ"), segment(1, "QQQ")];
    assert_eq!(run(from_client(late), false).0, ["abc", "differs 2", "YZ"]);
    let early = vec![syn(), segment(2, "cd"), segment(1, "bXde"), segment(0, "a")];
    assert_eq!(run(from_client(early), false).0, ["differs 2", "a", "b", "cd", "e"]);
}

#[test]
fn a_keep_alive_is_no_data_and_no_difference() {
    let script = vec![syn(), segment(0, "abc"), segment(2, "\0"), segment(2, ""), segment(3, "d")];
    assert_eq!(run(from_client(script), false).0, ["abc", "d"]);
}

#[test]
fn an_acknowledged_gap_is_given_up_after_a_while() {
    let lost = |later: i64| {
        vec![
            (0, false, syn()),
            (0, false, segment(0, "ab")),
            (0, false, segment(5, "fg")),
            (1, true, ack(7)),
            (later, true, ack(7)),
        ]
    };
    assert_eq!(run(lost(100), false).0, ["ab"]);
    assert_eq!(run(lost(700), false).0, ["ab", "lost 3", "fg"]);
    let mut late = lost(100);
    late.push((101, false, segment(2, "cde")));
    assert_eq!(run(late, false).0, ["ab", "cde", "fg"]);
    assert_eq!(run(lost(2), true).0, ["ab", "lost 3", "fg"]);
}

#[test]
fn what_the_other_side_acknowledged_at_the_end_was_sent() {
    let script = vec![(0, false, syn()), (0, false, segment(0, "ab")), (0, true, ack(6))];
    assert_eq!(run(script, true).0, ["ab", "lost 4"]);
}

#[test]
fn a_packet_cut_by_the_capture_is_a_gap_that_another_copy_fills() {
    let cut = || Segment { missing: 4, ..segment(0, "ab") };
    assert_eq!(run(from_client(vec![syn(), cut(), segment(6, "gh")]), false).0, ["ab", "lost 4", "gh"]);
    let waiting = Segment { missing: 2, ..segment(2, "cd") };
    let script = vec![syn(), waiting, segment(2, "cdef"), segment(0, "ab")];
    assert_eq!(run(from_client(script), false).0, ["ab", "cd", "ef"]);
}

#[test]
fn the_beginning_may_be_missing() {
    let (pieces, connection) = run(from_client(vec![segment(100, "x"), segment(101, "y")]), false);
    assert_eq!(pieces, ["x", "y"]);
    assert_eq!((connection.is_from_start(), connection.state()), (false, State::Open));
    // What the other side waits for is known before the first segment comes.
    let script = vec![(0, true, ack(50)), (0, false, segment(52, "cd")), (0, false, segment(50, "ab"))];
    assert_eq!(run(script, false).0, ["ab", "cd"]);
}

#[test]
fn ends() {
    let fin = |offset, payload| Segment { fin: true, ..segment(offset, payload) };
    let (pieces, connection) = run(from_client(vec![syn(), fin(2, "cd"), segment(0, "ab"), fin(2, "cd")]), false);
    assert_eq!(pieces, ["ab", "cd", "fin"]);
    assert_eq!(connection.state(), State::Open);
    let reset = Segment { rst: true, ..segment(4, "") };
    let (pieces, connection) = run(from_client(vec![syn(), segment(2, "cd"), reset.clone(), reset]), false);
    assert_eq!(pieces, ["lost 2", "cd", "reset"]);
    assert_eq!(connection.state(), State::Over);
}

#[test]
fn a_new_beginning_is_told_from_a_repeated_one() {
    let (_, connection) = run(from_client(vec![syn(), segment(0, "a")]), false);
    assert!(!connection.is_reused_by(Direction::ToServer, &syn()));
    let other = Segment { seq: 5, ..syn() };
    assert!(connection.is_reused_by(Direction::ToServer, &other));
}

#[test]
fn what_waits_is_bounded() {
    let limits = Limits { held: 100, segments: 10, compared: 0 };
    let mut connection = Connection::new(limits);
    let mut out = Vec::new();
    connection.segment(Direction::ToServer, Timestamp(0), &syn(), &mut out);
    for index in 0..1000u32 {
        let segment = Segment { payload: Bytes::from_static(b"1234567"), ..segment(1 + index * 8, "") };
        connection.segment(Direction::ToServer, Timestamp(0), &segment, &mut out);
        assert!(connection.held() <= 100);
    }
    connection.flush(&mut out);
    let lost: u64 = out.iter().map(|piece| if let Piece::Lost(_, count) = piece { *count } else { 0 }).sum();
    assert_eq!(lost, 1000);
}

proptest! {
    /// Any cutting of a stream, in any order, with any repetition and overlap, gives the stream.
    #[test]
    fn any_cutting_gives_the_stream(
        bytes in proptest::collection::vec(any::<u8>(), 1..3000),
        isn in any::<u32>(),
        cuts in proptest::collection::vec((any::<prop::sample::Index>(), 1usize..400), 0..40),
        order in any::<u64>(),
    ) {
        let mut segments: Vec<(usize, usize)> = bytes.chunks(100).enumerate().map(|(n, it)| (n * 100, it.len())).collect();
        for (place, length) in cuts {
            let start = place.index(bytes.len());
            segments.push((start, length.min(bytes.len() - start)));
        }
        let mut seed = order | 1;
        for index in (1..segments.len()).rev() {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            segments.swap(index, (seed >> 33) as usize % (index + 1));
        }
        let all = Bytes::from(bytes.clone());
        let mut connection = Connection::new(Limits::default());
        let mut out = Vec::new();
        let begin = Segment { seq: isn, syn: true, ..Segment::default() };
        connection.segment(Direction::ToClient, Timestamp(0), &begin, &mut out);
        let first = isn.wrapping_add(1);
        for (start, length) in segments {
            let payload = all.slice(start..start + length);
            let fin = start + length == bytes.len();
            let segment = Segment { seq: first.wrapping_add(start as u32), fin, payload, ..Segment::default() };
            connection.segment(Direction::ToClient, Timestamp(0), &segment, &mut out);
        }
        let mut got = Vec::new();
        let mut fins = 0;
        for piece in out {
            match piece {
                Piece::Data(_, bytes) => got.extend_from_slice(&bytes),
                Piece::Fin(_) => fins += 1,
                other => prop_assert!(false, "{other:?}"),
            }
        }
        prop_assert_eq!((got, fins), (bytes, 1));
    }
}
