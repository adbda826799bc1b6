//! Stream sockets over IPv4, IPv6 and Unix.
#![allow(clippy::unwrap_used, reason = "a failed set-up fails the test")]

mod helpers;

use std::io::IoSlice;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixListener;
use std::time::Duration;

use floodway_sys::socket::{self, ConnectProgress};
use floodway_sys::{Errno, SocketAddress, UnixName};
use helpers::{pairs, receive, receive_all, tcp, wait, wait_readable};
use rustix::event::PollFlags;
use rustix::net::sockopt;

#[test]
fn send_vectored_joins_its_slices_in_order() {
    for pair in pairs() {
        let slices = [
            IoSlice::new(b"half "),
            IoSlice::new(b""),
            IoSlice::new(b"and half"),
        ];
        assert_eq!(
            socket::send_vectored(pair.near.as_fd(), &slices),
            Ok(13),
            "{}",
            pair.kind
        );
        wait_readable(&pair.far);
        assert_eq!(
            receive(&pair.far, 64).unwrap(),
            b"half and half",
            "{}",
            pair.kind
        );
    }
}

#[test]
fn recv_stops_at_the_end_of_its_area_and_leaves_the_rest() {
    for pair in pairs() {
        assert_eq!(receive(&pair.far, 8), Err(Errno::AGAIN), "{}", pair.kind);
        socket::send(pair.near.as_fd(), b"abcdef").unwrap();
        wait_readable(&pair.far);
        assert_eq!(receive(&pair.far, 4).unwrap(), b"abcd");
        assert_eq!(receive(&pair.far, 4).unwrap(), b"ef");
        assert_eq!(receive(&pair.far, 4), Err(Errno::AGAIN));
    }
}

#[test]
fn a_partial_send_says_how_much_was_taken_and_loses_nothing() {
    for pair in pairs() {
        let payload: Vec<u8> = (0..16_u32 << 20).map(|at| (at % 251) as u8).collect();
        let sent = socket::send_vectored(pair.near.as_fd(), &[IoSlice::new(&payload)]).unwrap();
        assert!(sent > 0 && sent < payload.len(), "{}: {sent}", pair.kind);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| receive_all(&pair.far).unwrap());
            let mut rest = &payload[sent..];
            while !rest.is_empty() {
                wait(&pair.near, PollFlags::OUT);
                match socket::send_vectored(pair.near.as_fd(), &[IoSlice::new(rest)]) {
                    Ok(more) => rest = &rest[more..],
                    Err(errno) => assert_eq!(errno, Errno::AGAIN),
                }
            }
            socket::shutdown_write(pair.near.as_fd()).unwrap();
            assert!(reader.join().unwrap() == payload, "{}", pair.kind);
        });
    }
}

#[test]
fn more_slices_than_the_kernel_takes_are_refused_whole() {
    let pair = tcp("127.0.0.1:0");
    let slices = vec![IoSlice::new(b"x"); 1_025];
    assert_eq!(
        socket::send_vectored(pair.near.as_fd(), &slices[..1_024]),
        Ok(1_024)
    );
    assert_eq!(
        socket::send_vectored(pair.near.as_fd(), &slices),
        Err(Errno::MSGSIZE)
    );
}

#[test]
fn half_close_ends_one_direction_only() {
    for pair in pairs() {
        socket::send(pair.near.as_fd(), b"question").unwrap();
        socket::shutdown_write(pair.near.as_fd()).unwrap();
        assert_eq!(
            receive_all(&pair.far).unwrap(),
            b"question",
            "{}",
            pair.kind
        );
        socket::send(pair.far.as_fd(), b"answer").unwrap();
        wait_readable(&pair.near);
        assert_eq!(receive(&pair.near, 64).unwrap(), b"answer", "{}", pair.kind);
    }
}

#[test]
fn linger_zero_resets_the_peer_and_take_error_clears_it() {
    let pair = tcp("127.0.0.1:0");
    socket::set_linger_zero(pair.near.as_fd()).unwrap();
    drop(pair.near);
    let seen = wait(&pair.far, PollFlags::IN);
    assert!(seen.contains(PollFlags::ERR | PollFlags::HUP), "{seen:?}");
    assert_eq!(
        socket::take_error(pair.far.as_fd()),
        Ok(Some(Errno::CONNRESET))
    );
    assert_eq!(socket::take_error(pair.far.as_fd()), Ok(None));
}

