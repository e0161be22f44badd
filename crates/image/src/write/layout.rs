//! An OCI layout in a folder. In: a [`NewImage`]. Out: its blobs beside those that are there, and an entry in `index.json`, which is
//! replaced last: until then nothing of the new image can be seen. Spec: OCI image-spec 1.1 "Image Layout".

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;

use serde_json::{Value, json};

use super::archive::{Names, REF_NAME, index, index_entry, place};
use super::documents::Style;
use super::staged::NewImage;
use super::tar_out::keep;
use super::{WriteError, sha256};

/// The most bytes of an `index.json` that is added to.
const LARGEST_INDEX: u64 = 8 << 20;

/// Writes the image into a layout, which is made where there is none; of the images in it, the one of the same `tag` is replaced.
/// Gives the manifest's digest.
///
/// # Errors
/// When the folder holds something else, or cannot be written; what was in it stays.
pub fn write_oci_layout(image: &mut NewImage<'_>, folder: &Path, tag: Option<&str>) -> Result<String, WriteError> {
    let mut manifests = begin(folder)?;
    for (number, (digest, size)) in image.blobs().into_iter().enumerate() {
        let path = folder.join(place(&digest));
        let there = fs::metadata(&path).is_ok_and(|known| known.is_file() && known.len() == size);
        if !there {
            file(&path, image.open(number)?)?;
        }
    }
    let (media_type, manifest) = image.manifest(Style::Oci)?;
    let digest = sha256(&manifest);
    file(&folder.join(place(&digest)), &manifest[..])?;
    let entry = index_entry(image.config(), &media_type, &digest, manifest.len(), &Names::of_tag(tag));
    let name = |entry: &Value| entry.pointer("/annotations").and_then(|names| names.get(REF_NAME)).cloned();
    manifests.retain(|known| name(known) != name(&entry) || (tag.is_none() && known["digest"] != entry["digest"]));
    manifests.push(entry);
    let text = serde_json::to_vec(&index(manifests)).unwrap_or_default();
    file(&folder.join("index.json"), &text[..])?;
    Ok(digest)
}

/// Makes the folder, or reads what it holds: the entries of its index.
fn begin(folder: &Path) -> Result<Vec<Value>, WriteError> {
    let failed = || WriteError::io("write", folder);
    let occupied = |why| WriteError::Occupied { path: folder.to_owned(), why };
    match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => fs::create_dir_all(folder).map_err(failed())?,
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Err(occupied("is no folder")),
        Err(error) => return Err(failed()(error)),
        Ok(mut entries) => {
            let is_layout = folder.join("oci-layout").is_file();
            if !is_layout && entries.next().is_some() {
                return Err(occupied("is no OCI layout"));
            }
        }
    }
    fs::create_dir_all(folder.join("blobs/sha256")).map_err(failed())?;
    let marker = json!({"imageLayoutVersion": "1.0.0"}).to_string();
    if !folder.join("oci-layout").exists() {
        file(&folder.join("oci-layout"), marker.as_bytes())?;
    }
    let path = folder.join("index.json");
    let text = match fs::File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(WriteError::io("read", &path)(error)),
        Ok(open) => {
            let mut text = Vec::new();
            open.take(LARGEST_INDEX).read_to_end(&mut text).map_err(WriteError::io("read", &path))?;
            text
        }
    };
    let value: Value =
        serde_json::from_slice(&text).map_err(|error| WriteError::Base(format!("{}: {error}", path.display())))?;
    Ok(value.get("manifests").and_then(Value::as_array).cloned().unwrap_or_default())
}

/// Writes a file whole: under another name first, then by rename.
fn file(path: &Path, mut bytes: impl Read) -> Result<(), WriteError> {
    let failed = || WriteError::io("write", path);
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(failed())?;
    let mut temporary = tempfile::Builder::new().prefix(".sidelight-").tempfile_in(folder).map_err(failed())?;
    let mut buffer = vec![0; 256 << 10];
    loop {
        match bytes.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => temporary.write_all(&buffer[..count]).map_err(failed())?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed()(error)),
        }
    }
    keep(temporary, path)
}
