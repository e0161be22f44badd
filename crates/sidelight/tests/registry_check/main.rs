//! `registry check` and `registry explain` against provoked failures. In: small servers that fail in one way each. Out: the cause that
//! is named, and what skopeo prints for the same failure explained to the same cause.

mod connections;
mod program;
mod refusals;
mod settings;
mod texts;
