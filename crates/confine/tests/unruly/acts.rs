//! What an unruly worker can be told to do.

use std::os::fd::{AsFd, BorrowedFd};

use afterimage_confine::Answer;

/// A message and its output.
fn answer(message: impl Into<Vec<u8>>, output: impl Into<Vec<u8>>) -> Answer {
    Answer { message: message.into(), output: output.into() }
}

fn say(result: std::io::Result<impl Sized>) -> Answer {
    let words = match result {
        Ok(_) => "done".to_owned(),
        Err(error) => error.raw_os_error().map_or_else(|| error.to_string(), |code| format!("errno {code}")),
    };
    answer(words, "")
}

fn call(result: i64) -> std::io::Result<i64> {
    if result < 0 { Err(std::io::Error::last_os_error()) } else { Ok(result) }
}

/// Does what `message` says. Whatever returns was not prevented, or was refused with an error.
pub fn act(message: &[u8], input: &[u8]) -> Answer {
    let words = String::from_utf8_lossy(message);
    let (verb, what) = words.split_once(' ').unwrap_or((&words, ""));
    match verb {
        "echo" => answer(format!("{} of {}", input.len(), std::process::id()), input),
        "crash" => crash(what),
        "hang" => hang(what),
        "eat" => eat(what),
        "write" => answer("much", vec![1; what.parse().expect("a number")]),
        "file" => say(file(what)),
        "socket" => say(socket(what)),
        "process" => say(process(what)),
        "memory" => say(memory(what)),
        "tamper" => answer(tamper(), ""),
        "talk" => talk(what),
        "descriptors" => answer(format!("{:?}", open_descriptors()), ""),
        "environment" => answer(format!("{:?}", std::env::vars().collect::<Vec<_>>()), ""),
        other => panic!("no such act: {other}"),
    }
}

fn crash(how: &str) -> Answer {
    match how {
        // SAFETY: none; this is what a bug in a decoder does.
        "segv" => unsafe { std::ptr::without_provenance_mut::<u8>(8).write_volatile(1) },
        "abort" => std::process::abort(),
        "exit" => std::process::exit(7),
        "forge" => {
            eprintln!("\nERROR everything is lost");
            std::process::abort()
        }
        _ => panic!("a decoder's assertion"),
    }
    answer("survived", "")
}

fn hang(how: &str) -> Answer {
    match how {
        "busy" => loop {
            std::hint::spin_loop();
        },
        _ => loop {
            std::thread::park();
        },
    }
}

fn eat(how: &str) -> Answer {
    let mut kept = Vec::new();
    match how {
        "much" => kept.push(vec![1u8; 4 << 30]),
        _ => loop {
            kept.push(vec![1u8; 1 << 20]);
        },
    }
    answer(format!("{}", kept.len()), "")
}

fn file(how: &str) -> std::io::Result<()> {
    match how {
        "read" => std::fs::read("/etc/passwd").map(drop),
        "write" => std::fs::write("/tmp/afterimage-unruly", b"x"),
        "list" => std::fs::read_dir("/").map(drop),
        "remove" => std::fs::remove_file("/tmp/afterimage-unruly-none"),
        _ => std::fs::read(format!("/proc/{}/environ", std::os::unix::process::parent_id())).map(drop),
    }
}

fn socket(how: &str) -> std::io::Result<()> {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::{SocketAddr, UnixStream};
    match how.split_once(' ') {
        Some(("tcp", port)) => std::net::TcpStream::connect(("127.0.0.1", port.parse().expect("a port"))).map(drop),
        Some(("listen", _)) => std::net::TcpListener::bind("127.0.0.1:0").map(drop),
        Some(("abstract", name)) => UnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?).map(drop),
        _ => std::net::UdpSocket::bind("127.0.0.1:0").map(drop),
    }
}

