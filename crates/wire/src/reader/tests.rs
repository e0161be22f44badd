//! Readers on the spot: what a fault costs whom. The proof is in testkit, where the real programs read the same files.
