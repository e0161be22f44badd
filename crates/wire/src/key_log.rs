//! Key logs in the NSS format. In: lines. Out: values, and back. Spec: RFC 9850.
