"""Framings as users write them: values that cannot be meant are refused where they are written."""

from collections.abc import Callable

import pytest

import floodway


@pytest.mark.parametrize(
    ("framing", "largest"),
    [
        (floodway.Raw(), None),
        (floodway.Buffered(), None),
        (floodway.Lines(), 65536),
        (floodway.Delimited(b"\0", max_bytes=9), 9),
        (floodway.Fixed(7), 7),
        (floodway.LengthPrefixed(size=2, byteorder="little", max_bytes=100, includes_header=True), 100),
    ],
)
def test_a_framing_knows_its_largest_frame_and_becomes_native(
    framing: floodway.Raw | floodway.Lines, largest: int | None
) -> None:
    assert framing.largest_frame == largest
    assert type(framing.native()).__name__ == "Framing"
    assert framing == framing.__class__(**{name: getattr(framing, name) for name in framing.__slots__})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: floodway.Lines(max_bytes=0), "Lines.max_bytes is 0"),
        (lambda: floodway.Fixed(-1), "Fixed.size is -1"),
        (lambda: floodway.Delimited(b""), "Delimited.delimiter is b''"),
        (lambda: floodway.LengthPrefixed(size=3), "takes 1, 2, 4 or 8 bytes"),
        (lambda: floodway.LengthPrefixed(byteorder="middle"), 'write "big" or "little"'),  # type: ignore[arg-type]
    ],
)
def test_a_framing_that_cannot_be_meant_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_a_frame_above_max_input_is_refused_before_the_start() -> None:
    class Echo(floodway.Handler):
        framing = floodway.Lines(max_bytes=2 << 20)

    with pytest.raises(ValueError, match="lower its max_bytes or raise max_input"):
        floodway.Engine(Echo(), "tcp://127.0.0.1:0")
    floodway.Engine(Echo(), "tcp://127.0.0.1:0", max_input=2 << 20)
