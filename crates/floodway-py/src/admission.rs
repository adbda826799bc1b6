//! `Admission`: the limits of a process on accepted connections.

use std::sync::Arc;

use floodway_conn::Seat;
use pyo3::prelude::*;

use crate::seats::Seats;

/// Counts the connections of a process against its limits, from their accept on, newcomers included. Shared by all
/// reactors of an engine. Any thread.
#[pyclass(frozen, module = "floodway._core")]
pub(crate) struct Admission(pub(crate) Arc<floodway_conn::Admission>);

#[pymethods]
impl Admission {
    #[new]
    #[pyo3(signature = (max_connections, max_connections_per_ip, seat = None))]
    fn new(
        max_connections: Option<usize>,
        max_connections_per_ip: Option<usize>,
        seat: Option<(PyRef<'_, Seats>, usize, u32)>,
    ) -> PyResult<Self> {
        let seat = seat
            .map(|(seats, index, generation)| {
                Ok::<_, PyErr>(Seat {
                    seats: seats.0.clone(),
                    index: seats.checked(index)?,
                    generation,
                })
            })
            .transpose()?;
        Ok(Self(Arc::new(floodway_conn::Admission::new(
            max_connections,
            max_connections_per_ip,
            seat,
        ))))
    }

    /// Let other processes hand over connections from now on. Before the first is accepted.
    fn sit(&self) {
        self.0.sit();
    }

    /// Accepted connections now.
    #[getter]
    fn connections(&self) -> usize {
        self.0.count()
    }

    /// The limit; None for no limit.
    #[getter]
    fn max_connections(&self) -> Option<usize> {
        self.0.max()
    }
}
