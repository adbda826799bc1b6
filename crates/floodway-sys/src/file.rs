//! Regular files that are sent: opening, reading, and `sendfile(2)`.

use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::retry_on_intr;

use crate::errno::Errno;
use crate::socket;

/// The most bytes that are copied at a time where the kernel does not send files itself.
const COPY_BYTES: usize = 64 * 1024;

/// Opens a file for reading (close-on-exec), and says how many bytes it has.
///
/// `EISDIR` for a directory, `EINVAL` for anything else that is not a regular file; opening such a thing does not wait.
pub fn open(path: &Path) -> Result<(OwnedFd, u64), Errno> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty()))?;
    let status = rustix::fs::fstat(&file)?;
    match FileType::from_raw_mode(status.st_mode) {
        FileType::RegularFile => Ok((file, u64::try_from(status.st_size).unwrap_or(0))),
        FileType::Directory => Err(Errno::ISDIR),
        _ => Err(Errno::INVAL),
    }
}

/// Another descriptor (close-on-exec) for the file that somebody has open under this number; `EBADF` if nobody has.
pub fn duplicate(fd: RawFd) -> Result<OwnedFd, Errno> {
    // SAFETY: the call takes numbers and touches no memory; that the number is a descriptor is the kernel's to check.
    let copy = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 0) };
    if copy < 0 {
        let error = std::io::Error::last_os_error();
        return Err(Errno::from_io_error(&error).unwrap_or(Errno::BADF));
    }
    // SAFETY: the kernel has just made it, for nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// Reads into the front of `into` from `offset` on, and returns how many bytes there were; 0: the file ends there.
pub fn read_at(file: BorrowedFd<'_>, into: &mut [u8], offset: u64) -> Result<usize, Errno> {
    retry_on_intr(|| rustix::io::pread(file, &mut *into, offset))
}

/// Sends at most `most` bytes of a file from `offset` on, as many as the socket takes now, and returns how many that was;
/// 0: the file ends there.
///
/// Unlike the other ways to send, this raises SIGPIPE where the peer has reset the connection, unless the process ignores
/// that signal, as every Python process does.
pub fn send(
    socket: BorrowedFd<'_>,
    file: BorrowedFd<'_>,
    offset: u64,
    most: usize,
) -> Result<usize, Errno> {
    #[cfg(target_os = "linux")]
    match retry_on_intr(|| rustix::fs::sendfile(socket, file, Some(&mut offset.clone()), most)) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {} // this file system cannot
        sent => return sent,
    }
    let mut bytes = vec![0; most.min(COPY_BYTES)];
    let count = read_at(file, &mut bytes, offset)?;
    if count == 0 {
        return Ok(0);
    }
    socket::send(socket, &bytes[..count])
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::fd::{AsFd, AsRawFd};
    use std::os::unix::net::UnixStream;

    use super::*;

    fn temporary(name: &str, content: &[u8]) -> std::path::PathBuf {
        let name = format!("floodway-sys-file-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::File::create(&path)
            .and_then(|mut file| file.write_all(content))
            .expect("a temporary file");
        path
    }

    #[test]
    fn a_part_of_a_file_goes_through_a_socket() {
        let path = temporary("part", b"0123456789");
        let (file, length) = open(&path).expect("it is there");
        let (one, mut other) = UnixStream::pair().expect("two ends");
        let sent = send(one.as_fd(), file.as_fd(), 3, 4).expect("there is room");
        assert_eq!((length, sent), (10, 4));
        assert_eq!(send(one.as_fd(), file.as_fd(), 10, 4), Ok(0));
        drop(one);
        let mut received = Vec::new();
        other.read_to_end(&mut received).expect("it was sent");
        assert_eq!(received, b"3456");
        std::fs::remove_file(path).expect("it is there still");
    }

    #[test]
    fn only_what_is_open_is_duplicated() {
        assert_eq!(duplicate(-1).err(), Some(Errno::BADF));
        assert!(duplicate(std::io::stdin().as_fd().as_raw_fd()).is_ok());
    }

    #[test]
    fn what_is_no_regular_file_is_refused() {
        assert_eq!(open(Path::new("/")).err(), Some(Errno::ISDIR));
        assert_eq!(open(Path::new("/dev/null")).err(), Some(Errno::INVAL));
        assert_eq!(open(Path::new("/not/there")).err(), Some(Errno::NOENT));
    }
}
