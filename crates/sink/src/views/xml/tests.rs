//! Markup laid out. In: documents by hand and at random; quick-xml as another reader of them. Out: the same documents.

use proptest::prelude::*;
use quick_xml::Reader;
use quick_xml::events::Event;

use crate::views::{View, ViewOptions, view};

fn shown(content_type: &str, text: &str, cut: bool) -> View {
    view(content_type, "", text.as_bytes(), &ViewOptions { cut, ..ViewOptions::default() })
}

#[test]
fn elements_stand_on_lines_of_their_own() {
    let text = "<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY x \"y>\">]><a b='>' c=\"d\"><!-- n --><e>&x; &amp;</e><f/><g> <h>1</h> tail</g><i></i><![CDATA[<raw>]]></a>";
    let expected = "<?xml version=\"1.0\"?>\n<!DOCTYPE a [<!ENTITY x \"y>\">]>\n<a b='>' c=\"d\">\n  <!-- n -->\n  <e>&x; &amp;</e>\n  <f/>\n  <g>\n    <h>1</h>\n    tail\n  </g>\n  <i></i>\n  <![CDATA[<raw>]]>\n</a>\n";
    let view = shown("application/xml", text, false);
    assert_eq!((view.name, view.text.as_str(), view.problem), ("xml", expected, None));
    assert_eq!(shown("", text, false).name, "xml");
}

#[test]
fn html_has_void_and_raw_elements_and_forgets_to_close_others() {
    let text = "<!DOCTYPE html><html><head><meta charset=utf-8><TITLE>a <b</title><script>if (a < b) {\n  c()\n}</script></head><body><p>one<br>two<p>three</body></html>";
    let expected = "<!DOCTYPE html>\n<html>\n  <head>\n    <meta charset=utf-8>\n    <TITLE>\n      a <b\n    </title>\n    <script>\n      if (a < b) {\n        c()\n      }\n    </script>\n  </head>\n  <body>\n    <p>\n      one\n      <br>\n      two\n      <p>\n        three\n  </body>\n</html>\n";
    let view = shown("text/html; charset=utf-8", text, false);
    assert_eq!((view.name, view.text.as_str(), view.problem), ("html", expected, None));
}

#[test]
fn faults_are_told_and_cuts_are_not_faults() {
    assert_eq!(shown("text/xml", "<a><b></a>", false).problem.as_deref(), Some("</a> closes where b is open"));
    assert_eq!(shown("text/xml", "<a></b>", false).problem.as_deref(), Some("</b> closes nothing"));
    assert_eq!(shown("text/xml", "<a><b>", false).problem.as_deref(), Some("the element b is not closed"));
    assert_eq!(shown("text/xml", "<a><b", true).problem, None);
    assert_eq!(shown("text/xml", "no tags", false).name, "text");
}

#[test]
fn secrets_go_from_elements_and_attributes() {
    let text =
        r#"<r><ns:Password>hunter2</ns:Password><login token="s3cret" user="kim"/><next>/x?sig=s3cret2</next></r>"#;
    let view = shown("application/soap+xml", text, false).text;
    assert!(!view.contains("hunter2") && !view.contains("s3cret") && view.contains("user=\"kim\""), "{view}");
}

/// Names and text of a document, white space left out, as quick-xml reads them.
fn read(text: &str) -> Vec<String> {
    let mut reader = Reader::from_str(text);
    let mut events = Vec::new();
    loop {
        let event = reader.read_event().unwrap();
        let words: String = String::from_utf8_lossy(&event).split_whitespace().collect();
        match event {
            Event::Eof => return events,
            Event::Text(_) if words.is_empty() => {}
            Event::Start(_) => events.push(format!("<{words}")),
            Event::End(_) => events.push(format!("/{words}")),
            _ => events.push(words),
        }
    }
}

fn xml() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "[a-z&&[^x]]{1,8}",
        Just("<e/>".to_owned()),
        Just("<!-- <c> -->".to_owned()),
        Just("&amp;".to_owned())
    ];
    let element = |inner: Vec<String>| format!("<n k=\"&lt;>\">{}</n>", inner.concat());
    let tree = leaf.prop_recursive(5, 40, 5, move |inner| proptest::collection::vec(inner, 0..5).prop_map(element));
    proptest::collection::vec(tree, 0..4).prop_map(|inner| format!("<root>{}</root>", inner.concat()))
}

proptest! {
    #[test]
    fn what_is_well_formed_stays_the_same_document(text in xml()) {
        let view = shown("application/xml", &text, false);
        prop_assert_eq!(&view.problem, &None);
        prop_assert_eq!(read(&view.text), read(&text));
    }

    #[test]
    fn nothing_is_lost_of_broken_markup(text in "[<>/!a-c\"' =\\[\\]&;-]{0,60}") {
        for html in ["text/html", "text/xml"] {
            let squeezed = |text: &str| text.split_whitespace().collect::<String>();
            let view = shown(html, &format!("<{text}"), false);
            prop_assert_eq!(squeezed(&view.text), squeezed(&format!("<{text}")));
        }
    }
}
