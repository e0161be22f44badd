//! Layers upon each other, by entries alone.

use super::{Merge, Meta};
use crate::limits::Limits;

/// A state to which files are added as `path = content`.
struct State(Merge<&'static str>);

impl State {
    fn new() -> Self {
        Self(Merge::new(Limits::default()))
    }

    fn layer(&mut self, index: usize) -> &mut Self {
        self.0.begin(Some(index));
        self
    }

    fn file(&mut self, name: &str, content: &'static str) -> &mut Self {
        if let Some(path) = self.0.place(name.as_bytes()) {
            if self.0.whiteout(&path) {
                return self;
            }
            self.0.replace(&path);
            self.0.keep(path, Meta::default(), content);
        }
        self
    }

    fn folder(&mut self, name: &str) -> &mut Self {
        if let Some(path) = self.0.place(name.as_bytes()) {
            self.0.folder(&path);
        }
        self
    }

    fn link(&mut self, name: &str, target: &str) -> &mut Self {
        if let Some(path) = self.0.place(name.as_bytes()) {
            self.0.link(path, target.as_bytes());
        }
        self
    }

    fn hard(&mut self, name: &str, target: &str) -> &mut Self {
        let path = self.0.place(name.as_bytes()).unwrap();
        let target = self.0.place(target.as_bytes()).unwrap();
        self.0.hard_link(path, &target);
        self
    }

    /// `path=content` of the final state, then `!path=content` of what is hidden, then `path>target`.
    fn all(self) -> Vec<String> {
        let collected = self.0.into_collected(|_, _| true);
        let mut all: Vec<String> =
            collected.files.iter().map(|(path, kept)| format!("{path}={}", kept.found)).collect();
        all.extend(collected.hidden.iter().map(|kept| format!("!{}={}", kept.path, kept.found)));
        all.extend(collected.links.iter().map(|(path, target)| format!("{path}>{target}")));
        all
    }
}

#[test]
fn whiteouts_delete_from_lower_layers_only_whatever_their_order() {
    let mut state = State::new();
    state.layer(0).file("a/one", "1").file("a/two", "2").file("b/x", "x").file("c", "c");
    state.layer(1).file("a/new", "n").file("a/.wh..wh..opq", "").file("a/also", "m");
    state.file("b/x", "y").file("b/.wh.x", "").file(".wh.c", "").file(".wh.b2", "");
    assert_eq!(state.all(), ["/a/also=m", "/a/new=n", "/b/x=y", "!/a/one=1", "!/a/two=2", "!/b/x=x", "!/c=c"]);
}

#[test]
fn files_folders_and_links_replace_each_other() {
    let mut state = State::new();
    state.layer(0).file("etc/ssl/cert.pem", "old").file("opt/f", "f").link("lib", "usr/lib");
    state.layer(1).link("etc/ssl", "/data").file("opt/f/now/a/folder", "g").folder("lib").file("lib/x", "x");
    state.layer(2).file("etc/ssl/cert.pem", "new");
    assert_eq!(
        state.all(),
        [
            "/data/cert.pem=new",
            "/lib/x=x",
            "/opt/f/now/a/folder=g",
            "!/etc/ssl/cert.pem=old",
            "!/opt/f=f",
            "/etc/ssl>/data"
        ]
    );
}

#[test]
fn hard_links_are_what_their_target_was_at_that_time() {
    let mut state = State::new();
    state.layer(0).file("a", "1").hard("b", "a");
    state.layer(1).hard("c", "a").file("a", "2").hard("self", "self");
    assert_eq!(state.all(), ["/a=2", "/b=1", "/c=1", "!/a=1"]);
}

#[test]
fn the_last_of_equal_names_wins_and_the_other_is_still_in_the_archive() {
    let mut state = State::new();
    state.layer(0).file("a", "1").file("./a", "2").file("/a", "3");
    assert_eq!(state.all(), ["/a=3", "!/a=1", "!/a=2"]);
}

#[test]
fn links_lead_nowhere_outside_and_circles_end() {
    let mut state = State::new();
    state.layer(0).link("up", "../../..").file("up/etc/passwd", "in").link("x", "y").link("y", "x").file("x/f", "no");
    state.file("../out", "no");
    let notes = {
        let collected = state.0.into_collected(|_, _| true);
        assert_eq!(collected.files.keys().collect::<Vec<_>>(), ["/etc/passwd"]);
        collected.notes
    };
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(notes.iter().any(|note| note.contains("`../out`")), "{notes:?}");
}

#[test]
fn names_that_differ_in_bytes_alone_stay_apart() {
    let mut merge = Merge::new(Limits::default());
    merge.begin(None);
    for (name, content) in [(&b"a\xff"[..], 1), (b"a\xfe", 2)] {
        let path = merge.place(name).unwrap();
        merge.replace(&path);
        merge.keep(path, Meta::default(), content);
    }
    let collected = merge.into_collected(|_, _| true);
    assert_eq!(collected.files.len(), 2);
    assert!(collected.hidden.is_empty());
}

#[test]
fn links_beyond_the_limit_are_counted() {
    let mut merge: Merge<()> = Merge::new(Limits { links: 1000, ..Limits::default() });
    for number in 0..100 {
        let path = merge.place(format!("l{number}").as_bytes()).unwrap();
        merge.link(path, b"t");
    }
    let collected = merge.into_collected(|_, _| true);
    assert!(collected.links.len() < 12);
    assert!(collected.notes[0].contains("symbolic links were left out"), "{:?}", collected.notes);
}

#[test]
fn names_that_look_alike_take_no_more_than_they_are_long() {
    let mut merge = Merge::new(Limits::default());
    merge.begin(None);
    for number in 0..2_000_u16 {
        // Two bytes that are no UTF-8, the same text for all.
        let name = [b'a', 0x80 | u8::try_from(number & 0x3f).unwrap(), 0x80 | u8::try_from(number >> 6).unwrap()];
        let path = merge.place(&name).unwrap();
        merge.keep(path, Meta::default(), number);
    }
    // This one looks like another as it is written.
    let path = merge.place(br"a\x80\x81").unwrap();
    merge.keep(path, Meta::default(), 9_999);
    let collected = merge.into_collected(|_, _| true);
    assert_eq!(collected.files.len(), 2_001);
    assert!(collected.files.keys().all(|path| path.len() < 16), "{:?}", collected.files.keys().next_back());
}

/// Each whiteout used to look at all that its own layer has in the folder: with these counts for minutes.
#[test]
fn whiteouts_that_are_repeated_cost_nothing() {
    let mut state = State::new();
    state.layer(0).file("a/old", "0");
    state.layer(1);
    for number in 0..20_000 {
        state.file(&format!("a/{number}"), "1").link(&format!("a/l{number}"), "0");
    }
    for _ in 0..20_000 {
        state.file("a/.wh..wh..opq", "").file(".wh.a", "");
    }
    state.layer(2).file("a/.wh..wh..opq", "").file("a/new", "2").file("a/.wh..wh..opq", "");
    let all = state.all();
    assert_eq!(all[0], "/a/new=2");
    assert_eq!(all.len(), 1 + 1 + 20_000, "the links are gone, the files hidden");
}

/// The target has thousands of parts that lead nowhere: each entry behind it cost a walk over all of them.
#[test]
fn a_link_of_endless_steps_is_no_way() {
    let mut state = State::new();
    state.layer(0).link("dots", &"./".repeat(5_000)).file("dots/in", "1");
    state.link("up", &"../".repeat(5_000)).file("up/out", "no");
    assert_eq!(state.all().first().map(String::as_str), Some("/in=1"));
}
