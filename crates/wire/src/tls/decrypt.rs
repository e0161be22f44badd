//! TLS records decrypted from secrets. In: records and a key log. Out: plaintext. Spec: RFC 8446, RFC 5246, RFC 5288, RFC 7905.
