"""Home of the native buffers: `LinkBuffer`, and the views that it lends.

A `LinkBuffer` is a chain of reference-counted blocks; a view owns a reference to its block and stays valid for as long
as it lives, whatever becomes of the buffer, the connection or the reactor.
"""

from floodway._core import LinkBuffer, View, WritableView

__all__ = ["LinkBuffer", "View", "WritableView"]
