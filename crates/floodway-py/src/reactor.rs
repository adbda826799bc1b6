//! `Reactor`: the native reactor as Python sees it.
//!
//! The core belongs to the thread that polls. On that thread a call takes effect at once, after what other threads
//! have asked for before; on every other thread it is a message in the inbox. No lock is held while Python runs: the
//! core's borrows end before anything is returned or dropped.

use std::collections::HashMap;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use floodway_app::http1::Bodies;
use floodway_base::{OnceTable, OwnerCell, OwnerRef, Token, limits};
use floodway_conn::driver::DriverKind;
use floodway_conn::{Clock, CloseReason, Delivery, Message, Polled, Security, Shared, Source};
use floodway_sys::{Errno, socket};
use pyo3::exceptions::{PyRuntimeError, PyTimeoutError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::PyTuple;

use crate::admission::Admission;
use crate::batch::{Batch, FIRST_ROUTE, base};
use crate::clock::FakeClock;
use crate::connection::Connection;
use crate::framing::Framing;
use crate::host::{PyCall, PyHost};
use crate::intake::Desk;
use crate::newcomer::Newcomer;
use crate::objects::Objects;
use crate::options::{self, ROUTE_EVENTS};
use crate::timer::Timer;
use crate::tls::Tls;
use crate::{address, errors, gate, stats};

pub(crate) type Core = floodway_conn::Reactor<PyHost>;

/// A poller, the connections that it owns, their buffers and timers. One thread, the owner, polls it.
#[pyclass(frozen, weakref, module = "floodway")]
#[derive(Debug)]
pub(crate) struct Reactor {
    core: OwnerCell<Core>,
    pub(crate) shared: Arc<Shared<PyHost>>,
    name: String,
    /// Which of the process's reactors it is, from 0.
    number: u64,
    driver: &'static str,
    /// The process that made it: a forked child may not use it.
    pid: u32,
    /// The objects of connections that Python has seen, by slot.
    objects: Mutex<Objects>,
    /// Why connections were ended by Python, until `on_close` gets it.
    failures: Mutex<HashMap<u64, Py<PyAny>>>,
    /// What the bodies of requests that are kept until they are complete hold.
    bodies: Arc<Bodies>,
    /// What happens to the requests of each route around the application.
    intakes: OnceTable<Arc<Desk>, 16>,
}

/// How long another thread waits for a reactor's answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// Reactors that this process has made.
static REACTORS: AtomicU64 = AtomicU64::new(0);

impl Reactor {
    /// One number for a reactor's number and a token, which together no other connection of the process ever has. Packed
    /// without gaps, so that an id fits into 63 bits until 1,024 reactors were made.
    pub(crate) fn id_of(&self, token: Token) -> u128 {
        const SLOT_BITS: u32 = limits::MAX_SLOTS.trailing_zeros();
        const TOKEN_BITS: u32 = SLOT_BITS + u32::BITS - 1;
        const _: () = assert!(limits::MAX_SLOTS.is_power_of_two());
        // Generations of connections are odd.
        let life = u128::from(token.generation >> 1) << SLOT_BITS;
        u128::from(self.number) << TOKEN_BITS | life | u128::from(token.slot)
    }

    /// The core, if this is the owner's thread and nothing of it is in use: with all messages taken.
    pub(crate) fn core_here(&self) -> Option<OwnerRef<'_, Core>> {
        let mut core = self.core.try_borrow_mut()?;
        core.take_messages();
        Some(core)
    }

    /// The core as it is, for the batch.
    pub(crate) fn core_of_batch(&self) -> Option<OwnerRef<'_, Core>> {
        self.core.try_borrow_mut()
    }

    /// Runs `work` on the core: on the owner's thread, or on any other while nobody owns it.
    fn with_core<T>(&self, work: impl FnOnce(&mut Core) -> T) -> PyResult<T> {
        self.check_process()?;
        let was_owner = self.core.is_owner();
        self.core.bind().map_err(|error| {
            PyRuntimeError::new_err(format!("{}: {error}; or use call_soon", self.name))
        })?;
        let result = self.core_here().map(|mut core| work(&mut core));
        if !was_owner {
            self.core.release_owner();
        }
        result.ok_or_else(|| {
            PyRuntimeError::new_err(format!("{} is in use by its own poll", self.name))
        })
    }

    fn check_process(&self) -> PyResult<()> {
        if self.pid == std::process::id() {
            return Ok(());
        }
        Err(PyRuntimeError::new_err(format!(
            "{} was made in process {} and this is its child {}; make a new engine after fork",
            self.name,
            self.pid,
            std::process::id()
        )))
    }

    /// The object of a connection, made when there is none yet.
    pub(crate) fn object<'py>(
        slf: &Bound<'py, Self>,
        token: Token,
    ) -> PyResult<Bound<'py, Connection>> {
        let py = slf.py();
        let this = slf.get();
        let mut objects = this
            .objects
            .lock_py_attached(py)
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(object) = objects.get(token) {
            return Ok(object.bind(py).clone());
        }
        let object = Bound::new(py, Connection::new(slf.clone().unbind(), token))?;
        if this.shared.note_object(token) {
            let stale = objects.put(token, object.clone().unbind());
            drop(objects);
            drop(stale);
        }
        Ok(object)
    }

    /// Drops the objects of connections that nobody would miss.
    fn drop_unmissed(&self, py: Python<'_>) {
        let unmissed = {
            let mut objects = self
                .objects
                .lock_py_attached(py)
                .unwrap_or_else(PoisonError::into_inner);
            objects.take_unmissed(py)
        };
        for object in &unmissed {
            self.shared.forget_object(object.get().token);
        }
    }

    /// Takes the object of a closed connection out of the table, if there is one.
    pub(crate) fn take_object(&self, py: Python<'_>, token: Token) -> Option<Py<Connection>> {
        let mut objects = self
            .objects
            .lock_py_attached(py)
            .unwrap_or_else(PoisonError::into_inner);
        objects.take(token)
    }

    /// Notes why a connection is ended by Python; the first reason counts.
    pub(crate) fn note_failure(&self, py: Python<'_>, token: Token, error: Py<PyAny>) {
        let mut failures = self
            .failures
            .lock_py_attached(py)
            .unwrap_or_else(PoisonError::into_inner);
        failures.entry(token.to_bits()).or_insert(error);
    }

    pub(crate) fn take_failure(&self, py: Python<'_>, token: Token) -> Option<Py<PyAny>> {
        let mut failures = self
            .failures
            .lock_py_attached(py)
            .unwrap_or_else(PoisonError::into_inner);
        failures.remove(&token.to_bits())
    }

    /// What happens to the requests of a route around the application, if anything does.
    pub(crate) fn intake(&self, route: u16) -> Option<&Arc<Desk>> {
        self.intakes.get(usize::from(route))
    }

    /// Asks the owner for our address of a connection, and waits for the answer detached.
    pub(crate) fn ask_local(
        &self,
        py: Python<'_>,
        token: Token,
    ) -> PyResult<Option<floodway_sys::SocketAddress>> {
        let question = |sender| Message::AskLocal(token, sender);
        self.ask(py, "the local address", question)
    }

    /// Asks the owner what encrypts a connection, in the same way.
    pub(crate) fn ask_security(&self, py: Python<'_>, token: Token) -> PyResult<Option<Security>> {
        let question = |sender| Message::AskSecurity(token, sender);
        self.ask(py, "what a connection is encrypted with", question)
    }

    fn ask<T: Send>(
        &self,
        py: Python<'_>,
        what: &str,
        question: impl FnOnce(SyncSender<T>) -> Message<PyHost>,
    ) -> PyResult<T> {
        let (sender, receiver) = sync_channel(1);
        self.post(question(sender));
        gate::detached(py, move || receiver.recv_timeout(ANSWER_TIMEOUT)).map_err(|_| {
            PyTimeoutError::new_err(format!(
                "{} did not say {what} within {} s; a callback is blocking it",
                self.name,
                ANSWER_TIMEOUT.as_secs()
            ))
        })
    }

    /// Sends the owner a message. Once the reactor has ended this thread, which has to be attached to the interpreter,
    /// drops what nobody will take: it may refer to this reactor, and would keep it for ever.
    pub(crate) fn post(&self, message: Message<PyHost>) {
        if self.shared.inbox.push(message) {
            return;
        }
        for message in self.shared.inbox.drain() {
            if let Message::Call(call) = &message {
                call.forgo();
            }
        }
    }

    /// Lets go of payloads that were sent.
    fn drop_spent(&self) {
        let spent = self.core.try_borrow_mut().map(|mut core| core.take_spent());
        drop(spent);
    }
}

