//! The menu of tasks: `cargo run -p xtask -- TASK`. A task is a few lines here or a command that could be typed; it never
//! does what a test or `.ci/run` does otherwise.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// One task: its name, what it does in one line, and doing it.
type Task = (&'static str, &'static str, fn(&Path) -> io::Result<bool>);

/// Every task in one line.
const TASKS: &[Task] = &[
    ("demo", "builds, and serves a copy of the sample pictures (./demo)", |root| run(root, "./demo", &[])),
    ("check", "runs every test (./check)", |root| run(root, "./check", &[])),
    ("ci", "runs all that a change has to pass (.ci/run)", |root| run(root, ".ci/run", &[])),
    ("rules", "runs the rules of the workspace: imports, forbidden crates, links, lengths", rules),
    ("reference", "writes docs/reference/settings.md and afterimage.toml from the table of settings", reference),
    ("completions", "writes completion scripts for every shell to target/completions", completions),
    ("bench", "runs the micro-benchmarks of parse, hit, resize and encode", |root| {
        run(root, "cargo", &["bench", "--workspace"])
    }),
];

fn main() -> ExitCode {
    let wanted = std::env::args().nth(1);
    let Some(wanted) = wanted else {
        menu();
        return ExitCode::SUCCESS;
    };
    let Some((_, _, task)) = TASKS.iter().find(|(name, _, _)| *name == wanted) else {
        eprintln!("there is no task \"{wanted}\"; these are all:");
        menu();
        return ExitCode::from(2);
    };
    match task(&root()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{wanted}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn menu() {
    for (name, about, _) in TASKS {
        println!("{name:<13}{about}");
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn run(root: &Path, program: &str, arguments: &[&str]) -> io::Result<bool> {
    Ok(Command::new(program).args(arguments).current_dir(root).status()?.success())
}

fn rules(root: &Path) -> io::Result<bool> {
    run(root, "cargo", &["test", "-q", "--profile", "checked", "-p", "xtask"])
}

fn reference(root: &Path) -> io::Result<bool> {
    let pages = [
        ("docs/reference/settings.md", afterimage_setup::reference_page()),
        ("afterimage.toml", afterimage_setup::example_toml()),
    ];
    for (path, text) in pages {
        fs::write(root.join(path), text)?;
        println!("{path}");
    }
    Ok(true)
}

fn completions(root: &Path) -> io::Result<bool> {
    let folder = root.join("target/completions");
    fs::create_dir_all(&folder)?;
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let arguments = ["run", "-q", "--profile", "checked", "-p", "afterimage", "--", "completions", shell];
        let output =
            Command::new("cargo").args(arguments).current_dir(root).stderr(std::process::Stdio::inherit()).output()?;
        if !output.status.success() {
            return Ok(false);
        }
        let path = folder.join(format!("afterimage.{shell}"));
        fs::write(&path, output.stdout)?;
        println!("{}", path.display());
    }
    Ok(true)
}
