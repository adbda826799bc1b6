//! Readiness, waking and deadlines on Linux.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a failed set-up fails the test")]

mod helpers;

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use floodway_sys::epoll::{Epoll, EventBuffer, Flags};
use floodway_sys::{Errno, Timer, Waker, socket};
use helpers::{pairs, receive, tcp};

const NOW: Option<Duration> = Some(Duration::ZERO);

fn events(epoll: &Epoll, buffer: &mut EventBuffer) -> Vec<(u64, Flags)> {
    let count = epoll.wait(buffer, NOW).unwrap();
    assert_eq!(count, buffer.len());
    assert_eq!(buffer.is_empty(), count == 0);
    let all: Vec<_> = buffer.iter().collect();
    assert_eq!(all.first().copied(), buffer.get(0));
    assert_eq!(buffer.get(count), None);
    all
}

#[test]
fn an_event_carries_its_data_until_the_input_is_consumed() {
    let (epoll, mut buffer) = (Epoll::new().unwrap(), EventBuffer::with_capacity(8));
    for (index, pair) in pairs().into_iter().enumerate() {
        let data = u64::MAX - index as u64;
        epoll.add(pair.far.as_fd(), data, Flags::IN).unwrap();
        assert_eq!(
            epoll.add(pair.far.as_fd(), data, Flags::IN),
            Err(Errno::EXIST)
        );
        socket::send(pair.near.as_fd(), b"abcdef").unwrap();
        helpers::wait_readable(&pair.far);
        for _ in 0..2 {
            assert_eq!(
                events(&epoll, &mut buffer),
                [(data, Flags::IN)],
                "{}",
                pair.kind
            );
            receive(&pair.far, 3).unwrap();
        }
        assert_eq!(events(&epoll, &mut buffer), []);
        epoll.delete(pair.far.as_fd()).unwrap();
        assert_eq!(epoll.delete(pair.far.as_fd()), Err(Errno::NOENT));
    }
}

#[test]
fn modify_replaces_interest_and_data() {
    let (epoll, mut buffer) = (Epoll::new().unwrap(), EventBuffer::with_capacity(8));
    let pair = tcp("127.0.0.1:0");
    let fd = pair.near.as_fd();
    assert_eq!(epoll.modify(fd, 1, Flags::OUT), Err(Errno::NOENT));
    epoll.add(fd, 1, Flags::OUT).unwrap();
    assert_eq!(events(&epoll, &mut buffer), [(1, Flags::OUT)]);
    epoll.modify(fd, 2, Flags::IN).unwrap();
    assert_eq!(events(&epoll, &mut buffer), []);
    epoll.modify(fd, 3, Flags::IN | Flags::OUT).unwrap();
    assert_eq!(events(&epoll, &mut buffer), [(3, Flags::OUT)]);
}

#[test]
fn a_oneshot_entry_tells_the_peers_end_once() {
    let (epoll, mut buffer) = (Epoll::new().unwrap(), EventBuffer::with_capacity(8));
    let pair = tcp("127.0.0.1:0");
    let fd = pair.far.as_fd();
    epoll.add(fd, 1, Flags::RDHUP | Flags::ONESHOT).unwrap();
    socket::shutdown_write(pair.near.as_fd()).unwrap();
    assert_eq!(epoll.wait(&mut buffer, None), Ok(1));
    assert_eq!(buffer.get(0), Some((1, Flags::RDHUP)));
    assert_eq!(events(&epoll, &mut buffer), []);

    epoll.modify(fd, 2, Flags::ONESHOT).unwrap();
    assert_eq!(events(&epoll, &mut buffer), []);
    socket::set_linger_zero(pair.near.as_fd()).unwrap();
    drop(pair.near);
    assert_eq!(epoll.wait(&mut buffer, None), Ok(1));
    let (data, flags) = buffer.get(0).unwrap();
    assert_eq!(data, 2);
    assert!(flags.contains(Flags::ERR | Flags::HUP), "{flags:?}");
    assert_eq!(events(&epoll, &mut buffer), []);
}

#[test]
fn an_exclusive_entry_wakes_fewer_than_all_and_cannot_be_modified() {
    let waker = Waker::new().unwrap();
    let (first, second) = (Epoll::new().unwrap(), Epoll::new().unwrap());
    first
        .add(waker.as_fd(), 1, Flags::IN | Flags::EXCLUSIVE)
        .unwrap();
    second
        .add(waker.as_fd(), 2, Flags::IN | Flags::EXCLUSIVE)
        .unwrap();
    assert_eq!(first.modify(waker.as_fd(), 1, Flags::IN), Err(Errno::INVAL));
    waker.wake();
    let mut buffer = EventBuffer::with_capacity(1);
    let woken = events(&first, &mut buffer).len() + events(&second, &mut buffer).len();
    assert!(woken >= 1);
}

