//! Writes the pages that come from the table of settings into the working directory's `docs/reference/settings.md` and
//! `afterimage.toml`. `cargo run -p afterimage-xtask -- reference` runs it in the right place.

use std::fs;

fn main() -> std::io::Result<()> {
    fs::create_dir_all("docs/reference")?;
    fs::write("docs/reference/settings.md", afterimage_setup::reference_page())?;
    fs::write("afterimage.toml", afterimage_setup::example_toml())
}
