//! `Seats` and `HandOver`: how one process gives the sockets that it accepts to others.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use floodway_sys::{Errno, handover, socket};
use pyo3::exceptions::{PyIndexError, PyValueError};
use pyo3::prelude::*;

use crate::errors;
use crate::newcomer::Newcomer;

/// The loads of several processes, in memory that processes forked after this share: a seat for each, 64 bytes. Any
/// thread.
#[pyclass(frozen, module = "floodway._core")]
pub(crate) struct Seats(pub(crate) Arc<floodway_conn::Seats>);

impl Seats {
    /// The seat's number, if there is such a seat.
    pub(crate) fn checked(&self, seat: usize) -> PyResult<usize> {
        if seat < self.0.len() {
            return Ok(seat);
        }
        Err(PyIndexError::new_err(format!(
            "there is no seat {seat}; the last of {} is {}",
            self.0.len(),
            self.0.len() - 1
        )))
    }
}

#[pymethods]
impl Seats {
    #[new]
    fn new(seats: usize) -> PyResult<Self> {
        if seats == 0 {
            return Err(PyValueError::new_err("there has to be a seat"));
        }
        let seats = floodway_conn::Seats::new(seats).map_err(errors::system_error)?;
        Ok(Self(Arc::new(seats)))
    }

    /// The process of this generation has ended. Nothing happens if another sits there by now.
    fn vacate(&self, seat: usize, generation: u32) -> PyResult<()> {
        self.0.vacate(self.checked(seat)?, generation);
        Ok(())
    }

    /// Of the first `seats` seats those to which sockets may be handed over now, and their loads.
    fn open(&self, seats: usize) -> (Vec<usize>, Vec<usize>) {
        self.0.open(seats).unzip()
    }

    /// Count so many sockets as on their way.
    fn give(&self, seat: usize, sockets: usize) -> PyResult<()> {
        self.0.give(self.checked(seat)?, sockets);
        Ok(())
    }

    /// Count so many less: they could not be handed over.
    fn take_back(&self, seat: usize, sockets: usize) -> PyResult<()> {
        self.0.take(self.checked(seat)?, sockets);
        Ok(())
    }
}

/// One end of a pair of SOCK_SEQPACKET sockets on which accepted sockets go to another process.
#[pyclass(frozen, module = "floodway._core")]
pub(crate) struct HandOver(OwnedFd);

#[pymethods]
impl HandOver {
    /// `fd` is duplicated.
    #[new]
    fn new(fd: i32) -> PyResult<Self> {
        // SAFETY: the caller keeps the socket open during this call, which makes a duplicate of it.
        let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
        let end = socket::duplicate(borrowed).map_err(errors::system_error)?;
        Ok(Self(end))
    }

    /// Hand over newcomers from the front, and return how many: fewer when the other side does not take them. Those
    /// that went are no longer this process's. Raises OSError when nobody can ever take them.
    fn send(&self, newcomers: Vec<Bound<'_, Newcomer>>) -> PyResult<usize> {
        let mut sent = 0;
        for message in newcomers.chunks(handover::MAX_DESCRIPTORS) {
            let sockets: Vec<_> = message
                .iter()
                .filter_map(|newcomer| newcomer.get().take())
                .collect();
            let descriptors: Vec<_> = sockets
                .iter()
                .filter_map(floodway_conn::Newcomer::socket)
                .collect();
            match handover::hand_over(self.0.as_fd(), &descriptors) {
                Ok(()) => sent += message.len(),
                Err(errno) => {
                    for (newcomer, socket) in message.iter().zip(sockets) {
                        newcomer.get().give_back(socket);
                    }
                    // ENOBUFS and ETOOMANYREFS (too many descriptors in flight) pass as well.
                    return match errno {
                        Errno::AGAIN | Errno::NOBUFS | Errno::TOOMANYREFS => Ok(sent),
                        errno => Err(errors::system_error(errno)),
                    };
                }
            }
        }
        Ok(sent)
    }
}
