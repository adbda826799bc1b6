//! What a busy connection, and an answer, may take.

use floodway_app::http1::{Exchange, Head, Http1};

#[test]
fn states_are_small() {
    assert!(size_of::<Http1>() <= 96, "{}", size_of::<Http1>());
    assert!(size_of::<Exchange>() <= 40, "{}", size_of::<Exchange>());
    assert!(size_of::<Head>() <= 72, "{}", size_of::<Head>());
}
