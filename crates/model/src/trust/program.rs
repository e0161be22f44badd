//! What the bytes of a program or library tell of its trust. In: facts found in an executable file. Out: [`Program`].

/// Whether it is started or loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgramKind {
    /// An executable, or one that cannot be told from it.
    Executable,
    /// A shared library.
    Library,
    /// An archive of classes (JAR, JMOD, `modules`) or another container of code.
    Archive,
    /// A script; its first line names the interpreter.
    Script,
}

/// Facts found in a program without running it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// What kind.
    pub kind: ProgramKind,
    /// Telling strings that were found, each once, from the list that `wire::scan` looks for (`x509usefallbackroots`, …).
    pub markers: Vec<&'static str>,
    /// Values behind markers: `("openssldir", "/usr/lib/ssl")`; `go` and `node`: versions; `needed`: a TLS library, curl or Python that is linked,
    /// once for each; `gnutls-file`, `curl-ca-bundle`, `curl-ca-path`, `ca-bundle`: paths of roots compiled into libgnutls, curl, and git or
    /// wget; of scripts `interpreter`, the first line, and `text`, all of it, when it speaks of trust.
    pub values: Vec<(&'static str, String)>,
    /// Modules of a Go program by its build information: path and version.
    pub go_modules: Vec<(String, String)>,
    /// Indexes into the reference list of known roots whose SubjectPublicKeyInfo stands in it (roots compiled in).
    pub known_keys: Vec<u16>,
}
