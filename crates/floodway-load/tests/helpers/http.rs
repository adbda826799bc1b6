//! HTTP servers of the tests, and plans for them.

use std::io;

use floodway_load::{Expected, Method, Plan, Report, Request};

use super::{Server, Stream};

/// Answers requests until the peer ends: `answer` gets the request's number on this connection, its head and its body.
pub fn serve(
    stream: &mut dyn Stream,
    mut answer: impl FnMut(&mut dyn Stream, u64, &str, &[u8]) -> io::Result<()>,
) {
    let (mut received, mut area) = (Vec::new(), vec![0; 65_536]);
    for number in 0.. {
        let (head_len, end) = loop {
            if let Some((head_len, end)) = end_of_request(&received) {
                break (head_len, end);
            }
            let Ok(len @ 1..) = stream.read(&mut area) else {
                return;
            };
            received.extend_from_slice(&area[..len]);
        };
        assert_eq!(
            received.len(),
            end,
            "a second request while the first is unanswered"
        );
        let head = String::from_utf8(received[..head_len].to_vec()).unwrap();
        if answer(stream, number, &head, &received[head_len..end]).is_err() {
            return;
        }
        received.clear();
    }
}

/// Where the head and the body of a complete request end.
pub fn end_of_request(received: &[u8]) -> Option<(usize, usize)> {
    let head_len = received.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&received[..head_len]).unwrap();
    let length = head.split_once("Content-Length: ");
    let length = length.map_or(0, |(_, rest)| {
        rest.split_once('\r').unwrap().0.parse().unwrap()
    });
    (received.len() >= head_len + length).then_some((head_len, head_len + length))
}

pub fn answer(stream: &mut dyn Stream, status: u16, body: &[u8]) -> io::Result<()> {
    let text = format!(
        "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[text.as_bytes(), body].concat())
}

/// GET without a body on four connections for a tenth of a second.
pub fn plan(server: &Server) -> Plan {
    Plan {
        request: Some(Request {
            method: Method::Get,
            target: "/hello?x=1".to_owned(),
            host: "here:80".to_owned(),
            expected: Expected::OneLength,
        }),
        ..super::plan(server)
    }
}

/// POST of so many bytes that have to come back.
pub fn echoed(server: &Server, size: usize) -> Plan {
    let mut plan = plan(server);
    let request = plan.request.as_mut().unwrap();
    (request.method, request.expected) = (Method::Post, Expected::Echo);
    Plan { size, ..plan }
}

pub fn assert_clean(report: &Report) {
    assert_undisturbed(report);
    assert!(report.messages > 0, "{report:#?}");
}

/// Four connections, and nothing that went wrong; perhaps nothing was exchanged.
pub fn assert_undisturbed(report: &Report) {
    assert_eq!(
        (report.connected, report.closed_by_server),
        (4, 0),
        "{report:#?}"
    );
    assert!(
        report.failed.is_empty() && report.broken.is_empty(),
        "{report:#?}"
    );
    assert_eq!(
        (report.corrupt_bytes, report.unanswered),
        (0, 0),
        "{report:#?}"
    );
    assert_eq!(report.complaints, Vec::<String>::new());
}
