//! Sockets that change hands, and numbers that a forked process would share.
#![allow(clippy::unwrap_used, reason = "a failed set-up fails the test")]

use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering;

use floodway_sys::Errno;
use floodway_sys::handover::{MAX_DESCRIPTORS, hand_over, take_over};
use floodway_sys::shared_memory::SharedNumbers;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

fn channel() -> (OwnedFd, OwnedFd) {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap()
}

#[test]
fn a_message_carries_as_many_sockets_as_it_may() {
    let (near, far) = channel();
    let pairs: Vec<_> = (0..MAX_DESCRIPTORS)
        .map(|_| UnixStream::pair().unwrap())
        .collect();
    let sent: Vec<BorrowedFd<'_>> = pairs.iter().map(|(one, _)| one.as_fd()).collect();
    hand_over(near.as_fd(), &sent).unwrap();
    let mut taken = Vec::new();
    assert_eq!(take_over(far.as_fd(), &mut taken), Ok(MAX_DESCRIPTORS));
    assert_eq!(taken.len(), MAX_DESCRIPTORS);
    for (fd, (_, other)) in taken.into_iter().zip(&pairs) {
        assert!(
            rustix::io::fcntl_getfd(&fd)
                .unwrap()
                .contains(rustix::io::FdFlags::CLOEXEC)
        );
        let mut other = other;
        other.write_all(b"hello").unwrap();
        let mut got = [0; 5];
        UnixStream::from(fd).read_exact(&mut got).unwrap();
        assert_eq!(&got, b"hello");
    }
}

#[test]
fn who_finds_nothing_is_told_to_come_again() {
    let (near, far) = channel();
    assert_eq!(take_over(far.as_fd(), &mut Vec::new()), Err(Errno::AGAIN));
    drop(near);
    assert_eq!(take_over(far.as_fd(), &mut Vec::new()), Err(Errno::PIPE));
}

#[test]
fn who_is_not_listened_to_is_told_to_come_again() {
    let (near, _far) = channel();
    let (one, _other) = UnixStream::pair().unwrap();
    let refused = (0..100_000).find_map(|_| hand_over(near.as_fd(), &[one.as_fd()]).err());
    assert_eq!(refused, Some(Errno::AGAIN));
}

#[test]
fn shared_numbers_begin_at_zero_and_keep_what_they_are_given() {
    let numbers = SharedNumbers::new(1_000).unwrap();
    assert!(numbers.iter().all(|n| n.load(Ordering::Relaxed) == 0));
    numbers[999].store(7, Ordering::Relaxed);
    assert_eq!(numbers[999].fetch_add(1, Ordering::Relaxed), 7);
    assert_eq!(SharedNumbers::new(0).unwrap_err(), Errno::INVAL);
}
