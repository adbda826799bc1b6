//! Small servers, one thread a connection, that are correct or wrong in one known way.
#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "a failed set-up fails the test; not every file uses all of it"
)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{Builder, JoinHandle};

use floodway_load::{Plan, Progress, Report, SocketAddress, UnixName};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{HandshakeKind, ServerConnection, StreamOwned, SupportedProtocolVersion};

/// A connection of either kind.
pub trait Stream: Read + Write + Send + 'static {
    /// Over TLS: says that nothing more follows.
    fn say_goodbye(&mut self) {}

    /// Whether the client shook hands by TLS without resuming an earlier session.
    fn was_whole_handshake(&self) -> bool {
        false
    }
}

impl Stream for TcpStream {}
impl Stream for UnixStream {}

impl Stream for StreamOwned<ServerConnection, TcpStream> {
    fn say_goodbye(&mut self) {
        self.conn.send_close_notify();
        let _ = self.conn.complete_io(&mut self.sock);
    }

    fn was_whole_handshake(&self) -> bool {
        self.conn.handshake_kind() == Some(HandshakeKind::Full)
    }
}

/// What a server does with its `number`th connection.
pub type Behaviour = fn(usize, &mut dyn Stream);

/// A server that runs until it is dropped.
pub struct Server {
    pub address: SocketAddress,
    accepted: Arc<AtomicUsize>,
    ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens on 127.0.0.1.
    pub fn start(behaviour: Behaviour) -> Self {
        Self::start_tcp("127.0.0.1:0", behaviour)
    }

    pub fn start_tcp(address: &str, behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap().into();
        Self::serve(address, behaviour, move || {
            let stream = listener.accept().unwrap().0;
            stream.set_nodelay(true).unwrap();
            Box::new(stream)
        })
    }

    /// Listens on 127.0.0.1 and speaks this version of TLS, by rustls' own server and with a certificate for `localhost`.
    pub fn start_tls(version: &'static SupportedProtocolVersion, behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let config = Arc::new(server_config(version));
        Self::serve(
            listener.local_addr().unwrap().into(),
            behaviour,
            move || {
                let stream = listener.accept().unwrap().0;
                stream.set_nodelay(true).unwrap();
                let session = ServerConnection::new(config.clone()).unwrap();
                Box::new(StreamOwned::new(session, stream))
            },
        )
    }

    pub fn start_unix(name: UnixName, behaviour: Behaviour) -> Self {
        use std::os::linux::net::SocketAddrExt;
        use std::os::unix::net::SocketAddr;
        let listener = match &name {
            UnixName::Path(path) => UnixListener::bind(path).unwrap(),
            UnixName::Abstract(name) => {
                UnixListener::bind_addr(&SocketAddr::from_abstract_name(name).unwrap()).unwrap()
            }
            UnixName::Unnamed => unreachable!("nobody listens without a name"),
        };
        Self::serve(SocketAddress::Unix(name), behaviour, move || {
            Box::new(listener.accept().unwrap().0)
        })
    }

    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Acquire)
    }

    fn serve(
        address: SocketAddress,
        behaviour: Behaviour,
        accept: impl Fn() -> Box<dyn Stream> + Send + 'static,
    ) -> Self {
        let ending = Arc::new(AtomicBool::new(false));
        let accepted = Arc::new(AtomicUsize::new(0));
        let (is_ending, count) = (ending.clone(), accepted.clone());
        let acceptor = move || {
            let mut connections = Vec::new();
            for number in 0.. {
                let mut stream = accept();
                if is_ending.load(Ordering::Acquire) {
                    break;
                }
                count.fetch_add(1, Ordering::Release);
                connections.push(thread(move || behaviour(number, &mut *stream)));
            }
            for connection in connections {
                connection.join().unwrap();
            }
        };
        Self {
            address,
            accepted,
            ending,
            thread: Some(thread(acceptor)),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Release);
        // One more connection ends the wait in accept. The others have ended with the generator.
        match &self.address {
            SocketAddress::V4(address) => drop(TcpStream::connect(address)),
            SocketAddress::V6(address) => drop(TcpStream::connect(address)),
            SocketAddress::Unix(UnixName::Path(path)) => drop(UnixStream::connect(path)),
            SocketAddress::Unix(UnixName::Abstract(name)) => {
                use std::os::linux::net::SocketAddrExt;
                let address = std::os::unix::net::SocketAddr::from_abstract_name(name).unwrap();
                drop(UnixStream::connect_addr(&address));
            }
            SocketAddress::Unix(UnixName::Unnamed) => unreachable!("nobody listens without a name"),
        }
        let ended = self.thread.take().unwrap().join();
        assert!(
            ended.is_ok() || std::thread::panicking(),
            "the server panicked"
        );
    }
}

fn server_config(version: &'static SupportedProtocolVersion) -> rustls::ServerConfig {
    let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signed.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![signed.cert.der().clone()], key)
        .unwrap()
}

fn thread(body: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    Builder::new().stack_size(256 * 1024).spawn(body).unwrap()
}

/// Calls `answer` with everything that comes and where in the stream it is, until the peer ends or an answer fails.
pub fn serve(
    stream: &mut dyn Stream,
    mut answer: impl FnMut(&mut dyn Stream, &mut [u8], u64) -> std::io::Result<()>,
) {
    let (mut area, mut offset) = (vec![0; 65_536], 0);
    while let Ok(len @ 1..) = stream.read(&mut area) {
        if answer(stream, &mut area[..len], offset).is_err() {
            return;
        }
        offset += len as u64;
    }
}

/// The correct one.
pub fn echo(_number: usize, stream: &mut dyn Stream) {
    serve(stream, |stream, bytes, _| stream.write_all(bytes));
}

/// Reads and never answers.
pub fn silent(_number: usize, stream: &mut dyn Stream) {
    serve(stream, |_, _, _| Ok(()));
}

/// A short plan against a server: four connections, 100 ms, hardly any warming up.
pub fn plan(server: &Server) -> Plan {
    Plan {
        connections: 4,
        size: 100,
        seconds: 0.1,
        warmup_seconds: 0.01,
        ..Plan::new(server.address.clone())
    }
}

/// Runs a plan that has to succeed, without being told how it goes.
pub fn run(plan: &Plan) -> Report {
    run_watching(plan, |_| {})
}

pub fn run_watching(plan: &Plan, mut progress: impl FnMut(Progress)) -> Report {
    floodway_load::run(plan, &AtomicBool::new(false), &mut progress).unwrap()
}
