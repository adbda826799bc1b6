"""Home of the native fake clock, by which a reactor's timers can be moved in a test."""

from floodway._core import FakeClock

__all__ = ["FakeClock"]
