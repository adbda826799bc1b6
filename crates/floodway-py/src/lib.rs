//! `floodway._core`: the native core as a Python module. Converts and forwards, decides nothing.
//!
//! For readers who come from Python: one file per class, named after it; `src/floodway/_core.pyi` is the contract.
//! `gate.rs` is the only place that leaves the interpreter, `errors.rs` the only map to Python's exceptions.
#![deny(unsafe_code)]
// The docs of exported items are Python docstrings, in Python's terms.
#![allow(clippy::doc_markdown)]
// Python hands arguments over; PyO3 wants to receive them so.
#![allow(clippy::needless_pass_by_value)]

#[cfg(not(unix))]
compile_error!("Floodway runs on Linux, macOS and the BSDs; on Windows use WSL 2");

mod address;
mod admission;
mod asgi;
mod awaitables;
mod batch;
#[allow(
    unsafe_code,
    reason = "a reference under Python's own lock, in eight bytes"
)]
mod cell;
mod clock;
mod connection;
mod environ;
mod errors;
mod framing;
mod gate;
mod headers;
mod host;
#[allow(unsafe_code, reason = "the count in front of an object")]
mod immortal;
mod intake;
#[allow(unsafe_code, reason = "the buffer protocol")]
mod link_buffer;
mod load;
mod names;
mod newcomer;
mod objects;
#[allow(unsafe_code, reason = "bytes as text, in one step")]
mod octets;
mod options;
#[allow(
    unsafe_code,
    reason = "the content of `bytes`, read without the interpreter"
)]
mod payload;
mod probe;
mod proxies;
#[allow(unsafe_code, reason = "a descriptor that Python lends for one call")]
mod reactor;
mod request;
mod request_queue;
mod scope;
#[allow(unsafe_code, reason = "a descriptor that Python lends for one call")]
mod seats;
mod stats;
mod timer;
mod tls;
#[allow(unsafe_code, reason = "the buffer protocol")]
mod view;
mod wsgi;

use floodway_base::limits;
use pyo3::prelude::*;

/// The native core of Floodway. Use the names of `floodway` instead.
#[pymodule(gil_used = false)]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("MAX_INPUT_CEILING", limits::MAX_INPUT_BYTES)?;
    module.add("MAX_OUTPUT_CEILING", limits::MAX_OUTPUT_BYTES)?;
    module.add("READ_CHUNK_CEILING", limits::READ_CHUNK_BYTES)?;
    module.add("MAX_BATCH_CEILING", limits::MAX_BATCH_EVENTS)?;
    module.add("MAX_READY_CEILING", limits::MAX_READY_DESCRIPTORS)?;
    module.add("MAX_HEAD_CEILING", floodway_app::http1::MAX_HEAD_BYTES)?;
    module.add("MAX_HEADERS_CEILING", floodway_app::http1::MAX_HEADERS)?;
    module.add("TICK", f64::from(limits::TICK_MILLIS) / 1e3)?;
    module.add("EVENT_CALL", batch::EVENT_CALL)?;
    module.add("EVENT_ACCEPTED", batch::EVENT_ACCEPTED)?;
    module.add("EVENT_NOTICE", batch::EVENT_NOTICE)?;
    module.add("EVENT_FOREIGN", batch::EVENT_FOREIGN)?;
    module.add("ROUTE_OPEN", options::ROUTE_OPEN)?;
    module.add("ROUTE_DATA", options::ROUTE_DATA)?;
    module.add("ROUTE_WRITABLE", options::ROUTE_WRITABLE)?;
    module.add("ROUTE_CLOSE", options::ROUTE_CLOSE)?;
    module.add("ROUTE_EVENTS", options::ROUTE_EVENTS)?;
    module.add_class::<admission::Admission>()?;
    module.add_class::<asgi::AsgiContext>()?;
    module.add_class::<asgi::AsgiExchange>()?;
    module.add_class::<batch::Batch>()?;
    module.add_class::<clock::FakeClock>()?;
    module.add_class::<connection::Connection>()?;
    module.add_class::<environ::EnvironBuilder>()?;
    module.add_class::<framing::Framing>()?;
    module.add_class::<headers::Headers>()?;
    module.add_class::<intake::Intake>()?;
    module.add_class::<link_buffer::LinkBuffer>()?;
    module.add_class::<newcomer::Newcomer>()?;
    module.add_class::<reactor::Reactor>()?;
    module.add_class::<request::Request>()?;
    module.add_class::<request_queue::RequestQueue>()?;
    module.add_class::<seats::HandOver>()?;
    module.add_class::<seats::Seats>()?;
    module.add_class::<timer::Timer>()?;
    module.add_class::<tls::TlsClient>()?;
    module.add_class::<tls::TlsInfo>()?;
    module.add_class::<tls::TlsServer>()?;
    module.add_class::<view::View>()?;
    module.add_class::<view::WritableView>()?;
    module.add_function(wrap_pyfunction!(connection::write_many, module)?)?;
    module.add_function(wrap_pyfunction!(immortal::immortalize, module)?)?;
    module.add_function(wrap_pyfunction!(load::load, module)?)?;
    module.add_function(wrap_pyfunction!(probe::probe, module)?)?;
    Ok(())
}
