//! `seeds FOLDER`: writes the seeds of every target into folders of their names, as libFuzzer reads them: the last byte says how.

use std::path::PathBuf;

use afterimage_fuzz::TARGETS;

fn main() -> std::io::Result<()> {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("seeds FOLDER");
        std::process::exit(2);
    };
    for target in TARGETS {
        let folder = folder.join(target.name);
        std::fs::create_dir_all(&folder)?;
        for (at, mut seed) in (target.seeds)().into_iter().enumerate() {
            seed.push(at as u8);
            std::fs::write(folder.join(format!("seed-{at}")), seed)?;
        }
    }
    Ok(())
}
