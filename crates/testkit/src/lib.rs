//! Peers, certificates and scripted conversations for the tests of sidelight.
