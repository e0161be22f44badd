//! Effective trust of hand-made surveys.
