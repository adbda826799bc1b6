"""How a connection's input is cut into what `on_data` gets. Frames are cut natively: half a frame wakes no Python.

Each framing is a frozen dataclass; `native()` gives the native core its form. `conn.write_frame(payload)` adds what the
framing takes away: the terminator or the length. A frame above `max_bytes` closes its connection with FrameTooLong.
"""

from dataclasses import dataclass
from typing import Final, Literal

from floodway._core import Framing

__all__ = ["Buffered", "Delimited", "Fixed", "Framing", "LengthPrefixed", "Lines", "Raw"]

DEFAULT_MAX_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Raw:
    """Input as it comes: `bytes` of whatever length one read gave, at most `Limits.read_chunk`."""

    @property
    def largest_frame(self) -> None:
        """None: it cuts no frames."""
        return None

    @property
    def alpn(self) -> tuple[str, ...]:
        """Empty: TLS has no name for what is in the frames."""
        return ()

    def native(self) -> Framing:
        """The framing as the native core takes it."""
        return Framing.raw()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    r"""Lines that end in `\n` or `\r\n`, as `bytes` without it. `max_bytes` bounds a line without its end.

    >>> Lines(max_bytes=1024).largest_frame
    1024
    """

    max_bytes: int = DEFAULT_MAX_BYTES

    def __post_init__(self) -> None:
        _check_positive("Lines", "max_bytes", self.max_bytes)

    @property
    def largest_frame(self) -> int:
        """Bytes of the largest frame it lets through."""
        return self.max_bytes

    @property
    def alpn(self) -> tuple[str, ...]:
        """Empty: TLS has no name for what is in the frames."""
        return ()

    def native(self) -> Framing:
        """The framing as the native core takes it."""
        return Framing.lines(self.max_bytes)


@dataclass(frozen=True, slots=True)
class Delimited:
    r"""Frames that end in `delimiter`, as `bytes` without it.

    >>> Delimited(b"\0").delimiter
    b'\x00'
    """

    delimiter: bytes
    max_bytes: int = DEFAULT_MAX_BYTES

    def __post_init__(self) -> None:
        if type(self.delimiter) is not bytes or not self.delimiter:
            raise ValueError(rf'Delimited.delimiter is {self.delimiter!r}; it takes bytes, such as b"\0"')
        _check_positive("Delimited", "max_bytes", self.max_bytes)

    @property
    def largest_frame(self) -> int:
        """Bytes of the largest frame it lets through."""
        return self.max_bytes

    @property
    def alpn(self) -> tuple[str, ...]:
        """Empty: TLS has no name for what is in the frames."""
        return ()

    def native(self) -> Framing:
        """The framing as the native core takes it."""
        return Framing.delimited(self.delimiter, self.max_bytes)


@dataclass(frozen=True, slots=True)
class Fixed:
    """Frames of exactly `size` bytes.

    >>> Fixed(16).size
    16
    """

    size: int

    def __post_init__(self) -> None:
        _check_positive("Fixed", "size", self.size)

    @property
    def largest_frame(self) -> int:
        """Bytes of the largest frame it lets through."""
        return self.size

    @property
    def alpn(self) -> tuple[str, ...]:
        """Empty: TLS has no name for what is in the frames."""
        return ()

    def native(self) -> Framing:
        """The framing as the native core takes it."""
        return Framing.fixed(self.size)


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthPrefixed:
    """Frames after their length, a number of `size` bytes (1, 2, 4 or 8), as `bytes` without it.

    `includes_header`: the length counts its own bytes too. `max_bytes` bounds a frame without its length.

    >>> LengthPrefixed(size=2, byteorder="little").max_bytes
    65536
    """

    size: int = 4
    byteorder: Literal["big", "little"] = "big"
    max_bytes: int = DEFAULT_MAX_BYTES
    includes_header: bool = False

    def __post_init__(self) -> None:
        if self.size not in (1, 2, 4, 8):
            raise ValueError(f"LengthPrefixed.size is {self.size!r}; it takes 1, 2, 4 or 8 bytes")
        if self.byteorder not in ("big", "little"):
            raise ValueError(f'LengthPrefixed.byteorder is {self.byteorder!r}; write "big" or "little"')
        _check_positive("LengthPrefixed", "max_bytes", self.max_bytes)

    @property
    def largest_frame(self) -> int:
        """Bytes of the largest frame it lets through."""
        return self.max_bytes

    @property
    def alpn(self) -> tuple[str, ...]:
        """Empty: TLS has no name for what is in the frames."""
        return ()

    def native(self) -> Framing:
        """The framing as the native core takes it."""
        return Framing.length_prefixed(self.size, self.byteorder, self.max_bytes, self.includes_header)


@dataclass(frozen=True, slots=True)
class Buffered:
    """A `LinkBuffer` of everything not yet taken, received straight into pooled blocks: no payload is copied.

    Take what you can use; the rest stays and is offered again when more has come. `Limits.max_input` bounds it.
    """

    @property
    def largest_frame(self) -> None:
        """None: it cuts no frames."""
        return None

    @property
    def alpn(self) -> tuple[str, ...]:
        """Empty: TLS has no name for what is in the frames."""
        return ()

    def native(self) -> Framing:
        """The framing as the native core takes it."""
        return Framing.buffered()


def _check_positive(framing: str, name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{framing}.{name} is {value!r}; it takes a whole number of bytes")
    if value < 1:
        raise ValueError(f"{framing}.{name} is {value}; it has to be 1 byte or more")
