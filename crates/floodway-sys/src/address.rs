//! Where a socket is bound or connected: an IP address and port, or a Unix socket's name.

use std::ffi::OsStr;
use std::fmt;
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use rustix::net::{AddressFamily, SocketAddrAny, SocketAddrUnix};

use crate::errno::Errno;

/// `sun_path` follows the two bytes of the address family (on BSD: length and family) everywhere.
const SUN_PATH_OFFSET: usize = 2;

/// The address of one end of a stream socket.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SocketAddress {
    /// IPv4 address and port.
    V4(SocketAddrV4),
    /// IPv6 address, port, flow label and scope.
    V6(SocketAddrV6),
    /// Unix socket.
    Unix(UnixName),
}

/// The name of a Unix socket, see unix(7).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum UnixName {
    /// Never bound: what nearly every client looks like.
    Unnamed,
    /// A path in the file system.
    Path(PathBuf),
    /// A name in Linux's abstract namespace, without the leading zero byte.
    Abstract(Vec<u8>),
}

impl SocketAddress {
    /// Whether this names a socket on this machine: 127.0.0.0/8, `::1`, or any Unix socket.
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::V4(address) => address.ip().is_loopback(),
            Self::V6(address) => match address.ip().to_ipv4_mapped() {
                Some(mapped) => mapped.is_loopback(),
                None => address.ip().is_loopback(),
            },
            Self::Unix(_) => true,
        }
    }

    /// Reads what the kernel has filled in. Fails with `EAFNOSUPPORT` for any other address family.
    pub(crate) fn from_kernel(address: &SocketAddrAny) -> Result<Self, Errno> {
        match address.address_family() {
            AddressFamily::INET => SocketAddrV4::try_from(address.clone()).map(Self::V4),
            AddressFamily::INET6 => SocketAddrV6::try_from(address.clone()).map(Self::V6),
            AddressFamily::UNIX => Ok(Self::Unix(unix_name(address))),
            _ => Err(Errno::AFNOSUPPORT),
        }
    }
}

impl UnixName {
    pub(crate) fn to_kernel(&self) -> Result<SocketAddrUnix, Errno> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Abstract(name) => SocketAddrUnix::new_abstract_name(name),
            #[cfg(not(target_os = "linux"))]
            Self::Abstract(_) => Err(Errno::AFNOSUPPORT),
            Self::Path(path) => SocketAddrUnix::new(path.as_path()),
            // Nothing can be reached under no name.
            Self::Unnamed => Err(Errno::DESTADDRREQ),
        }
    }
}

impl From<SocketAddr> for SocketAddress {
    fn from(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V4(address) => Self::V4(address),
            SocketAddr::V6(address) => Self::V6(address),
        }
    }
}

/// Prints `host:port`, `[host]:port`, a path, `@name`, or `unnamed`.
impl fmt::Display for SocketAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(address) => address.fmt(formatter),
            Self::V6(address) => address.fmt(formatter),
            Self::Unix(name) => name.fmt(formatter),
        }
    }
}

impl fmt::Display for UnixName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unnamed => formatter.write_str("unnamed"),
            Self::Path(path) => path.display().fmt(formatter),
            // An abstract name may hold any byte, and the peer chooses it: nothing unprintable reaches a log.
            Self::Abstract(name) => write!(formatter, "@{}", name.escape_ascii()),
        }
    }
}

/// Reads a Unix name without trusting its shape.
///
/// A path of exactly `sizeof(sun_path)` bytes is reported one byte longer than `sockaddr_un`, and not every path is
/// terminated (unix(7), "Pathname sockets"). The peer chooses its name, so no shape may end in a panic; rustix's own
/// conversion asserts both.
fn unix_name(address: &SocketAddrAny) -> UnixName {
    let len = address.addr_len() as usize;
    // SAFETY: a `SocketAddrAny` has `addr_len()` initialised bytes behind `as_ptr()`, and lives longer than `bytes`.
    let bytes = unsafe { std::slice::from_raw_parts(address.as_ptr().cast::<u8>(), len) };
    match bytes.get(SUN_PATH_OFFSET..).unwrap_or_default() {
        [0, name @ ..] if cfg!(target_os = "linux") => UnixName::Abstract(name.to_vec()),
        [] | [0, ..] => UnixName::Unnamed,
        path => {
            let end = path
                .iter()
                .position(|&byte| byte == 0)
                .unwrap_or(path.len());
            UnixName::Path(PathBuf::from(OsStr::from_bytes(&path[..end])))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    #[test]
    fn addresses_print_as_users_write_them() {
        let v4 = SocketAddress::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 80));
        let v6 = SocketAddress::V6(SocketAddrV6::new(Ipv6Addr::LOCALHOST, 80, 0, 0));
        assert_eq!(v4.to_string(), "127.0.0.1:80");
        assert_eq!(v6.to_string(), "[::1]:80");
        let names = [
            (UnixName::Unnamed, "unnamed"),
            (UnixName::Path(PathBuf::from("/run/x.sock")), "/run/x.sock"),
            (UnixName::Abstract(b"chat\n".to_vec()), "@chat\\n"),
        ];
        for (name, printed) in names {
            assert_eq!(SocketAddress::Unix(name).to_string(), printed);
        }
    }

    #[test]
    fn loopback_includes_all_of_127_and_mapped_addresses() {
        let on =
            |text: &str| SocketAddress::from(text.parse::<SocketAddr>().unwrap()).is_loopback();
        assert!(on("127.9.8.7:1") && on("[::1]:1") && on("[::ffff:127.0.0.1]:1"));
        assert!(
            !on("10.0.0.1:1") && !on("[::]:1") && !on("0.0.0.0:1") && !on("[::ffff:8.8.8.8]:1")
        );
        assert!(SocketAddress::Unix(UnixName::Unnamed).is_loopback());
    }
}
