//! HTTP archives. In: JSON text. Out: entries, and back. Spec: HAR 1.2.
