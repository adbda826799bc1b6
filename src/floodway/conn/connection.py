"""Home of the native `Connection`, and of `write_many`, which writes to many of them at once."""

from floodway._core import Connection, write_many

__all__ = ["Connection", "write_many"]
