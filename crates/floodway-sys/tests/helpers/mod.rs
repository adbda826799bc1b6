//! Pairs of connected sockets, one per kind of address.
#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "a failed set-up fails the test; not every file uses all of it"
)]

use std::mem::MaybeUninit;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use floodway_sys::{Errno, socket};

/// Both ends of a connection, non-blocking.
pub struct Pair {
    pub kind: &'static str,
    pub near: OwnedFd,
    pub far: OwnedFd,
}

/// One pair over IPv4, one over IPv6, one Unix.
pub fn pairs() -> Vec<Pair> {
    let unix = UnixStream::pair().unwrap();
    let all = vec![
        tcp("127.0.0.1:0"),
        tcp("[::1]:0"),
        Pair {
            kind: "unix",
            near: unix.0.into(),
            far: unix.1.into(),
        },
    ];
    for pair in &all {
        socket::set_nonblocking(pair.near.as_fd()).unwrap();
        socket::set_nonblocking(pair.far.as_fd()).unwrap();
    }
    all
}

pub fn tcp(address: &'static str) -> Pair {
    let listener = TcpListener::bind(address).unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let far = listener.accept().unwrap().0;
    Pair {
        kind: address,
        near: near.into(),
        far: far.into(),
    }
}

/// Waits until `fd` is readable, writable or in error.
pub fn wait(fd: impl AsFd, flags: rustix::event::PollFlags) -> rustix::event::PollFlags {
    let fd = fd.as_fd();
    let mut watched = [rustix::event::PollFd::new(&fd, flags)];
    let ready = rustix::event::poll(&mut watched, None).unwrap();
    assert_eq!(ready, 1);
    watched[0].revents()
}

pub fn wait_readable(fd: impl AsFd) {
    wait(fd, rustix::event::PollFlags::IN);
}

/// Receives once, as safe bytes.
pub fn receive(fd: impl AsFd, at_most: usize) -> Result<Vec<u8>, Errno> {
    let mut area = vec![MaybeUninit::uninit(); at_most];
    let len = socket::recv(fd.as_fd(), &mut area)?;
    // SAFETY: `recv` has initialised the first `len` bytes.
    Ok(area[..len]
        .iter()
        .map(|byte| unsafe { byte.assume_init() })
        .collect())
}

/// Receives until the end of input.
pub fn receive_all(fd: impl AsFd) -> Result<Vec<u8>, Errno> {
    let mut all = Vec::new();
    loop {
        wait_readable(&fd);
        match receive(&fd, 65_536)? {
            some if some.is_empty() => return Ok(all),
            some => all.extend(some),
        }
    }
}
