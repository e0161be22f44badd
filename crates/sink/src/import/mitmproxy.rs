//! Flow files of mitmproxy. In: flows as tnetstrings. Out: their exchanges and messages.

use super::input::Input;
use super::intake::Intake;
use super::{Damage, Format, ImportError, ImportOptions};

/// Whether a file that begins with these bytes is in this format.
pub(super) fn recognises(_head: &[u8]) -> bool {
    false
}

/// Reads the whole input.
pub(super) fn run(
    input: &mut Input<'_>,
    _options: &ImportOptions,
    _out: &mut Intake<'_>,
) -> Result<Vec<Damage>, ImportError> {
    let (file, offset) = (input.file().to_owned(), input.offset());
    Err(ImportError::Malformed {
        file,
        format: Format::Mitmproxy,
        offset,
        what: "the format cannot be read yet".into(),
    })
}
