//! HTTP archives, written live. In: exchanges. Out: HAR 1.2, valid at every moment it is looked at by `flows export`.
