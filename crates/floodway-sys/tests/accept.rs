//! Accepting over IPv4, IPv6 and Unix.
#![allow(clippy::unwrap_used, reason = "a failed set-up fails the test")]

mod helpers;

use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;

use floodway_sys::{Errno, SocketAddress, UnixName, accept};
use helpers::{receive, wait_readable};

#[test]
fn accept_gives_a_nonblocking_descriptor_and_the_peers_address() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let listener = TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        assert_eq!(accept(listener.as_fd()).unwrap_err(), Errno::AGAIN);
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        wait_readable(&listener);
        let (fd, peer) = accept(listener.as_fd()).unwrap();
        assert_eq!(peer, client.local_addr().unwrap().into());
        assert_eq!(receive(&fd, 8), Err(Errno::AGAIN));
        assert!(
            rustix::io::fcntl_getfd(&fd)
                .unwrap()
                .contains(rustix::io::FdFlags::CLOEXEC)
        );
        assert_eq!(accept(listener.as_fd()).unwrap_err(), Errno::AGAIN);
    }
}

/// The peer chooses its name: the longest one fills `sun_path` to the last byte, without a terminator.
#[test]
fn accept_survives_every_shape_of_unix_name() {
    let folder = std::env::temp_dir().join(format!("fw-accept-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let listener_path = folder.join("listener");
    let listener = UnixListener::bind(&listener_path).unwrap();
    listener.set_nonblocking(true).unwrap();
    let server = rustix::net::SocketAddrUnix::new(listener_path.as_path()).unwrap();

    let longest = folder.join("x".repeat(107 - folder.as_os_str().len()));
    assert_eq!(longest.as_os_str().len(), 108);
    let paths = [folder.join("short"), longest];
    let bound = paths.iter().map(|path: &PathBuf| {
        (
            rustix::net::SocketAddrUnix::new(path.as_path()).unwrap(),
            UnixName::Path(path.clone()),
        )
    });
    let hidden = [&b""[..], b"a\0b", &[0xff; 107]].map(|name| {
        (
            rustix::net::SocketAddrUnix::new_abstract_name(name).unwrap(),
            UnixName::Abstract(name.to_vec()),
        )
    });
    // A bind to the empty abstract name is allowed.
    for (address, expected) in bound.chain(hidden) {
        let client = rustix::net::socket(
            rustix::net::AddressFamily::UNIX,
            rustix::net::SocketType::STREAM,
            None,
        )
        .unwrap();
        rustix::net::bind(&client, &address).unwrap();
        rustix::net::connect(&client, &server).unwrap();
        let (_, peer) = accept(listener.as_fd()).unwrap();
        assert_eq!(peer, SocketAddress::Unix(expected));
    }

    let _unnamed = UnixStream::connect(&listener_path).unwrap();
    let (_, peer) = accept(listener.as_fd()).unwrap();
    assert_eq!(peer, SocketAddress::Unix(UnixName::Unnamed));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_client_that_has_gone_is_still_accepted_or_is_transient() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    floodway_sys::socket::set_linger_zero(client.as_fd()).unwrap();
    wait_readable(&listener);
    drop(client);
    match accept(listener.as_fd()) {
        Ok((fd, _)) => assert_eq!(receive(&fd, 8), Err(Errno::CONNRESET)),
        Err(errno) => assert!(floodway_sys::is_transient_accept_error(errno), "{errno}"),
    }
}
