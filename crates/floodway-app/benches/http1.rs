//! What one exchange costs: reading a request and saying what goes around its answer.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use floodway_app::http1::{Config, Date, Http1, Message};
use floodway_base::{Progress, Protocol};

const HELLO: &[u8] = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n";

const BROWSER: &[u8] = b"GET /articles/2024/05/a-title?page=2&sort=date HTTP/1.1\r\n\
    Host: www.example.com\r\n\
    Connection: keep-alive\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n\
    Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Referer: https://www.example.com/articles\r\n\
    Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; consent=yes\r\n\
    Upgrade-Insecure-Requests: 1\r\n\
    Cache-Control: max-age=0\r\n\r\n";

const POST: &[u8] = b"POST /items HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n{\"name\":\"abc\"}";
const CHUNKED: &[u8] = b"POST /items HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nc\r\n{\"name\":\"abc\r\n2\r\n\"}\r\n0\r\n\r\n";

fn exchange(server: &mut Http1, input: &[u8], out: &mut Vec<u8>, date: &Date) {
    let received = server.receive(input, false, 0);
    let Progress::Message(Message::Request(mut request), _) = received.step else {
        panic!("not a request: {received:?}");
    };
    black_box(request.head.path());
    out.clear();
    let headers = [(&b"content-type"[..], &b"text/plain; charset=utf-8"[..])];
    let exchange = &mut request.exchange;
    exchange
        .start(out, 200, None, headers.into_iter(), Some(13), date)
        .expect("an answer");
    let wrapped = exchange.body(13, false).expect("its body");
    out.extend_from_slice(wrapped.prefix());
    out.extend_from_slice(b"Hello, world!");
    out.extend_from_slice(wrapped.suffix);
    server.finish(exchange.keep_alive(), 0);
}

fn bench(c: &mut Criterion) {
    let config = Arc::new(Config::default());
    let date = Date::at(784_111_777);
    let mut group = c.benchmark_group("http1");
    for (name, input) in [
        ("hello", HELLO),
        ("browser", BROWSER),
        ("post", POST),
        ("chunked", CHUNKED),
    ] {
        group.throughput(Throughput::Elements(1));
        let mut server = Http1::new(&config, 0);
        let mut out = Vec::with_capacity(1 << 10);
        group.bench_function(name, |b| {
            b.iter(|| exchange(&mut server, black_box(input), &mut out, &date));
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
