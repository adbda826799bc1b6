//! The peer's address in eight bytes.
//!
//! It has to be kept, since the kernel forgets it at a reset, and every connection has one, so it has to be
//! small. IPv4 fits; the few others are kept in a table beside the connections.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddrV4};

use floodway_sys::{SocketAddress, UnixName};

/// The addresses that do not fit into eight bytes, by slot.
pub(crate) type PeerTable = HashMap<u32, SocketAddress>;

/// An unnamed Unix socket, or nothing known yet.
pub(crate) const UNNAMED: u64 = 0;
/// The table has it.
const KEPT: u64 = 1;
/// Marks an IPv4 address; the port and the address stand below.
const V4: u64 = 1 << 63;

/// The address as one number; what does not fit goes into the table.
pub(crate) fn encode(address: SocketAddress, slot: u32, table: &mut PeerTable) -> u64 {
    match address {
        SocketAddress::V4(v4) => V4 | u64::from(v4.port()) << 32 | u64::from(u32::from(*v4.ip())),
        SocketAddress::Unix(UnixName::Unnamed) => UNNAMED,
        other => {
            table.insert(slot, other);
            KEPT
        }
    }
}

/// The address that `encode` was given.
pub(crate) fn decode(encoded: u64, slot: u32, table: &PeerTable) -> SocketAddress {
    let kept = (encoded == KEPT)
        .then(|| table.get(&slot).cloned())
        .flatten();
    match kept {
        Some(address) => address,
        None if encoded & V4 != 0 => SocketAddress::V4(SocketAddrV4::new(
            Ipv4Addr::from(encoded as u32),
            (encoded >> 32) as u16,
        )),
        None => SocketAddress::Unix(UnixName::Unnamed),
    }
}

/// Whether the table has an entry for it.
pub(crate) fn is_kept(encoded: u64) -> bool {
    encoded == KEPT
}
