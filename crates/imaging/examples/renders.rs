//! `renders FILE QUERY WIDTH_FIRST WIDTH_LAST THREADS [SETTING...]`: renders a file once in every width of a range, on so many threads
//! of one process, and prints wall seconds, CPU seconds and bytes made. What `bench/run renders` sets beside sharp as a library.
//! Settings are `linear-light`, `fast` (`output.scaling`) and `small` (`output.png_effort`).

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Instant;

use afterimage_imaging::{Never, PngEffort, Scaling, Settings, render};
use afterimage_variant::{Grant, Rules, Variant, Wanted, resolve};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, query, first, last, threads, words @ ..] = arguments.as_slice() else {
        eprintln!("renders FILE QUERY WIDTH_FIRST WIDTH_LAST THREADS [SETTING...]");
        std::process::exit(2);
    };
    let number = |text: &str| text.parse::<u32>().unwrap_or_else(|error| panic!("{text}: {error}"));
    let (first, last, threads) = (number(first), number(last), number(threads));
    let bytes = std::fs::read(file).unwrap_or_else(|error| panic!("{file}: {error}"));
    let mut settings = Settings::default();
    for word in words {
        match word.as_str() {
            "linear-light" => settings.linear_light = true,
            "fast" => settings.scaling = Scaling::Fast,
            "small" => settings.png_effort = PngEffort::Small,
            other => panic!("no setting is called {other}"),
        }
    }
    let made = |width: u32| {
        let rendered = render(&bytes, &variant(&format!("{query}&w={width}")), &settings, &Never);
        rendered.unwrap_or_else(|error| panic!("{file} at {width}: {error}")).bytes.len()
    };
    // Tables, code pages and buffers of the allocator are there from the third render on.
    made(first);
    made(last);
    let (next, total) = (AtomicU32::new(first), AtomicUsize::new(0));
    let (began, cpu_began) = (Instant::now(), cpu_seconds());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let width = next.fetch_add(1, Ordering::Relaxed);
                    if width > last {
                        return;
                    }
                    total.fetch_add(made(width), Ordering::Relaxed);
                }
            });
        }
    });
    let seconds = began.elapsed().as_secs_f64();
    println!("{seconds:.4} {:.2} {}", cpu_seconds() - cpu_began, total.into_inner());
}

fn variant(query: &str) -> Variant {
    match resolve(&Rules::default(), &format!("/x.jpg?{query}"), None, Grant::Open).map(|resolution| resolution.wanted)
    {
        Ok(Wanted::Variant(variant)) => *variant,
        other => panic!("{query}: {other:?}"),
    }
}

/// User and system time of this process. The kernel counts them in hundredths of a second.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program, in brackets, may hold spaces.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}
