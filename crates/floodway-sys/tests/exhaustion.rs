//! The descriptor limit. One test, since the limit is the whole process's.
#![allow(clippy::unwrap_used, reason = "a failed set-up fails the test")]

use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;

use floodway_sys::{Errno, accept, limits};
use rustix::process::{Resource, Rlimit, setrlimit};

#[test]
fn accept_reports_exhaustion_until_the_limit_is_raised() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();

    let hard = limits::nofile().hard;
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(3),
            maximum: Some(hard),
        },
    )
    .unwrap();
    assert_eq!(limits::nofile().soft, 3);
    let full = accept(listener.as_fd()).unwrap_err();
    assert_eq!(full, Errno::MFILE);

    assert_eq!(limits::raise_nofile(), Ok((3, hard)));
    assert_eq!(limits::raise_nofile(), Ok((hard, hard)));
    accept(listener.as_fd()).unwrap();
}
