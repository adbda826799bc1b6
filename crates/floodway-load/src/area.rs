//! Where bytes arrive, and where they are decrypted: one place for all connections.

use std::os::fd::BorrowedFd;

use floodway_sys::{Errno, socket};

use crate::pattern::SLICE_BYTES_MAX;
use crate::secure::Secure;

/// What one receive takes at most, and what that means.
#[derive(Debug)]
pub(crate) struct Area {
    raw: Box<[u8]>,
    plain: Vec<u8>,
}

/// What one receive brought.
#[derive(Debug)]
pub(crate) enum Arrived<'a> {
    /// Bytes of the connection's stream.
    Bytes(&'a [u8]),
    /// Nothing now.
    Nothing,
    /// The server has ended its direction.
    End,
}

impl Area {
    pub(crate) fn new() -> Self {
        Self {
            raw: vec![0; SLICE_BYTES_MAX].into_boxed_slice(),
            plain: Vec::new(),
        }
    }

    pub(crate) fn receive(
        &mut self,
        fd: BorrowedFd<'_>,
        secure: Option<&mut Secure>,
    ) -> Result<Arrived<'_>, Errno> {
        let len = match socket::recv_bytes(fd, &mut self.raw) {
            Ok(0) => return Ok(Arrived::End),
            Ok(len) => len,
            Err(Errno::AGAIN) => return Ok(Arrived::Nothing),
            Err(errno) => return Err(errno),
        };
        let Some(secure) = secure else {
            return Ok(Arrived::Bytes(&self.raw[..len]));
        };
        self.plain.clear();
        secure.decrypt(&mut self.raw[..len], &mut self.plain)?;
        Ok(match self.plain.as_slice() {
            [] if secure.peer_finished() => Arrived::End,
            [] => Arrived::Nothing,
            bytes => Arrived::Bytes(bytes),
        })
    }
}
