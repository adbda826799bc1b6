//! `Intake`: what happens to every HTTP request of a listener around the application, whatever its interface.
//!
//! A request that is taken in becomes a [`Visit`], which lasts until its answer is complete or nobody will complete it.
//! Without an intake a request costs nothing of this; with one, the parts that were not asked for cost a comparison.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use floodway_app::http1::{Head, Version};
use floodway_sys::SocketAddress;
use pyo3::prelude::*;

use crate::address::host_and_port;
use crate::gate;
use crate::octets::latin1;
use crate::proxies::Trusted;

/// Answers that may wait to be logged; more are counted as lost.
const MAX_RECORDS: usize = 1 << 16;

/// What a client closed before its answer was begun is logged as; nginx has made that a custom.
const CLIENT_CLOSED: u16 = 499;

/// What happens to the HTTP requests of a listener around the application. Any thread.
#[pyclass(frozen, module = "floodway._core")]
pub(crate) struct Intake(pub(crate) Arc<Desk>);

/// Whatever an [`Intake`] is made of, shared with the requests that it took in.
#[derive(Debug)]
pub(crate) struct Desk {
    /// Whether answers are recorded.
    log: bool,
    records: Mutex<Records>,
    recorded: Condvar,
    /// Requests that may be under way; None: any number.
    limit: Option<usize>,
    under_way: AtomicUsize,
    /// Requests until `spent` is called; 0: never.
    left: AtomicUsize,
    spent: Mutex<Option<Py<PyAny>>>,
    trusted: Option<Trusted>,
}

#[derive(Debug, Default)]
struct Records {
    waiting: Vec<Record>,
    lost: usize,
    closed: bool,
}

/// An answer, for the log.
#[derive(Debug)]
struct Record {
    ended: f64,
    seconds: f64,
    client: Option<IpAddr>,
    method: Vec<u8>,
    target: Vec<u8>,
    version: Version,
    status: u16,
    sent: u64,
    referer: Option<Vec<u8>>,
    agent: Option<Vec<u8>>,
}

/// A request on its way through the application.
#[derive(Debug)]
pub(crate) struct Visit {
    desk: Arc<Desk>,
    begun: Instant,
    /// None: on a Unix socket.
    client: Option<IpAddr>,
    is_forwarded: bool,
    /// What a trusted proxy says: whether its client speaks TLS.
    secure: Option<bool>,
    /// 0: the answer has not begun.
    status: AtomicU16,
    sent: AtomicU64,
    ended: AtomicBool,
}

impl Desk {
    /// Takes a request in, together with whether there is room for it.
    pub(crate) fn admit(self: &Arc<Self>, peer: &SocketAddress, head: &Head) -> (Visit, bool) {
        let under_way = self.under_way.fetch_add(1, Ordering::Relaxed);
        let mut visit = Visit {
            desk: self.clone(),
            begun: Instant::now(),
            client: host_and_port(peer).map(|(ip, _)| ip.to_canonical()),
            is_forwarded: false,
            secure: None,
            status: AtomicU16::new(0),
            sent: AtomicU64::new(0),
            ended: AtomicBool::new(false),
        };
        if let Some(trusted) = &self.trusted
            && trusted.has(visit.client)
        {
            if let Some(client) = trusted.client(head) {
                visit.client = Some(client);
                visit.is_forwarded = true;
            }
            visit.secure = Trusted::secure(head);
        }
        (visit, self.limit.is_none_or(|limit| under_way < limit))
    }

