//! `registry check` and `registry explain` as people use them: settings of clients, connections, pasted words. In: small servers, files, texts.
//! Out: what is heeded, named and said. All causes, by all verbs: `registry_faults`.

mod connections;
mod program;
mod real;
mod settings;
mod texts;
