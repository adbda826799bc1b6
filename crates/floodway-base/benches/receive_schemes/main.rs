//! Five ways to hold received bytes, under three loads.
//!
//! # Rules
//! A "read" copies bytes that lie ready into the memory a scheme offers, as the kernel would; the
//! framing (fixed frames) then takes what is whole, and every frame is copied once more, as into
//! Python's `bytes`. So each scheme does the same unavoidable work, and what differs is its own.
//!
//! | scheme | reads into | keeps half frames in |
//! | --- | --- | --- |
//! | allocation per read | 64 KiB allocated for the read | what it read into, or a growing vector |
//! | pooled borrow and return | 64 KiB borrowed for the read | a growing vector per connection |
//! | one fixed area per reactor | one area for all | a growing vector per connection |
//! | ring that grows by copying | the connection's ring | the ring |
//! | link buffer (the product's) | one area for all, or behind what is kept | blocks of the pool |
//!
//! - *Small echo*: 1 KiB frames on 1,000 connections, each read a whole frame.
//! - *Half frames*: 16 KiB frames that arrive in reads of 1,500 bytes, interleaved over 100
//!   connections.
//! - *Burst*: 1 MiB of 128 KiB frames on each of 256 connections in reads of 64 KiB, interleaved,
//!   after which all are idle. What the schemes hold then is printed before the timings, counted by
//!   the allocator.
//!
//! # Outcome
//! 2026-11-24, a 2-core virtual machine, medians of three interleaved rounds of 30 samples, CPU time
//! as a ratio to the link buffer's (within 15 % from round to round):
//!
//! | scheme | small echo | half frames | burst | held after the burst, a connection |
//! | --- | --- | --- | --- | --- |
//! | allocation per read | 1.36 | 1.69 | 1.15 | 0 bytes |
//! | pooled borrow and return | 1.08 | 1.49 | 1.15 | 256 bytes (64 KiB in all) |
//! | one fixed area per reactor | 0.97 | 1.47 | 1.14 | 0 bytes |
//! | ring that grows by copying | 1.21 | 0.60 | 0.62 | 128 KiB (32 MiB in all), for good |
//! | link buffer | 1 | 1 | 1 | 16 KiB (4 MiB in all: the pool's bound) |
//!
//! The ring wins where bytes accumulate, because it never gives memory back: its price is the last
//! column, which a million connections cannot pay. Of those that do give it back, the link buffer is
//! as quick as the bare area where nothing accumulates and the quickest where something does, since
//! what comes second is received behind what came first. What it holds is bounded per reactor and
//! does not grow with the connections.
//!
//! Run it with `cargo bench -p floodway-base`.

mod allocation;
mod counting;
mod cpu_time;
mod fixed_area;
mod link_buffer;
mod load;
mod pooled;
mod ring;
mod scheme;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};

use allocation::AllocationPerRead;
use counting::{CountingAllocator, live_bytes};
use cpu_time::CpuTime;
use fixed_area::FixedArea;
use link_buffer::LinkBuffers;
use load::{BURST, HALF_FRAMES, Load, SMALL_ECHO};
use pooled::PooledBorrow;
use ring::Rings;
use scheme::Scheme;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

fn time<S: Scheme>(criterion: &mut Criterion<CpuTime>, load: Load) {
    let mut group = criterion.benchmark_group(load.name);
    group.throughput(Throughput::Bytes(load.total_bytes() as u64));
    let stream = load.stream();
    let mut scheme = S::new(load.connections);
    group.bench_function(BenchmarkId::from_parameter(S::NAME), |bencher| {
        bencher.iter(|| load.run(&mut scheme, &stream));
    });
}

fn report_memory<S: Scheme>() {
    let load = BURST;
    let stream = load.stream();
    let before = live_bytes();
    let mut scheme = S::new(load.connections);
    let idle = live_bytes() - before;
    load.run(&mut scheme, &stream);
    let held = live_bytes() - before - idle;
    eprintln!(
        "{:<28} before {:>8} KiB, held after the burst {:>8} KiB, {:>9} bytes a connection",
        S::NAME,
        idle / 1_024,
        held / 1_024,
        held / load.connections,
    );
}

fn all(criterion: &mut Criterion<CpuTime>) {
    report_memory::<AllocationPerRead>();
    report_memory::<PooledBorrow>();
    report_memory::<FixedArea>();
    report_memory::<Rings>();
    report_memory::<LinkBuffers>();
    // Load by load, so that what is compared is measured within the same minute.
    for load in [SMALL_ECHO, HALF_FRAMES, BURST] {
        time::<AllocationPerRead>(criterion, load);
        time::<PooledBorrow>(criterion, load);
        time::<FixedArea>(criterion, load);
        time::<Rings>(criterion, load);
        time::<LinkBuffers>(criterion, load);
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = all
}

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
}
