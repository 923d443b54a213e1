#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| afterimage_fuzz::run("jpeg", input));
