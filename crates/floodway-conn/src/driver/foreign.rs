//! Descriptors that are somebody else's: a driver says when they are ready, and does nothing else with them.
//!
//! # Rules
//! - Level-triggered: what is ready stays ready, and is reported by every wait until its owner has dealt with it.
//! - The owner may close one without a word. The kernel forgets it by itself then, its number may come back as another
//!   file's, and nothing that is left here may touch that file: a key is never used twice, so that a late event finds
//!   nothing, and `Driver::open` takes the number away from whoever watched it before.
//!
//! # Theory
//! A key is a `Token` of an even generation: those of connections are odd. The slot is the descriptor's number, and the
//! generation counts how often something was watched anew.
//!
//! What the kernel does not forget is a file of which a duplicate is left, such as a forked child's: it is reported for
//! ever and cannot be removed by its old number. So `unwatch` comes before the close wherever duplicates may exist. Where
//! it did not, such reports are passed on as nothing that is ready: a loop that spins in Python can be interrupted.

use std::collections::HashMap;
use std::os::fd::RawFd;

use floodway_base::Token;

use super::Interest;
use super::readiness::ReadyFd;

/// What was found of a descriptor: ready for one or both; neither, if an older file of its number is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForeignReady {
    /// Its number.
    pub fd: RawFd,
    /// Reading would not block; also at an end or error, which reading then tells.
    pub readable: bool,
    /// Writing would not block; also at an end or error.
    pub writable: bool,
}

/// The descriptors that are watched.
#[derive(Debug, Default)]
pub(super) struct Foreign {
    watched: HashMap<RawFd, (Token, Interest)>,
    generation: u32,
}

impl Foreign {
    /// Whether a key of a poller is one of these.
    pub fn is_key(token: Token) -> bool {
        token.generation != 0 && token.generation.is_multiple_of(2)
    }

    /// The key of a descriptor that is watched.
    pub fn key(&self, fd: RawFd) -> Option<u64> {
        self.watched.get(&fd).map(|(token, _)| token.to_bits())
    }

    /// A key for a descriptor that is not watched yet.
    pub fn new_key(&mut self, fd: RawFd) -> u64 {
        self.generation = match self.generation.wrapping_add(2) {
            0 => 2, // listeners have 0
            generation => generation,
        };
        Token::new(fd.cast_unsigned(), self.generation).to_bits()
    }

    /// The descriptor is watched under this key from now on.
    pub fn insert(&mut self, fd: RawFd, key: u64, interest: Interest) {
        self.watched.insert(fd, (Token::from_bits(key), interest));
    }

    /// The descriptor is not watched any more. Whether it was.
    pub fn remove(&mut self, fd: RawFd) -> bool {
        self.watched.remove(&fd).is_some()
    }

    /// What to tell of a key that is ready.
    pub fn ready(&self, token: Token, ready: ReadyFd) -> ForeignReady {
        let fd = token.slot.cast_signed();
        let watched = self.watched.get(&fd);
        let wants = |wanted: fn(&Interest) -> bool| {
            watched.is_some_and(|(current, interest)| *current == token && wanted(interest))
        };
        ForeignReady {
            fd,
            readable: (ready.readable || ready.error) && wants(|interest| interest.receive),
            writable: (ready.writable || ready.error) && wants(|interest| interest.send),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: Interest = Interest {
        receive: true,
        send: false,
        end: false,
    };

    fn told(foreign: &Foreign, key: u64, writable: bool, error: bool) -> (bool, bool) {
        let ready = ReadyFd {
            key,
            readable: true,
            writable,
            end: false,
            error,
        };
        let told = foreign.ready(Token::from_bits(key), ready);
        (told.readable, told.writable)
    }

    #[test]
    fn what_is_not_asked_for_is_not_told() {
        let mut foreign = Foreign::default();
        let key = foreign.new_key(7);
        assert!(Foreign::is_key(Token::from_bits(key)));
        foreign.insert(7, key, READ);
        assert_eq!(told(&foreign, key, true, true), (true, false));
        foreign.insert(
            7,
            key,
            Interest {
                receive: false,
                send: true,
                ..READ
            },
        );
        assert_eq!(told(&foreign, key, false, false), (false, false));
        assert_eq!(told(&foreign, key, false, true), (false, true));
    }

    #[test]
    fn an_event_of_an_older_file_of_the_same_number_is_not_told() {
        let mut foreign = Foreign::default();
        let old = foreign.new_key(7);
        foreign.insert(7, old, READ);
        assert!(foreign.remove(7) && !foreign.remove(7));
        assert_eq!(told(&foreign, old, false, false), (false, false));
        let new = foreign.new_key(7);
        foreign.insert(7, new, READ);
        assert_eq!(told(&foreign, old, false, false), (false, false));
        assert_eq!(told(&foreign, new, false, false), (true, false));
    }

    #[test]
    fn keys_that_are_used_up_never_meet_those_of_listeners() {
        let mut foreign = Foreign {
            generation: u32::MAX - 1,
            ..Foreign::default()
        };
        assert!(Foreign::is_key(Token::from_bits(foreign.new_key(1))));
        assert!(!Foreign::is_key(Token::new(1, 0)));
        assert!(!Foreign::is_key(Token::new(1, 3)));
    }
}