    /// Counts a request that was taken in. Returns what is to be called if it was the last that was expected.
    pub(crate) fn count(&self) -> Option<Py<PyAny>> {
        let before = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            });
        if before != Ok(1) {
            return None;
        }
        self.spent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    fn records(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Visit {
    /// The client that a trusted proxy names; None: the peer is the client.
    pub(crate) fn forwarded(&self) -> Option<IpAddr> {
        self.client.filter(|_| self.is_forwarded)
    }

    /// Whether the client speaks TLS, if a trusted proxy has said so.
    pub(crate) fn secure(&self) -> Option<bool> {
        self.secure
    }

    /// The answer has begun.
    pub(crate) fn started(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    /// A part of the answer's body was sent.
    pub(crate) fn sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// The answer is complete, or will never be.
    pub(crate) fn end(&self, head: &Head) {
        if self.ended.swap(true, Ordering::Relaxed) {
            return;
        }
        let desk = &self.desk;
        desk.under_way.fetch_sub(1, Ordering::Relaxed);
        if !desk.log {
            return;
        }
        let mut records = desk.records();
        if records.waiting.len() >= MAX_RECORDS {
            records.lost += 1;
            return;
        }
        records.waiting.push(Record {
            ended: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0.0, |elapsed| elapsed.as_secs_f64()),
            seconds: self.begun.elapsed().as_secs_f64(),
            client: self.client,
            method: head.method().to_vec(),
            target: head.target().to_vec(),
            version: head.version(),
            status: match self.status.load(Ordering::Relaxed) {
                0 => CLIENT_CLOSED,
                status => status,
            },
            sent: self.sent.load(Ordering::Relaxed),
            referer: head.header(b"referer").map(<[u8]>::to_vec),
            agent: head.header(b"user-agent").map(<[u8]>::to_vec),
        });
        if records.waiting.len() == 1 {
            desk.recorded.notify_one();
        }
    }
}

#[pymethods]
impl Intake {
    /// `log`: record answers for `take`. `limit`: requests under way beyond which one is answered with 503. `trusted`: the
    /// peers, as addresses, networks, "unix" or "*", whose X-Forwarded-For and -Proto count; None: nobody's.
    #[new]
    #[pyo3(signature = (*, log, limit, trusted))]
    fn new(log: bool, limit: Option<usize>, trusted: Option<Vec<String>>) -> PyResult<Self> {
        Ok(Self(Arc::new(Desk {
            log,
            records: Mutex::default(),
            recorded: Condvar::new(),
            limit,
            under_way: AtomicUsize::new(0),
            left: AtomicUsize::new(0),
            spent: Mutex::default(),
            trusted: trusted.map(|entries| Trusted::new(&entries)).transpose()?,
        })))
    }

    /// Call `spent` once, on the thread that takes the last one in, when so many requests more have been taken in.
    fn expect(&self, requests: usize, spent: Py<PyAny>) {
        let earlier = self
            .0
            .spent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .replace(spent);
        drop(earlier);
        self.0.left.store(requests, Ordering::Relaxed);
    }

    /// Answers that were too many to wait for the log.
    #[getter]
    fn lost(&self) -> usize {
        self.0.records().lost
    }

    /// Wait for answers and return them: (end by time.time(), seconds, client, method, target, version, status, bytes of
    /// the body, referer, user agent). None once closed and empty.
    fn take<'py>(&self, py: Python<'py>) -> PyResult<Option<Vec<Bound<'py, PyAny>>>> {
        let desk = &self.0;
        let (waiting, is_over) = gate::detached(py, || {
            let mut records = desk.records();
            while records.waiting.is_empty() && !records.closed {
                records = desk
                    .recorded
                    .wait(records)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            let is_over = records.waiting.is_empty();
            if is_over {
                records.closed = false; // told: it may be used again
            }
            (std::mem::take(&mut records.waiting), is_over)
        });
        if is_over {
            return Ok(None);
        }
        waiting
            .into_iter()
            .map(|record| record.into_python(py))
            .collect::<PyResult<_>>()
            .map(Some)
    }

    /// Let `take` end, and forget what `expect` was given.
    fn close(&self) {
        self.0.records().closed = true;
        self.0.recorded.notify_all();
        self.0.left.store(0, Ordering::Relaxed);
        let spent = self
            .0
            .spent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        drop(spent);
    }
}

impl Record {
    fn into_python(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        let version = match self.version {
            Version::Http11 => "1.1",
            Version::Http10 => "1.0",
        };
        let text = |bytes: Option<Vec<u8>>| bytes.map(|bytes| latin1(py, &bytes));
        let row = (
            self.ended,
            self.seconds,
            self.client.map(|ip| ip.to_string()),
            latin1(py, &self.method),
            latin1(py, &self.target),
            version,
            self.status,
            self.sent,
            text(self.referer),
            text(self.agent),
        );
        Ok(row.into_pyobject(py)?.into_any())
    }
}
