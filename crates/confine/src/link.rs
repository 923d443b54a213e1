//! The socket between parent and child: whole messages with up to two descriptors each. It must never wait for a peer that may
//! be hostile longer than it is told, nor take more from it than fits.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::cmsg_space;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

/// The longest message, either way.
pub const MESSAGE_BYTES_MAX: usize = 64 << 10;

/// Descriptors that a message carries at most.
const DESCRIPTORS_MAX: usize = 2;

/// Two ends of a new link. Neither outlives an exec.
pub(crate) fn pair() -> Result<(OwnedFd, OwnedFd), Errno> {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
}

/// Sends one message. The queue of a peer that is waiting for it is empty, so there is room.
pub(crate) fn send(link: impl AsFd, message: &[u8], descriptors: &[BorrowedFd<'_>]) -> Result<(), Errno> {
    if message.len() > MESSAGE_BYTES_MAX {
        return Err(Errno::MSGSIZE);
    }
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(Errno::MSGSIZE);
    }
    let sent = sendmsg(link, &[IoSlice::new(message)], &mut control, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)?;
    if sent == message.len() { Ok(()) } else { Err(Errno::MSGSIZE) }
}

/// A message and the descriptors that came with it.
pub(crate) type Received = (Vec<u8>, Vec<OwnedFd>);

/// Takes one message; `None` where the peer has closed its end. Waits for ever.
pub(crate) fn receive(link: impl AsFd) -> Result<Option<Received>, Errno> {
    let mut message = vec![0; MESSAGE_BYTES_MAX];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let got = loop {
        match recvmsg(&link, &mut [IoSliceMut::new(&mut message)], &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(Errno::INTR) => {}
            // A peer that died with a message of ours unread.
            Err(Errno::CONNRESET) => return Ok(None),
            got => break got?,
        }
    };
    let descriptors = control.drain().flat_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => descriptors.collect::<Vec<_>>(),
        _ => Vec::new(),
    });
    let descriptors: Vec<OwnedFd> = descriptors.collect();
    if got.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
        return Err(Errno::MSGSIZE);
    }
    // An empty message cannot be told from an end; neither side sends one.
    if got.bytes == 0 {
        return Ok(None);
    }
    message.truncate(got.bytes);
    Ok(Some((message, descriptors)))
}

/// Whether there is something to take, or the end, within a time.
pub(crate) fn is_ready(link: impl AsFd, within: Duration) -> bool {
    let timeout = Timespec { tv_sec: within.as_secs() as i64, tv_nsec: within.subsec_nanos().into() };
    let mut polled = [PollFd::new(&link, PollFlags::IN)];
    matches!(poll(&mut polled, Some(&timeout)), Ok(1..))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sheet;

    #[test]
    fn messages_arrive_whole_with_what_they_carry() {
        let (here, there) = pair().expect("a pair");
        let file = sheet::sealed(b"picture").expect("a memory file");
        send(&here, &[1; MESSAGE_BYTES_MAX], &[file.as_fd(), file.as_fd()]).expect("at the bound");
        assert_eq!(send(&here, &[1; MESSAGE_BYTES_MAX + 1], &[]), Err(Errno::MSGSIZE));
        assert!(is_ready(&there, Duration::ZERO));
        let (message, files) = receive(&there).expect("receives").expect("a message");
        assert_eq!((message.len(), files.len()), (MESSAGE_BYTES_MAX, 2));
        assert!(!is_ready(&there, Duration::from_millis(1)));
        drop(here);
        assert!(receive(&there).expect("the end").is_none());
    }

    #[test]
    fn more_than_fits_is_refused() {
        let (here, there) = pair().expect("a pair");
        let sent = rustix::net::send(&here, &[0; MESSAGE_BYTES_MAX + 1], SendFlags::empty());
        assert_eq!(sent, Ok(MESSAGE_BYTES_MAX + 1));
        assert_eq!(receive(&there).err(), Some(Errno::MSGSIZE));
    }
}
