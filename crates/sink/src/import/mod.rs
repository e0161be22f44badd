//! Captures of other tools, read back. In: files. Out: the same calls that live traffic makes.
