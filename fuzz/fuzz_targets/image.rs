//! Fuzzes `sidelight_fuzz::images::image`, where it stands what goes in and what must hold.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sidelight_fuzz::images::image(data));
