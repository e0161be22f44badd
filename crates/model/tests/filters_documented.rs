//! docs/filters.md lists every operator as the program does. In: the page and the catalogue. Out: the rows that differ.

use sidelight_model::filter::Filter;

const PAGE: &str = include_str!("../../../docs/filters.md");

#[test]
fn the_page_has_the_tables_of_the_catalogue() {
    let mut expected = Vec::new();
    let mut group = None;
    for operator in Filter::catalogue() {
        if group.replace(operator.group) != Some(operator.group) {
            expected.push(format!("### {}", operator.group.title()));
        }
        let name = format!("~{} {}", operator.name, operator.argument);
        let example = operator.example.replace('|', "\\|");
        expected.push(format!("| `{}` | {} | `{example}` |", name.trim(), operator.meaning));
    }
    let section = PAGE.split("## Operators").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
    let is_row = |line: &&str| line.starts_with("### ") || line.starts_with("| `~");
    assert_eq!(section.lines().filter(is_row).collect::<Vec<_>>(), expected);
}

#[test]
fn filters_of_the_page_can_be_read() {
    let mut read = 0;
    for line in PAGE.lines().filter(|line| line.starts_with("sidelight flows list --filter '")) {
        let filter = line.split('\'').nth(1).unwrap();
        Filter::parse(filter).unwrap_or_else(|error| panic!("{filter}: {error}"));
        read += 1;
    }
    assert!(read >= 5);
}
