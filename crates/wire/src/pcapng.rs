//! pcapng files: blocks to bytes and back. In: values. Out: bytes. Spec: draft-ietf-opsawg-pcapng.
