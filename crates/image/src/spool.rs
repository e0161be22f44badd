//! Archives that cannot be read twice. In: a stream. Out: a file without a name, which vanishes with the process. It is the only
//! thing that reading an image ever writes.

use std::fs::File;
use std::io::{self, Read, Write};

use crate::error::Error;
use crate::limits::Limits;

/// Copies a stream into an unlinked file in the folder for temporary files.
pub(crate) fn spool(mut stream: impl Read, what: &str, limits: &Limits) -> Result<File, Error> {
    let mut file = tempfile::tempfile().map_err(Error::io(format!("a temporary file for {what}")))?;
    let mut buffer = vec![0; 256 << 10];
    let mut count = 0_u64;
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(file),
            Ok(step) => {
                count += step as u64;
                if count > limits.spool {
                    return Err(Error::limit(what, format!("has more than {} bytes", limits.spool)));
                }
                file.write_all(&buffer[..step]).map_err(Error::io(format!("a temporary file for {what}")))?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io(what)(error)),
        }
    }
}
