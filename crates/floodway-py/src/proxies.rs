//! `Trusted`: proxies, and what they say of their clients (`X-Forwarded-For`, `X-Forwarded-Proto`).

use std::net::{IpAddr, Ipv6Addr};

use floodway_app::http1::Head;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// Peers whose word about their clients is taken.
#[derive(Debug, Default)]
pub(crate) struct Trusted {
    everybody: bool,
    /// Peers on Unix sockets.
    local: bool,
    /// Network and length of its prefix; of IPv4 as mapped into IPv6.
    networks: Vec<(u128, u32)>,
}

impl Trusted {
    pub(crate) fn new(entries: &[String]) -> PyResult<Self> {
        let mut trusted = Self::default();
        for entry in entries {
            match entry.as_str() {
                "*" => trusted.everybody = true,
                "unix" => trusted.local = true,
                network => trusted.networks.push(parse_network(network).ok_or_else(|| {
                    PyValueError::new_err(format!("{network:?} is no address or network"))
                })?),
            }
        }
        Ok(trusted)
    }

    /// None: a peer on a Unix socket.
    pub(crate) fn has(&self, peer: Option<IpAddr>) -> bool {
        let Some(peer) = peer else {
            return self.everybody || self.local;
        };
        let bits = bits(peer);
        self.everybody
            || self
                .networks
                .iter()
                .any(|(network, prefix)| is_within(bits, *network, *prefix))
    }

    /// Whom the proxies name: the last in the list whom nobody vouches for, else the first.
    pub(crate) fn client(&self, head: &Head) -> Option<IpAddr> {
        let mut client = None;
        let values: Vec<&[u8]> = head.values(b"x-forwarded-for").collect();
        for element in values
            .iter()
            .rev()
            .flat_map(|value| value.rsplit(|byte| *byte == b','))
        {
            let Some(ip) = parse_ip(element.trim_ascii()) else {
                break; // nothing to the left of what nobody can read is vouched for
            };
            client = Some(ip);
            if !self.has(client) {
                break;
            }
        }
        client
    }

    /// Whether the client speaks TLS, if the nearest proxy says so.
    pub(crate) fn secure(head: &Head) -> Option<bool> {
        let value = head.values(b"x-forwarded-proto").last()?;
        let nearest = value.rsplit(|byte| *byte == b',').next()?;
        match nearest.trim_ascii().to_ascii_lowercase().as_slice() {
            b"https" | b"wss" => Some(true),
            b"http" | b"ws" => Some(false),
            _ => None,
        }
    }
}

/// An address as proxies write it: with or without brackets and a port.
fn parse_ip(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let ip = if let Some(rest) = text.strip_prefix('[') {
        rest.split_once(']')?.0.parse().ok()?
    } else if let Ok(ip) = text.parse::<IpAddr>() {
        ip
    } else {
        text.rsplit_once(':')?.0.parse().ok()?
    };
    Some(ip.to_canonical())
}

fn parse_network(text: &str) -> Option<(u128, u32)> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix.parse::<u32>().ok()?)),
        None => (text, None),
    };
    let ip: IpAddr = address.parse().ok()?;
    let (length, mapped) = match ip {
        IpAddr::V4(_) => (32, 96),
        IpAddr::V6(_) => (128, 0),
    };
    let prefix = prefix.unwrap_or(length);
    (prefix <= length).then_some((bits(ip), mapped + prefix))
}

fn bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => Ipv6Addr::to_bits(v6),
    }
}

fn is_within(address: u128, network: u128, prefix: u32) -> bool {
    (address ^ network).leading_zeros() >= prefix
}
