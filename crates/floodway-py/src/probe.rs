//! `probe`: facts about kernel and machine, as a dictionary.

use floodway_sys::Probe;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Facts about kernel and machine; None for what could not be found out. Reads a dozen small files.
#[pyfunction]
pub(crate) fn probe(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let found = Probe::new();
    let facts = PyDict::new(py);
    facts.set_item("kernel_release", found.kernel_release)?;
    facts.set_item("somaxconn", found.somaxconn)?;
    facts.set_item("local_port_range", found.local_port_range)?;
    let triple = |values: Option<[u64; 3]>| values.map(|[low, middle, high]| (low, middle, high));
    facts.set_item("tcp_mem_pages", triple(found.tcp_mem_pages))?;
    facts.set_item("tcp_rmem_bytes", triple(found.tcp_rmem_bytes))?;
    facts.set_item("tcp_wmem_bytes", triple(found.tcp_wmem_bytes))?;
    facts.set_item("nr_open", found.nr_open)?;
    facts.set_item("epoll", found.epoll)?;
    facts.set_item("affinity_cpus", found.affinity_cpus)?;
    facts.set_item("cpu_quota", found.cpu_quota)?;
    Ok(facts)
}
