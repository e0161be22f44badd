//! Fuzzes `sidelight_fuzz::targets::registry_traffic::registry_traffic`, where it stands what goes in and what must hold.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sidelight_fuzz::targets::registry_traffic::registry_traffic(data));
