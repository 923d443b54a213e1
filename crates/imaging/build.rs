//! Compiles the few lines of C that write JPEG by libjpeg's own interface, which comes with turbojpeg-sys.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "native")]
    {
        println!("cargo::rerun-if-changed=src/jpeg/write.c");
        let mut build = cc::Build::new();
        // Several folders are separated by commas; where the library was found by pkg-config there may be none.
        for folder in std::env::var("DEP_TURBOJPEG_INCLUDE").iter().flat_map(|folders| folders.split(',')) {
            build.include(folder);
        }
        build.file("src/jpeg/write.c").warnings_into_errors(false).compile("afterimage_jpeg");
    }
}