#[test]
fn sending_to_a_peer_that_is_gone_is_an_error_and_no_signal() {
    // Rust ignores SIGPIPE at start; with the default action back, a signal would end this test's process.
    // SAFETY: installing the default action touches no Rust code.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    for pair in pairs() {
        drop(pair.far);
        // TCP hears of the reset only in answer to a first send.
        let ended = loop {
            match socket::send(pair.near.as_fd(), b"x") {
                Ok(_) => wait(&pair.near, PollFlags::RDHUP | PollFlags::IN),
                Err(errno) => break errno,
            };
        };
        assert!(
            [Errno::PIPE, Errno::CONNRESET].contains(&ended),
            "{}: {ended}",
            pair.kind
        );
    }
}

#[test]
fn unacknowledged_counts_what_the_peer_has_not_taken() {
    for pair in pairs() {
        assert_eq!(
            socket::unacknowledged(pair.near.as_fd()),
            Ok(0),
            "{}",
            pair.kind
        );
        let all = vec![7; 8 << 20];
        let sent = socket::send(pair.near.as_fd(), &all).unwrap();
        assert!(
            socket::unacknowledged(pair.near.as_fd()).unwrap() > 0,
            "{}",
            pair.kind
        );
        let mut received = 0;
        while received < sent {
            wait_readable(&pair.far);
            received += receive(&pair.far, 1 << 20).unwrap().len();
        }
        // The last acknowledgement of TCP may be delayed (40 ms), and no descriptor reports it.
        while socket::unacknowledged(pair.near.as_fd()).unwrap() > 0 {
            std::thread::yield_now();
        }
    }
}

#[test]
fn both_ends_agree_on_their_addresses() {
    for pair in [tcp("127.0.0.1:0"), tcp("[::1]:0")] {
        let (near, far) = (pair.near.as_fd(), pair.far.as_fd());
        assert_eq!(socket::local_address(near), socket::peer_address(far));
        assert_eq!(socket::peer_address(near), socket::local_address(far));
    }
}

#[test]
fn tcp_is_told_from_unix_sockets() {
    let answers: Vec<_> = pairs()
        .iter()
        .map(|pair| socket::is_tcp(pair.near.as_fd()).unwrap())
        .collect();
    assert_eq!(answers, [true, true, false]);
}

#[test]
fn options_reach_the_kernel() {
    for pair in [tcp("127.0.0.1:0"), tcp("[::1]:0")] {
        let fd = pair.near.as_fd();
        for on in [true, false] {
            socket::set_nodelay(fd, on).unwrap();
            assert_eq!(sockopt::tcp_nodelay(fd), Ok(on));
        }
        socket::set_keepalive(fd, Some(Duration::from_millis(1_500))).unwrap();
        assert_eq!(sockopt::socket_keepalive(fd), Ok(true));
        assert_eq!(sockopt::tcp_keepidle(fd), Ok(Duration::from_secs(2)));
        socket::set_keepalive(fd, None).unwrap();
        assert_eq!(sockopt::socket_keepalive(fd), Ok(false));
    }
}

#[test]
fn a_duplicate_is_another_close_on_exec_descriptor_of_the_same_socket() {
    let pair = tcp("127.0.0.1:0");
    let copy = socket::duplicate(pair.near.as_fd()).unwrap();
    assert_ne!(copy.as_raw_fd(), pair.near.as_raw_fd());
    assert!(
        rustix::io::fcntl_getfd(&copy)
            .unwrap()
            .contains(rustix::io::FdFlags::CLOEXEC)
    );
    drop(pair.near);
    socket::send(copy.as_fd(), b"still here").unwrap();
    wait_readable(&pair.far);
    assert_eq!(receive(&pair.far, 64).unwrap(), b"still here");
}