fn process(how: &str) -> std::io::Result<()> {
    let parent = std::os::unix::process::parent_id() as i32;
    match how {
        // SAFETY: the child does nothing but end.
        "fork" => match call(unsafe { libc::fork() }.into())? {
            0 => std::process::exit(0),
            _ => Ok(()),
        },
        "thread" => std::thread::Builder::new().spawn(|| ()).map(drop),
        "exec" => {
            let path = c"/bin/true";
            // SAFETY: both lists end with a null pointer.
            call(
                unsafe {
                    libc::execve(path.as_ptr(), [path.as_ptr(), std::ptr::null()].as_ptr(), [std::ptr::null()].as_ptr())
                }
                .into(),
            )
            .map(drop)
        }
        // SAFETY: signal 0 only asks whether it may be sent.
        "signal" => call(unsafe { libc::kill(parent, 0) }.into()).map(drop),
        // SAFETY: passes no memory.
        "trace" => call(unsafe { libc::ptrace(libc::PTRACE_ATTACH, parent, 0, 0) }).map(drop),
        _ => {
            let much = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
            // SAFETY: reads one live struct.
            call(unsafe { libc::setrlimit(libc::RLIMIT_AS, &much) }.into()).map(drop)
        }
    }
}

fn memory(how: &str) -> std::io::Result<()> {
    let protection = if how == "executable" { libc::PROT_READ | libc::PROT_EXEC } else { libc::PROT_READ };
    // SAFETY: a new anonymous mapping at an address of the kernel's choice.
    let at =
        unsafe { libc::mmap(std::ptr::null_mut(), 4096, protection, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0) };
    if at == libc::MAP_FAILED { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}

/// Tries to change the sealed input, by every descriptor that could be it.
fn tamper() -> String {
    let mut tried = Vec::new();
    // Behind the streams come input and output of the job; what is written into the output counts as such.
    for descriptor in 3..4 {
        // SAFETY: writes one byte that lives for the call; a descriptor that is not open is an error.
        let wrote = call(unsafe { libc::write(descriptor, c"!".as_ptr().cast(), 1) } as i64);
        if wrote.as_ref().is_err_and(|error| error.raw_os_error() == Some(libc::EPERM)) {
            // SAFETY: a new shared mapping at an address of the kernel's choice.
            let at = unsafe {
                libc::mmap(std::ptr::null_mut(), 1, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED, descriptor, 0)
            };
            tried.push(if at == libc::MAP_FAILED { "sealed" } else { "mapped" });
        }
    }
    format!("{tried:?}")
}

/// Says something to the parent that no worker says.
fn talk(how: &str) -> Answer {
    let stdin = std::io::stdin();
    let parent = stdin.as_fd();
    let send = |message: &[u8], files: &[BorrowedFd<'_>]| {
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut control = rustix::net::SendAncillaryBuffer::new(&mut space);
        if !files.is_empty() {
            control.push(rustix::net::SendAncillaryMessage::ScmRights(files));
        }
        let message = [std::io::IoSlice::new(message)];
        rustix::net::sendmsg(parent, &message, &mut control, rustix::net::SendFlags::empty()).expect("sent");
    };
    let to_job = |number: u64, bytes: u64| [&number.to_le_bytes()[..], &bytes.to_le_bytes(), b"message"].concat();
    let (how, number) = how.split_once(' ').expect("the number of the job");
    let number = number.parse().expect("a number");
    match how {
        "short" => send(b"?", &[]),
        "long" => send(&[1; 100_000], &[]),
        "empty" => send(&to_job(number, 0)[..16], &[]),
        "more" => send(&to_job(number, 5), &[]),
        "absurd" => send(&to_job(number, u64::MAX), &[]),
        "other" => send(&to_job(number + 1, 0), &[]),
        "descriptors" => send(b"?", &[parent, parent]),
        // The true answer follows, which nobody asked for any more.
        _ => send(&to_job(number, 0), &[]),
    }
    answer("late", "")
}

fn open_descriptors() -> Vec<i32> {
    // SAFETY: only asks whether a number is a descriptor.
    (0..64)
        .filter(|descriptor| unsafe { libc::lseek(*descriptor, 0, libc::SEEK_CUR) } >= 0 || is_pipe_or_socket())
        .collect()
}

fn is_pipe_or_socket() -> bool {
    std::io::Error::last_os_error().raw_os_error() == Some(libc::ESPIPE)
}
