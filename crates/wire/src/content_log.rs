//! Our content log: one self-delimiting record a message. In: records. Out: bytes, and back.