#[pymethods]
impl Reactor {
    #[new]
    #[pyo3(signature = (name, *, driver = "auto", limits, admission, clock = None))]
    fn new(
        name: String,
        driver: &str,
        limits: &Bound<'_, PyAny>,
        admission: &Admission,
        clock: Option<&FakeClock>,
    ) -> PyResult<Self> {
        let kind = match driver {
            "auto" => DriverKind::Auto,
            "epoll" => DriverKind::Epoll,
            "portable" => DriverKind::Portable,
            other => {
                return Err(unknown(
                    "driver",
                    other,
                    "\"auto\", \"epoll\" or \"portable\"",
                ));
            }
        };
        let clock = clock.map_or_else(Clock::monotonic, FakeClock::clock);
        let bodies = options::bodies(limits)?;
        let limits = options::reactor_limits(limits)?;
        let core =
            Core::new(kind, limits, admission.0.clone(), clock).map_err(errors::system_error)?;
        Ok(Self {
            shared: core.shared().clone(),
            driver: core.driver_name(),
            core: OwnerCell::new(core),
            name,
            number: REACTORS.fetch_add(1, Ordering::Relaxed),
            pid: std::process::id(),
            objects: Mutex::default(),
            failures: Mutex::default(),
            bodies,
            intakes: OnceTable::new(floodway_conn::MAX_ROUTES),
        })
    }

