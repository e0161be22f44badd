//! `registry check` and `registry explain` against provoked failures. In: small servers that fail in one way each. Out: the cause that
//! is named, and what skopeo prints for the same failure explained to the same cause.

mod connections;
mod refusals;
mod server;
mod settings;
mod texts;
