//! The tar of a root file system with changes. In: the old tar, [`Change`]s. Out: a new tar: what is not changed byte for byte, in its
//! order, then the changes.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use sidelight_model::trust::{Change, ChangeKind};
use tempfile::NamedTempFile;

use super::WriteError;

/// A record of a tar.
const RECORD: u64 = 512;

/// Writes `out` as the tar `old` (not compressed) with these changes. `time`: seconds since the epoch that new entries get.
///
/// # Errors
/// When one cannot be read or written; `out` is then as it was before.
pub fn write_root_tar(old: &Path, out: &Path, changes: &[Change], time: u64) -> Result<(), WriteError> {
    let mut source = File::open(old).map_err(WriteError::io("read", old))?;
    let mut magic = [0; 4];
    let read = source.read(&mut magic).map_err(WriteError::io("read", old))?;
    if magic[..read].starts_with(&[0x1f, 0x8b]) || magic == [0x28, 0xb5, 0x2f, 0xfd] {
        return Err(WriteError::Base(format!("{} is compressed: unpack it first (gunzip, zstd -d)", old.display())));
    }
    source.seek(SeekFrom::Start(0)).map_err(WriteError::io("read", old))?;
    let kept = kept_ranges(&source, changes).map_err(WriteError::io("read", old))?;
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let failed = || WriteError::io("write", out);
    let temporary = tempfile::Builder::new().prefix(".sidelight-").tempfile_in(folder).map_err(failed())?;
    let mut writer = BufWriter::with_capacity(256 << 10, temporary);
    for (start, end) in kept {
        source.seek(SeekFrom::Start(start)).map_err(WriteError::io("read", old))?;
        let length = end - start;
        let copied = io::copy(&mut (&source).take(length), &mut writer).map_err(failed())?;
        // The last entry's padding may be cut off.
        io::copy(&mut io::repeat(0).take(length - copied), &mut writer).map_err(failed())?;
    }
    append(&mut writer, changes, time).map_err(failed())?;
    let temporary: NamedTempFile = writer.into_inner().map_err(|error| failed()(error.into_error()))?;
    temporary.as_file().sync_all().map_err(failed())?;
    temporary.persist(out).map_err(|error| failed()(error.error))?;
    Ok(())
}

/// The parts of the old tar that stay, each whole entries with what stands before them.
fn kept_ranges(source: &File, changes: &[Change]) -> io::Result<Vec<(u64, u64)>> {
    let gone: BTreeSet<&str> = changes
        .iter()
        .filter(|change| change.kind != ChangeKind::Dir)
        .map(|change| change.path.trim_start_matches('/'))
        .collect();
    let mut archive = tar::Archive::new(BufReader::with_capacity(256 << 10, source));
    let mut kept: Vec<(u64, u64)> = Vec::new();
    let mut start = 0;
    for entry in archive.entries()? {
        let entry = entry?;
        let length = entry.header().entry_size()?;
        let end = entry.raw_file_position() + length.div_ceil(RECORD) * RECORD;
        let path = entry.path_bytes();
        let path = String::from_utf8_lossy(&path).into_owned();
        let path = path.trim_start_matches("./").trim_matches('/');
        if !gone.contains(path) {
            match kept.last_mut() {
                Some(last) if last.1 == start => last.1 = end,
                _ => kept.push((start, end)),
            }
        }
        start = end;
    }
    Ok(kept)
}

fn append(out: impl Write, changes: &[Change], time: u64) -> io::Result<()> {
    let mut tar = tar::Builder::new(out);
    for change in changes {
        let path = change.path.trim_start_matches('/');
        let mut header = tar::Header::new_gnu();
        header.set_mtime(time);
        header.set_mode(change.mode);
        header.set_uid(change.uid.into());
        header.set_gid(change.gid.into());
        header.set_size(0);
        match &change.kind {
            ChangeKind::File { bytes } => {
                header.set_size(bytes.len() as u64);
                header.set_entry_type(tar::EntryType::Regular);
                tar.append_data(&mut header, path, bytes.as_slice())?;
            }
            ChangeKind::Symlink { target } => {
                header.set_entry_type(tar::EntryType::Symlink);
                tar.append_link(&mut header, path, target)?;
            }
            ChangeKind::Dir => {
                header.set_entry_type(tar::EntryType::Directory);
                tar.append_data(&mut header, format!("{path}/"), io::empty())?;
            }
            ChangeKind::Remove => {}
        }
    }
    tar.into_inner()?.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_changed_stays_byte_for_byte() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (folder.path().join("old.tar"), folder.path().join("new.tar"));
        let mut tar = tar::Builder::new(Vec::new());
        let long = format!("./{}/file", "long".repeat(40));
        for (path, bytes) in [("./a", "one"), ("etc/bundle", "old"), (long.as_str(), "kept")] {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o640);
            tar.append_data(&mut header, path, bytes.as_bytes()).unwrap();
        }
        std::fs::write(&old, tar.into_inner().unwrap()).unwrap();
        let change = |path: &str, kind| Change { path: path.to_owned(), kind, mode: 0o644, uid: 5, gid: 6 };
        let changes = [
            change("/etc/bundle", ChangeKind::File { bytes: b"new".to_vec() }),
            change("/a", ChangeKind::Remove),
            change("/link", ChangeKind::Symlink { target: "etc/bundle".into() }),
        ];
        write_root_tar(&old, &new, &changes, 7).unwrap();
        let bytes = std::fs::read(&new).unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let mut found = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().to_string_lossy().into_owned();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            found.push((path, text, entry.header().mode().unwrap()));
        }
        let kept = long.trim_start_matches("./").to_owned();
        assert_eq!(found[0], (long.clone(), "kept".into(), 0o640), "{kept}");
        assert_eq!(found[1], ("etc/bundle".into(), "new".into(), 0o644));
        assert_eq!(found[2].0, "link");
        assert_eq!(found.len(), 3);
        std::fs::write(&old, [0x1f, 0x8b, 8, 0]).unwrap();
        assert!(write_root_tar(&old, &new, &changes, 7).unwrap_err().to_string().contains("gunzip"));
    }
}
