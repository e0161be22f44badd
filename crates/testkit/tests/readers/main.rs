//! What real programs make of bundles with one fault, against what `wire::reader` foretells. In: the programs that `cargo xtask setup` installs.
//! Out: every cell of faults × programs, or the list of those that were foretold wrongly.

mod clients;
mod corpus;

use std::path::{Path, PathBuf};
use std::process::Command;

use clients::Client;
use corpus::{Case, Material};
use sidelight_model::trust::{Entry, Format, Pool, Reader, Reading};
use sidelight_testkit::process::run;
use sidelight_testkit::{Leaf, Origin};
use sidelight_wire::{jks, pem, reader};
use tempfile::TempDir;

#[test]
fn every_reader_is_foretold() {
    let folder = TempDir::new().expect("a temporary folder");
    let material = Material::new(folder.path());
    let cases = material.cases();
    let foretold: Vec<Foretold> = cases.iter().map(|case| Foretold::of(case, &material)).collect();
    let hashes = ["a.pem", "b.pem", "c.pem"].map(|name| hash_of(&folder.path().join(name)));
    let files: Vec<(PathBuf, PathBuf)> =
        cases.iter().enumerate().map(|(index, case)| lay_out(folder.path(), index, &case.bytes, &hashes)).collect();
    let leaf = Leaf::named(&["localhost", "127.0.0.1"]);
    let servers: Vec<Origin> =
        material.roots.iter().map(|root| Origin::https("127.0.0.1:0", &root.issue(&leaf), &["http/1.1"])).collect();
    let addresses: Vec<_> = servers.iter().map(Origin::address).collect();
    let mut wrong = Vec::new();
    let mut cells = 0;
    for client in clients::all(folder.path()) {
        let rows = client.ask(&addresses, &files);
        cells += 3 * rows.len();
        for ((case, foretold), row) in cases.iter().zip(&foretold).zip(rows) {
            println!("{}|{}|{:?}|{row}", case.name, client.name, client.reader);
            wrong.extend(foretold.differs(case, &client, &row));
        }
    }
    assert!(wrong.is_empty(), "{} of {cells} cells' rows were foretold wrongly:\n{}", wrong.len(), wrong.join("\n"));
    println!("{cells} cells, all foretold");
}

/// What the emulations say of one file.
struct Foretold {
    readings: Vec<Reading>,
    /// For each entry, which of the three roots it is.
    roots: Vec<Option<usize>>,
}

impl Foretold {
    fn of(case: &Case, material: &Material) -> Self {
        let (format, found) = entries(&case.bytes, material);
        let mut pool = Pool::default();
        let entries: Vec<(Entry, Vec<u8>)> =
            found.into_iter().filter_map(|(offset, der)| Some((entry(pool.add(&der).ok()?, offset), der))).collect();
        let borrowed: Vec<(&Entry, &[u8])> = entries.iter().map(|(entry, der)| (entry, der.as_slice())).collect();
        let root = |der: &[u8]| material.roots.iter().position(|root| der.starts_with(root.der()));
        Self {
            readings: reader::readings(format, &case.bytes, &borrowed),
            roots: entries.iter().map(|(_, der)| root(der)).collect(),
        }
    }

    fn row(&self, reader: Reader) -> String {
        let taken: Vec<usize> = self
            .readings
            .iter()
            .find(|reading| reading.reader == reader)
            .map(|reading| reading.taken.iter().filter_map(|index| self.roots[*index]).collect())
            .unwrap_or_default();
        (0..3).map(|root| if taken.contains(&root) { '1' } else { '0' }).collect()
    }

    fn differs(&self, case: &Case, client: &Client, row: &str) -> Option<String> {
        let foretold = self.row(client.reader);
        (foretold != row).then(|| format!("{}, {}: foretold {foretold}, is {row}", case.name, client.name))
    }
}

fn entry(cert: sidelight_model::trust::CertId, offset: Option<usize>) -> Entry {
    Entry { cert, alias: None, label: None, line: None, offset, bits: None, is_anchor: true }
}

/// The form of a file, and all certificates that are in it by any means, as the scanner finds them.
fn entries(bytes: &[u8], material: &Material) -> (Format, Vec<(Option<usize>, Vec<u8>)>) {
    let all = || material.roots.iter().map(|root| (None, root.der().to_vec())).collect();
    let signed_data = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02";
    if bytes.starts_with(b"\xfe\xed\xfe\xed") {
        let (store, faults) = jks::read(bytes, None).expect("a key store");
        assert!(faults.is_empty() && store.len() == 3);
        return (Format::Jks, all());
    }
    if bytes.get(4..7) == Some(&[0x02, 0x01, 0x03]) {
        return (Format::Pkcs12, Vec::new());
    }
    if bytes.get(4..15) == Some(signed_data) || bytes.starts_with(b"-----BEGIN PKCS7") {
        return (Format::Pkcs7, all());
    }
    let mut found = Vec::new();
    let mut rest = bytes;
    while let [0x30, 0x82, high, low, ..] = rest {
        let length = 4 + usize::from(*high) * 256 + usize::from(*low);
        found.push((Some(bytes.len() - rest.len()), rest[..length].to_vec()));
        rest = &rest[length..];
    }
    if !found.is_empty() {
        return (Format::Der, found);
    }
    let blocks = pem::read(bytes).0.into_iter().filter(pem::Block::is_certificate);
    let mut found: Vec<_> = blocks.map(|block| (Some(block.bytes.0), block.data)).collect();
    let known: Vec<&[u8]> = found.iter().map(|(_, der)| der.as_slice()).collect();
    let unlisted = reader::unlisted(bytes, &known);
    found.extend(unlisted.into_iter().map(|(offset, der)| (Some(offset), der)));
    (Format::Pem, found)
}

fn hash_of(file: &Path) -> String {
    let mut openssl = Command::new("openssl");
    run(openssl.args(["x509", "-noout", "-hash", "-in"]).arg(file)).success().text().trim().to_owned()
}

/// The file, and a folder with a hash link to it for each of the three roots.
fn lay_out(folder: &Path, index: usize, bytes: &[u8], hashes: &[String]) -> (PathBuf, PathBuf) {
    let file = folder.join(format!("case-{index}.pem"));
    std::fs::write(&file, bytes).expect("a file");
    let hashed = folder.join(format!("hashed-{index}"));
    std::fs::create_dir(&hashed).expect("a folder");
    for hash in hashes {
        std::os::unix::fs::symlink(&file, hashed.join(format!("{hash}.0"))).expect("a link");
    }
    (file, hashed)
}