#[test]
fn a_wait_returns_at_most_what_the_buffer_holds_and_the_rest_comes_next() {
    let (epoll, mut buffer) = (Epoll::new().unwrap(), EventBuffer::with_capacity(2));
    let wakers: Vec<_> = (0..5).map(|_| Waker::new().unwrap()).collect();
    for (data, waker) in (0..).zip(&wakers) {
        waker.wake();
        epoll.add(waker.as_fd(), data, Flags::IN).unwrap();
    }
    let mut seen = Vec::new();
    for _ in 0..3 {
        for (data, _) in events(&epoll, &mut buffer) {
            seen.push(data);
            wakers[data as usize].drain();
        }
    }
    seen.sort_unstable();
    assert_eq!(seen, [0, 1, 2, 3, 4]);
}

#[test]
fn a_timeout_is_rounded_up_to_a_millisecond() {
    let (epoll, mut buffer) = (Epoll::new().unwrap(), EventBuffer::with_capacity(1));
    for timeout in [Duration::from_nanos(1), Duration::from_micros(1_500)] {
        let start = Instant::now();
        assert_eq!(epoll.wait(&mut buffer, Some(timeout)), Ok(0));
        assert!(start.elapsed() >= timeout);
    }
    // Far beyond what the kernel can count: it must not be refused.
    let waker = Waker::new().unwrap();
    waker.wake();
    epoll.add(waker.as_fd(), 1, Flags::IN).unwrap();
    assert_eq!(epoll.wait(&mut buffer, Some(Duration::MAX)), Ok(1));
}

extern "C" fn ignore(_signal: libc::c_int) {}

#[test]
fn an_interrupted_wait_returns_without_events() {
    // SAFETY: the handler does nothing at all.
    unsafe { libc::signal(libc::SIGUSR1, ignore as *const () as libc::sighandler_t) };
    // SAFETY: asks who the calling thread is.
    let waiting = unsafe { libc::pthread_self() };
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // A signal before the wait is lost on it, so it is sent until it has been seen.
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                // SAFETY: that thread runs at least until `done`, and the scope waits for this one.
                unsafe { libc::pthread_kill(waiting, libc::SIGUSR1) };
                std::thread::yield_now();
            }
        });
        let (epoll, mut buffer) = (Epoll::new().unwrap(), EventBuffer::with_capacity(1));
        assert_eq!(epoll.wait(&mut buffer, None), Err(Errno::INTR));
        assert!(buffer.is_empty());
        done.store(true, Ordering::Release);
    });
}

#[test]
fn many_wakes_are_one_event_and_drain_takes_them_all() {
    for waker in [Waker::new().unwrap(), Waker::with_pipe().unwrap()] {
        let (epoll, mut buffer) = (Epoll::new().unwrap(), EventBuffer::with_capacity(8));
        epoll.add(waker.as_fd(), 9, Flags::IN).unwrap();
        assert_eq!(events(&epoll, &mut buffer), []);
        waker.drain();
        // More than a pipe holds (64 KiB): the waker must not block.
        for _ in 0..20_000 {
            waker.wake();
        }
        assert_eq!(events(&epoll, &mut buffer), [(9, Flags::IN)]);
        waker.drain();
        assert_eq!(events(&epoll, &mut buffer), []);
    }
}

#[test]
fn a_wake_from_another_thread_ends_a_wait() {
    for waker in [Waker::new().unwrap(), Waker::with_pipe().unwrap()] {
        let (epoll, mut buffer) = (Epoll::new().unwrap(), EventBuffer::with_capacity(8));
        epoll.add(waker.as_fd(), 9, Flags::IN).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| waker.wake());
            assert_eq!(epoll.wait(&mut buffer, None), Ok(1));
        });
    }
}

/// What `signal.set_wakeup_fd` does: one byte, not eight.
#[test]
fn a_pipe_waker_takes_single_bytes_and_an_eventfd_does_not() {
    let pipe = Waker::with_pipe().unwrap();
    assert_eq!(rustix::io::write(pipe.write_fd(), b"\x0f"), Ok(1));
    helpers::wait_readable(&pipe);
    let eventfd = Waker::new().unwrap();
    assert_eq!(
        rustix::io::write(eventfd.write_fd(), b"\x0f"),
        Err(Errno::INVAL)
    );
}

#[test]
fn a_timer_is_readable_after_its_time_until_it_is_set_again() {
    let (epoll, mut buffer) = (Epoll::new().unwrap(), EventBuffer::with_capacity(8));
    let timer = Timer::new().unwrap();
    epoll.add(timer.as_fd(), 5, Flags::IN).unwrap();
    let start = Instant::now();
    timer.set(Some(Duration::from_micros(300))).unwrap();
    assert_eq!(epoll.wait(&mut buffer, None), Ok(1));
    assert!(start.elapsed() >= Duration::from_micros(300));
    assert_eq!(events(&epoll, &mut buffer), [(5, Flags::IN)]);
    timer.set(None).unwrap();
    assert_eq!(events(&epoll, &mut buffer), []);
    timer.set(Some(Duration::ZERO)).unwrap();
    assert_eq!(epoll.wait(&mut buffer, None), Ok(1));
}