    /// The name given to it.
    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    /// The driver that runs.
    #[getter]
    fn driver(&self) -> &str {
        self.driver
    }

    /// Connections owned or on their way here. Any thread.
    #[getter]
    fn load(&self) -> usize {
        self.shared.load()
    }

    /// `time.monotonic()` of the end of the last poll while a batch is being handled, else None. Any thread.
    #[getter]
    fn busy_since(&self) -> Option<f64> {
        self.shared
            .busy_since_nanos()
            .map(|nanos| nanos as f64 / 1e9)
    }

    /// Wait for events that Python wants, with the interpreter released. None once stopped.
    ///
    /// Returns an empty batch at the timeout (seconds; None: no timeout), after `wake` and after a signal. Raises
    /// RuntimeError when another thread is the owner. The first poll makes the calling thread the owner.
    #[pyo3(signature = (timeout = None))]
    fn poll(slf: &Bound<'_, Self>, timeout: Option<f64>) -> PyResult<Option<Batch>> {
        let this = slf.get();
        let timeout = options::duration("timeout", timeout)?;
        this.check_process()?;
        this.core
            .bind()
            .map_err(|error| PyRuntimeError::new_err(format!("{}: {error}", this.name)))?;
        this.drop_unmissed(slf.py());
        let polled = gate::detached(slf.py(), || {
            this.core
                .try_borrow_mut()
                .map(|mut core| core.poll(timeout))
        });
        this.drop_spent();
        match polled {
            None => Err(PyRuntimeError::new_err(format!(
                "{} was polled from within its own poll",
                this.name
            ))),
            Some(Err(errno)) => Err(errors::system_error(errno)),
            Some(Ok(Polled::Batch)) => Ok(Some(Batch::new(slf.clone().unbind()))),
            Some(Ok(Polled::Stopped)) => {
                this.core.release_owner();
                Ok(None)
            }
        }
    }