#[test]
fn connect_reaches_tcp_listeners() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let listener = TcpListener::bind(address).unwrap();
        let target = SocketAddress::from(listener.local_addr().unwrap());
        let (fd, progress) = socket::connect(&target).unwrap();
        if progress == ConnectProgress::InProgress {
            wait(&fd, PollFlags::OUT);
        }
        assert_eq!(socket::take_error(fd.as_fd()), Ok(None));
        assert_eq!(socket::peer_address(fd.as_fd()), Ok(target));
        assert!(
            rustix::io::fcntl_getfd(&fd)
                .unwrap()
                .contains(rustix::io::FdFlags::CLOEXEC)
        );
        assert_eq!(receive(&fd, 8), Err(Errno::AGAIN), "not non-blocking");
    }
}

#[test]
fn connect_to_a_closed_port_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = SocketAddress::from(listener.local_addr().unwrap());
    drop(listener);
    let refused = match socket::connect(&target) {
        Ok((fd, _)) => {
            wait(&fd, PollFlags::OUT);
            socket::take_error(fd.as_fd()).unwrap()
        }
        Err(errno) => Some(errno),
    };
    assert_eq!(refused, Some(Errno::CONNREFUSED));
}

#[test]
fn connect_from_uses_the_local_address_it_is_given() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let std::net::SocketAddr::V4(target) = listener.local_addr().unwrap() else {
        unreachable!()
    };
    let local = Ipv4Addr::new(127, 3, 2, 1);
    let (fd, _) = socket::connect_from(local, &target).unwrap();
    let (_, peer) = listener.accept().unwrap();
    assert_eq!(peer.ip(), local);
    assert_eq!(socket::local_address(fd.as_fd()), Ok(peer.into()));
}

#[test]
fn connect_reaches_unix_listeners_by_path_and_by_abstract_name() {
    use std::os::linux::net::SocketAddrExt;
    let folder = std::env::temp_dir().join(format!("floodway-sys-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("connect.sock");
    let by_path = UnixListener::bind(&path).unwrap();
    let name = folder.as_os_str().as_encoded_bytes().to_vec();
    let abstract_address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let by_name = UnixListener::bind_addr(&abstract_address).unwrap();
    let names = [
        (by_path, UnixName::Path(path)),
        (by_name, UnixName::Abstract(name)),
    ];
    for (listener, name) in names {
        let target = SocketAddress::Unix(name);
        let (fd, progress) = socket::connect(&target).unwrap();
        assert_eq!(progress, ConnectProgress::Done);
        assert_eq!(socket::peer_address(fd.as_fd()), Ok(target.clone()));
        assert_eq!(
            socket::local_address(fd.as_fd()),
            Ok(SocketAddress::Unix(UnixName::Unnamed))
        );
        assert_eq!(socket::local_address(listener.as_fd()), Ok(target));
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_unix_connect_to_a_full_backlog_is_an_error() {
    use std::os::linux::net::SocketAddrExt;
    let name = format!("floodway-sys-full-{}", std::process::id()).into_bytes();
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let listener = UnixListener::bind_addr(&address).unwrap();
    rustix::net::listen(&listener, 1).unwrap();
    let target = SocketAddress::Unix(UnixName::Abstract(name));
    let mut waiting = Vec::new();
    let full = loop {
        match socket::connect(&target) {
            Ok((fd, progress)) => {
                assert_eq!(progress, ConnectProgress::Done);
                waiting.push(fd);
            }
            Err(errno) => break errno,
        }
    };
    assert_eq!(full, Errno::AGAIN);
}

#[test]
fn what_cannot_be_reached_says_why() {
    let connect = |name| socket::connect(&SocketAddress::Unix(name)).unwrap_err();
    assert_eq!(connect(UnixName::Unnamed), Errno::DESTADDRREQ);
    assert_eq!(
        connect(UnixName::Path("/nonexistent/x".into())),
        Errno::NOENT
    );
    assert_eq!(
        connect(UnixName::Path("/x".repeat(80).into())),
        Errno::NAMETOOLONG
    );
    assert_eq!(
        connect(UnixName::Abstract(vec![b'x'; 200])),
        Errno::NAMETOOLONG
    );
}
