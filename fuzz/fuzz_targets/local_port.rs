//! Fuzzes `sidelight_fuzz::targets::registry::local_port`, where it stands what goes in and what must hold.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sidelight_fuzz::targets::registry::local_port(data));