    /// Report by EVENT_FOREIGN when a descriptor that the reactor does not own can be read or written. Once more: change
    /// what is asked for. Owner thread, or any while nobody polls.
    fn watch(&self, fd: i32, read: bool, write: bool) -> PyResult<()> {
        if !read && !write {
            return Err(PyValueError::new_err(format!(
                "nothing to watch fd {fd} for; pass read=True or write=True, or call unwatch"
            )));
        }
        if fd < 0 {
            return Err(errors::system_error(Errno::BADF));
        }
        self.with_core(|core| {
            // SAFETY: not -1. Used during this call only, for its number and for system calls that check it.
            let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
            core.watch(borrowed, read, write)
        })?
        .map_err(errors::system_error)
    }

    /// Report this descriptor no more, and return whether it was watched. It may be closed by now. Owner thread, or any
    /// while nobody polls. In a forked child it does nothing: what is watched there is the parent's.
    fn unwatch(&self, fd: i32) -> PyResult<bool> {
        if fd < 0 || self.pid != std::process::id() {
            return Ok(false);
        }
        self.with_core(|core| {
            // SAFETY: as in `watch`.
            let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
            core.unwatch(borrowed)
        })
    }

    /// Let another thread poll from now on. Nothing happens unless the caller is the owner, outside of a poll.
    fn release(&self) {
        self.core.release_owner();
    }

    /// Let a poll return at once. Any thread.
    fn wake(&self) {
        self.shared.wake();
    }

    /// Let the next poll return None, once. Any thread.
    fn stop(&self) {
        self.shared.stop();
    }

    /// What becomes of the connections of one listener or connector; before they exist. Any thread.
    #[pyo3(signature = (*, interest, framing, limits, keepalive, nodelay, serialized, tls = None))]
    #[allow(clippy::too_many_arguments, reason = "Python names each of them")]
    fn add_route(
        slf: &Bound<'_, Self>,
        interest: u32,
        framing: &Framing,
        limits: &Bound<'_, PyAny>,
        keepalive: Option<f64>,
        nodelay: bool,
        serialized: bool,
        tls: Option<Tls<'_>>,
    ) -> PyResult<u32> {
        let this = slf.get();
        let http = framing.1.as_ref();
        let desk = http.and_then(|http| http.intake.as_ref());
        let queue = http.and_then(|http| http.queue.as_ref());
        let outlet = queue.map(|queue| queue.get().outlet_of(slf, desk));
        let route = options::route(
            interest,
            framing,
            limits,
            keepalive,
            nodelay,
            serialized,
            outlet,
            tls.as_ref(),
            &this.bodies,
        )?;
        let number = this.shared.add_route(route).ok_or_else(|| {
            PyRuntimeError::new_err(format!(
                "{} has {} routes, the most it can have; share listeners and connectors",
                this.name,
                floodway_conn::MAX_ROUTES
            ))
        })?;
        if let Some(desk) = desk {
            this.intakes
                .get_or_init(usize::from(number), || desk.clone());
        }
        Ok(base(number))
    }

    /// Accept on a socket (the core keeps a duplicate). Owner thread, or any while nobody polls.
    #[pyo3(signature = (fd, route, *, source = "listening", delivery = "own", seat = 0))]
    fn listen(
        &self,
        fd: i32,
        route: u32,
        source: &str,
        delivery: &str,
        seat: usize,
    ) -> PyResult<u32> {
        let source = match source {
            "listening" => Source::Listening,
            "shared" => Source::Shared,
            "channel" => Source::Channel { seat },
            other => {
                return Err(unknown(
                    "source",
                    other,
                    "\"listening\", \"shared\" or \"channel\"",
                ));
            }
        };
        let (route, delivery) = match delivery {
            "own" => (self.route_number(route)?, Delivery::Own),
            "hand_over" => (0, Delivery::HandOver),
            "depart" => (0, Delivery::Depart),
            other => {
                return Err(unknown(
                    "delivery",
                    other,
                    "\"own\", \"hand_over\" or \"depart\"",
                ));
            }
        };
        self.with_core(|core| {
            // SAFETY: the caller keeps the socket open during this call, which makes a duplicate of it.
            let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
            let socket = socket::duplicate(borrowed)?;
            core.listen(socket, route, delivery, source)
        })?
        .map_err(errors::system_error)
    }

