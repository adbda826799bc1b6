//! What a server's session costs, without a socket: handshakes, and data in records of 1 and 16 KiB.
//!
//! # Rules
//! Only what the session does is timed, in CPU time; rustls' own client prepares the other side between. The certificate is
//! ECDSA P-256, the exchange X25519, the cipher AES-256-GCM.
//!
//! Run it with `cargo bench -p floodway-tls`.

#[path = "../../floodway-base/benches/receive_schemes/cpu_time.rs"]
mod cpu_time;
#[path = "../tests/support/mod.rs"]
mod support;

use std::sync::Arc;
use std::time::Duration;

use criterion::measurement::Measurement;
use criterion::{BatchSize, Criterion, Throughput, criterion_group};
use floodway_tls::ServerConfig;

use cpu_time::CpuTime;
use support::{
    VERSIONS, established, heard_by, rustls_client, rustls_config, said_by, server_config, write,
};

/// The server's part of a handshake.
fn shake_hands(server: &ServerConfig, client: &Arc<rustls::ClientConfig>) -> Duration {
    let mut client = rustls_client(client, "localhost");
    let (mut plain, mut out) = (Vec::new(), Vec::new());
    let start = CpuTime.start();
    let mut session = server.session();
    let mut spent = CpuTime.end(start);
    loop {
        let mut up = said_by(&mut client);
        if up.is_empty() {
            return spent;
        }
        let start = CpuTime.start();
        session
            .receive(&mut up, &mut plain, &mut out)
            .expect("a flight");
        spent += CpuTime.end(start);
        heard_by(&mut client, &out).expect("a flight");
        out.clear();
    }
}

fn handshakes(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("handshake");
    let server = server_config();
    for version in VERSIONS {
        let resuming = rustls_config(version);
        let mut whole = resuming.as_ref().clone();
        whole.resumption = rustls::client::Resumption::disabled();
        for (name, client) in [("whole", Arc::new(whole)), ("resumed", resuming)] {
            shake_hands(&server, &client); // which leaves a ticket
            group.bench_function(format!("{name}, {:?}", version.version), |bencher| {
                bencher
                    .iter_custom(|times| (0..times).map(|_| shake_hands(&server, &client)).sum());
            });
        }
    }
}

/// In TLS 1.3 alone: in TLS 1.2 the keys are used up before the measurement is over, and the cipher is the same.
fn data(criterion: &mut Criterion<CpuTime>) {
    for kib in [1, 16] {
        let mut group = criterion.benchmark_group(format!("{kib} KiB"));
        let data = vec![b'x'; kib * 1_024];
        group.throughput(Throughput::Bytes(data.len() as u64));
        let (mut client, mut server) = established(&rustls::version::TLS13);
        let (mut plain, mut out) = (Vec::new(), Vec::new());
        group.bench_function("receive", |bencher| {
            let record = || {
                write(&mut client, &data);
                said_by(&mut client)
            };
            let receive = |mut record: Vec<u8>| {
                plain.clear();
                let session = &mut server.session;
                session
                    .receive(&mut record, &mut plain, &mut out)
                    .expect("data");
                assert_eq!(plain.len(), data.len());
            };
            bencher.iter_batched(record, receive, BatchSize::SmallInput);
        });
        let (_, mut server) = established(&rustls::version::TLS13);
        group.bench_function("send", |bencher| {
            bencher.iter(|| {
                out.clear();
                server.session.send(&data, &mut out).expect("data");
            });
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = handshakes, data
}

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
}
