//! Session tickets that every process with the same secret can open.
//!
//! # Rules
//! A ticket is `epoch (4) | salt (16) | sealed state | tag (16)`. Each has a key of its own, derived with HKDF-SHA256 from the
//! secret, the context, the epoch and the salt, so no nonce can repeat however many processes make tickets. A ticket of
//! this epoch and of the one before it is accepted: it works for at least [`EPOCH_SECONDS`] and at most twice as long.
//!
//! # Theory
//! rustls' own ticketers roll their keys by random numbers, which differ in each process. Here time rolls them, and every
//! process whose clock agrees does so at the same moment without a word. What is given up: who steals the secret opens old tickets
//! too, and with them TLS 1.2 sessions (TLS 1.3 makes a fresh key exchange as well). It lives in memory only, and as
//! long as the service.
//!
//! # Cost
//! No state and no lock; a derivation, some microseconds, for each ticket made or opened.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Prk, Salt};
use ring::rand::{SecureRandom, SystemRandom};
use rustls::server::ProducesTickets;

/// How long a key makes tickets, in seconds: half a day, as rustls has it. Clients are told that tickets last as long.
const EPOCH_SECONDS: u32 = 12 * 60 * 60;

const EPOCH_BYTES: usize = 4;
const SALT_BYTES: usize = 16;

/// What tickets are sealed by: 32 random bytes, the same in every process of a service.
#[derive(Clone, Copy)]
pub struct TicketSecret(pub [u8; 32]);

/// Says nothing: it is a secret.
impl fmt::Debug for TicketSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketSecret")
    }
}

pub(crate) struct Tickets {
    secret: Prk,
    random: SystemRandom,
    epoch: fn() -> u32,
}

impl Tickets {
    /// `context` is what has to be the same for a session to be resumed. A ticket says that its client was let in, so a
    /// server that lets in others must not open it.
    pub(crate) fn new(secret: &TicketSecret, context: &[u8]) -> Self {
        Self::with_epoch(secret, context, epoch_now)
    }

    fn with_epoch(secret: &TicketSecret, context: &[u8], epoch: fn() -> u32) -> Self {
        Self {
            secret: Salt::new(HKDF_SHA256, context).extract(&secret.0),
            random: SystemRandom::new(),
            epoch,
        }
    }

    fn key(&self, epoch: &[u8], salt: &[u8]) -> Option<LessSafeKey> {
        let info = [b"floodway ticket".as_slice(), epoch, salt];
        let derived = self.secret.expand(&info, &AES_256_GCM).ok()?;
        Some(LessSafeKey::new(UnboundKey::from(derived)))
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        EPOCH_SECONDS
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let epoch = (self.epoch)().to_be_bytes();
        let mut salt = [0; SALT_BYTES];
        self.random.fill(&mut salt).ok()?;
        let mut sealed = plain.to_vec();
        self.key(&epoch, &salt)?
            .seal_in_place_append_tag(only_nonce(), Aad::empty(), &mut sealed)
            .ok()?;
        Some([epoch.as_slice(), &salt, &sealed].concat())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (epoch, rest) = ticket.split_at_checked(EPOCH_BYTES)?;
        let (salt, sealed) = rest.split_at_checked(SALT_BYTES)?;
        let age = (self.epoch)().wrapping_sub(u32::from_be_bytes(epoch.try_into().ok()?));
        if age > 1 {
            return None;
        }
        let mut opened = sealed.to_vec();
        let length = self
            .key(epoch, salt)?
            .open_in_place(only_nonce(), Aad::empty(), &mut opened)
            .ok()?
            .len();
        opened.truncate(length);
        Some(opened)
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tickets")
    }
}

/// The nonce of a key that seals once.
fn only_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

fn epoch_now() -> u32 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| (now.as_secs() / u64::from(EPOCH_SECONDS)) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: TicketSecret = TicketSecret([7; 32]);

    fn tickets(epoch: fn() -> u32) -> Tickets {
        Tickets::with_epoch(&SECRET, b"", epoch)
    }

    #[test]
    fn a_ticket_opens_wherever_the_secret_is_the_same() {
        let ticket = tickets(|| 5).encrypt(b"state").expect("sealed");
        assert_eq!(
            tickets(|| 5).decrypt(&ticket).as_deref(),
            Some(b"state".as_slice())
        );
        let other = Tickets::with_epoch(&TicketSecret([8; 32]), b"", || 5);
        assert_eq!(other.decrypt(&ticket), None);
        let elsewhere = Tickets::with_epoch(&SECRET, b"other roots", || 5);
        assert_eq!(elsewhere.decrypt(&ticket), None);
    }

    #[test]
    fn a_ticket_lasts_for_the_epoch_after_its_own() {
        let ticket = tickets(|| 5).encrypt(b"state").expect("sealed");
        assert!(tickets(|| 6).decrypt(&ticket).is_some());
        assert!(tickets(|| 7).decrypt(&ticket).is_none());
        assert!(tickets(|| 4).decrypt(&ticket).is_none());
    }

    #[test]
    fn a_ticket_that_was_cut_or_changed_does_not_open() {
        let ticket = tickets(|| 5).encrypt(b"state").expect("sealed");
        for length in 0..ticket.len() {
            assert!(tickets(|| 5).decrypt(&ticket[..length]).is_none());
        }
        for at in 0..ticket.len() {
            let mut changed = ticket.clone();
            changed[at] ^= 1;
            assert!(tickets(|| 5).decrypt(&changed).is_none());
        }
    }
}