    /// Own this socket from now on. Any thread. Consumes the newcomer.
    fn adopt(&self, newcomer: &Newcomer, route: u32) -> PyResult<()> {
        let route = self.route_number(route)?;
        let Some(newcomer) = newcomer.take() else {
            return Err(PyRuntimeError::new_err("this newcomer was adopted already"));
        };
        self.shared.count_in();
        let mut newcomer = Some(newcomer);
        if let Some(mut core) = self.core_here()
            && let Some(newcomer) = newcomer.take()
        {
            core.adopt(newcomer, route);
        }
        if let Some(newcomer) = newcomer {
            self.post(Message::Adopt(newcomer, route));
        }
        Ok(())
    }

    /// Start a connection. Any thread. Address None: `Connection._resolved` follows once it is known. `server_name`: whom
    /// the certificate has to be for, on a route with TLS.
    #[pyo3(signature = (address, route, *, timeout, user_data = None, server_name = None))]
    fn connect<'py>(
        slf: &Bound<'py, Self>,
        address: Option<&Bound<'py, PyAny>>,
        route: u32,
        timeout: Option<f64>,
        user_data: Option<Py<PyAny>>,
        server_name: Option<String>,
    ) -> PyResult<Bound<'py, Connection>> {
        let this = slf.get();
        this.check_process()?;
        let route = this.route_number(route)?;
        let timeout = options::duration("timeout", timeout)?;
        let address = address.map(address::from_python).transpose()?;
        let server_name = server_name.map(String::into_boxed_str);
        let token = this
            .shared
            .reserve(route)
            .ok_or_else(|| PyRuntimeError::new_err("no more connections fit into this reactor"))?;
        let object = Self::object(slf, token)?;
        object.get().set_user_data_now(&object, user_data);
        if let Some(mut core) = this.core_here() {
            core.connect(token, timeout, server_name);
            if let Some(address) = address {
                core.resolved(token, vec![address]);
            }
        } else {
            this.post(Message::Connect(token, timeout, server_name));
            if let Some(address) = address {
                this.post(Message::Resolved(token, vec![address]));
            }
        }
        Ok(object)
    }

    /// Make this call on the owner's thread. Any thread.
    #[pyo3(signature = (function, *args))]
    fn call_soon(&self, function: Py<PyAny>, args: Py<PyTuple>) {
        self.post(Message::Call(PyCall::Posted(function, args)));
    }

    /// Make this call after so many seconds. Any thread. Precision 10 ms, never early.
    #[pyo3(signature = (seconds, function, *args))]
    fn call_later(
        slf: &Bound<'_, Self>,
        seconds: f64,
        function: Py<PyAny>,
        args: Py<PyTuple>,
    ) -> PyResult<Py<Timer>> {
        let py = slf.py();
        let this = slf.get();
        let delay = options::duration("seconds", Some(seconds))?.unwrap_or_default();
        let timer = Py::new(py, Timer::new(slf.clone().unbind(), delay, function, args))?;
        if let Some(mut core) = this.core_here() {
            let number = core.call_later(delay, PyCall::Due(timer.clone_ref(py)));
            timer.get().armed(number);
        } else {
            let call = PyCall::Arm(timer.clone_ref(py), Instant::now());
            this.post(Message::Call(call));
        }
        Ok(timer)
    }

    /// The connections that exist now, opening and closing ones included. Any thread.
    fn connections<'py>(slf: &Bound<'py, Self>) -> PyResult<Vec<Bound<'py, Connection>>> {
        let live: Vec<Token> = slf.get().shared.live().collect();
        live.into_iter()
            .map(|token| Self::object(slf, token))
            .collect()
    }

    /// Abort this connection because its handler raised `error`, which `on_close` gets.
    #[allow(
        clippy::unused_self,
        reason = "the connection knows its reactor; Python's side reads better so"
    )]
    fn fail(&self, py: Python<'_>, connection: &Connection, error: Py<PyAny>) {
        connection.fail(py, error);
    }

    /// Accept what waits, then close the listeners. Owner thread. Part one of stopping.
    fn close_listeners(&self) -> PyResult<()> {
        self.with_core(Core::close_listeners)
    }

    /// Accept what waits, then close the listener of this number. Owner thread.
    fn close_listener(&self, number: u32) -> PyResult<()> {
        self.with_core(|core| core.close_listener(number))
    }

    /// Stop accepting until `resume_accepting`. Owner thread.
    fn pause_accepting(&self) -> PyResult<()> {
        self.with_core(Core::pause_accepting)
    }

    /// Accept again. Owner thread.
    fn resume_accepting(&self) -> PyResult<()> {
        self.with_core(Core::resume_accepting)
    }

    /// Look at every shared listener whether somebody waits there. Owner thread.
    fn look_again(&self) -> PyResult<()> {
        self.with_core(Core::look_again)
    }

    /// Close idle connections now and busy ones when they become idle; those that never sent a byte get
    /// `idle_seconds`. Owner thread. Part two of stopping.
    fn drain(&self, idle_seconds: f64) -> PyResult<()> {
        let spare =
            options::duration("idle_seconds", Some(idle_seconds))?.unwrap_or(Duration::ZERO);
        self.with_core(|core| core.drain(spare))
    }

    /// Abort every connection with ServerStopping. Owner thread. Part three.
    fn abort_all(&self) -> PyResult<()> {
        self.with_core(Core::abort_all)
    }

    /// Close every descriptor without callbacks. After the last poll, or in a forked child, where it only closes.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let in_child = self.pid != std::process::id();
        if in_child && !self.core.is_owner() {
            // The thread that owns it does not exist in this process: nothing is left to race with, and nothing may be
            // touched but the descriptors, which end with the process or with this object.
            return Ok(());
        }
        if in_child {
            if let Some(mut core) = self.core.try_borrow_mut() {
                core.close_descriptors();
            }
        } else {
            let calls = self.with_core(Core::end)?;
            calls.iter().for_each(PyCall::forgo);
            drop(calls); // after the core's borrow: dropping may run Python
        }
        let objects = {
            let mut objects = self
                .objects
                .lock_py_attached(py)
                .unwrap_or_else(PoisonError::into_inner);
            objects.take_all()
        };
        drop(objects);
        Ok(())
    }

    /// A snapshot of the counters. Any thread.
    fn stats(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        stats::snapshot(py, &self.name, self.driver, &self.shared)
    }

    fn __repr__(&self) -> String {
        format!(
            "<floodway.Reactor {:?}, {}, {} connections>",
            self.name,
            self.driver,
            self.shared.load()
        )
    }
}

impl Reactor {
    /// The core's number of a route that Python knows by its first event.
    fn route_number(&self, first_event: u32) -> PyResult<u16> {
        first_event
            .checked_sub(FIRST_ROUTE)
            .filter(|offset| offset % ROUTE_EVENTS == 0)
            .and_then(|offset| u16::try_from(offset / ROUTE_EVENTS).ok())
            .filter(|number| self.shared.has_route(*number))
            .ok_or_else(|| {
                PyValueError::new_err(format!(
                    "{first_event} is no route of {}; pass what add_route returned",
                    self.name
                ))
            })
    }
}

fn unknown(name: &str, value: &str, known: &str) -> PyErr {
    PyValueError::new_err(format!("{name} is {value:?}; write {known}"))
}

/// Ends a connection because of Python, on whatever thread.
pub(crate) fn abort(reactor: &Reactor, token: Token, reason: CloseReason) {
    reactor.shared.finish(token);
    match reactor.core_here() {
        Some(mut core) => core.abort(token, reason),
        None => reactor.post(Message::Abort(token, reason)),
    }
}
