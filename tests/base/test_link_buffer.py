"""`LinkBuffer` from Python: against a `bytearray` under random calls, at its edges, without copies, from threads."""

import array
import copy
import ctypes
import doctest
import gc
import inspect
import io
import os
import pickle
import random
import re
import struct
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import BuiltinFunctionType, MethodDescriptorType
from typing import TYPE_CHECKING

import pytest

from floodway import LinkBuffer, View
from floodway.base.buffer import WritableView

if TYPE_CHECKING:
    from typing_extensions import Buffer

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30
# The most that lies in one piece: what a view shows, or a reservation.
LONGEST = 1 * GIB
# Sizes at which something changes: block classes, what is copied aside at a time, what goes in by reference.
EDGES = [0, 1, 31, *(n * KIB + by for n in (4, 8, 16, 64) for by in (-1, 0, 1)), 200_000]
CLASSES = [LinkBuffer, View, WritableView]


def content(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


def joined(*pieces: bytes) -> LinkBuffer:
    """A buffer in which each piece lies in a block of its own."""
    buffer = LinkBuffer()
    for piece in pieces:
        buffer.append(LinkBuffer(piece))
    return buffer


# ---- against a model ----


class Pair:
    """A buffer, what it should hold, and what it has reserved."""

    def __init__(self, data: bytes = b"") -> None:
        self.real = LinkBuffer(data)
        self.model = bytearray(data)
        self.reserved: WritableView | None = None


class Walk:
    """Random calls on a few buffers that give to and take from each other. Every view handed out is kept, with what it
    showed at first, until it is looked at again later."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.pairs = [Pair() for _ in range(3)]
        self.kept: list[tuple[View, bytes]] = []
        adding = [self.write, self.write, self.write, self.append, self.append_slice, self.write_view]
        taking = [self.next, self.next, self.read, self.skip, self.until, self.ask_too_much]
        looking = [self.peek, self.find, self.slice, self.release]
        self.calls = [*adding, *taking, *looking, self.reserve, self.fill, self.commit]

    def step(self) -> None:
        pair = self.random.choice(self.pairs)
        self.random.choice(self.calls)(pair)
        assert len(pair.real) == len(pair.model)
        if len(pair.model) > MIB:  # so that a walk stays quick
            pair.real.skip(MIB)
            del pair.model[:MIB]

    def finish(self) -> None:
        for pair in self.pairs:
            assert pair.real.peek(len(pair.real)) == pair.model
            assert pair.real.read() == pair.model
            assert len(pair.real) == 0
        self.pairs.clear()
        for view, shown in self.kept:
            assert bytes(view) == shown

    def some(self, most: int) -> int:
        """A size up to `most`: small ones as likely as large ones, and often all of it."""
        sizes = [0, min(1, most), self.random.randint(0, min(100, most)), self.random.randint(0, most), most]
        return self.random.choice(sizes)

    def data(self) -> bytes:
        size = self.random.choice([self.random.randint(0, 100), self.random.randint(0, 10_000), *EDGES])
        # Few different bytes, so that delimiters of two or three are found now and then.
        return bytes(self.random.choices(b"ab\r\n", k=size)) if size < 500 else self.random.randbytes(size)

    def take(self, pair: Pair, n: int) -> bytes:
        taken = bytes(pair.model[:n])
        del pair.model[:n]
        return taken

    def keep(self, view: View, shown: bytes) -> None:
        assert len(view) == len(shown)
        self.kept.append((view, shown))
        if len(self.kept) > 40:
            view, shown = self.kept.pop(self.random.randrange(len(self.kept)))
            assert bytes(view) == shown

    def write(self, pair: Pair) -> None:
        data = self.data()
        forms: list[Buffer] = [data, bytearray(data), memoryview(data), array.array("B", data)]
        pair.real.write(self.random.choice(forms))
        pair.model += data

    def write_view(self, pair: Pair) -> None:
        if self.kept:
            view, shown = self.random.choice(self.kept)
            pair.real.write(view)
            pair.model += shown

    def append(self, pair: Pair) -> None:
        other = self.random.choice([one for one in self.pairs if one is not pair])
        pair.real.append(other.real)
        pair.model += other.model
        other.model.clear()
        assert len(other.real) == 0

    def append_slice(self, pair: Pair) -> None:
        n = self.some(min(len(pair.model), 50_000))
        pair.real.append(pair.real.slice(n))
        pair.model += pair.model[:n]

    def next(self, pair: Pair) -> None:
        n = self.some(len(pair.model))
        self.keep(pair.real.next(n), self.take(pair, n))

    def read(self, pair: Pair) -> None:
        n = self.some(len(pair.model))
        if n == len(pair.model) and self.random.random() < 0.5:
            assert pair.real.read() == self.take(pair, n)
        else:
            assert pair.real.read(n) == self.take(pair, n)

    def skip(self, pair: Pair) -> None:
        n = self.some(len(pair.model))
        pair.real.skip(n)
        del pair.model[:n]

    def peek(self, pair: Pair) -> None:
        n = self.some(len(pair.model))
        assert pair.real.peek(n) == pair.model[:n]

    def delimiter(self, pair: Pair) -> bytes:
        if pair.model and self.random.random() < 0.5:  # one that is there
            at = self.random.randrange(len(pair.model))
            return bytes(pair.model[at : at + self.random.choice([1, 2, 3, 40, 5000])])
        return bytes(self.random.choices(b"ab\r\n", k=self.random.randint(1, 4)))

    def find(self, pair: Pair) -> None:
        delimiter = self.delimiter(pair)
        forms: list[Buffer] = [delimiter, bytearray(delimiter), memoryview(delimiter)]
        assert pair.real.find(self.random.choice(forms)) == pair.model.find(delimiter)

    def until(self, pair: Pair) -> None:
        delimiter = self.delimiter(pair)
        at = pair.model.find(delimiter)
        if at < 0:
            with pytest.raises(ValueError, match="is not in the"):
                pair.real.until(delimiter)
        else:
            self.keep(pair.real.until(delimiter), self.take(pair, at))
            del pair.model[: len(delimiter)]

    def slice(self, pair: Pair) -> None:
        n = self.some(len(pair.model))
        shared = pair.real.slice(n)
        assert len(shared) == n
        if n:
            self.keep(shared.next(n), bytes(pair.model[:n]))

    def reserve(self, pair: Pair) -> None:
        n = self.random.choice(EDGES)
        if pair.reserved is None:
            pair.reserved = pair.real.reserve(n)
            assert len(pair.reserved) == n
        else:
            with pytest.raises(BufferError, match="reserved already"):
                pair.real.reserve(n)

    def fill(self, pair: Pair) -> None:
        if pair.reserved is not None:
            with memoryview(pair.reserved) as room:
                at = self.some(len(room))
                room[at:] = self.random.randbytes(len(room) - at)

    def commit(self, pair: Pair) -> None:
        if pair.reserved is None:
            with pytest.raises(BufferError, match="nothing is reserved"):
                pair.real.commit(0)
            return
        n = self.some(len(pair.reserved))
        pair.model += bytes(pair.reserved)[:n]
        pair.real.commit(n)
        pair.reserved = None

    def release(self, pair: Pair) -> None:
        if self.kept:
            view, shown = self.kept.pop(self.random.randrange(len(self.kept)))
            with view:
                assert memoryview(view).tobytes() == shown

    def ask_too_much(self, pair: Pair) -> None:
        real, more = pair.real, len(pair.model) + self.random.choice([1, 100, GIB])
        call: Callable[[int], object] = self.random.choice([real.peek, real.next, real.read, real.skip, real.slice])
        with pytest.raises(ValueError, match=f"{more}.*only {len(pair.model)} bytes"):
            call(more)


@pytest.mark.parametrize("seed", range(24))
def test_behaves_as_a_bytearray_under_random_calls(seed: int) -> None:
    walk = Walk(seed)
    for _ in range(500):
        walk.step()
    walk.finish()


# ---- content ----


@pytest.mark.parametrize("size", EDGES)
def test_gives_back_what_was_written(size: int) -> None:
    data = content(size)
    assert LinkBuffer(data).read() == data
    assert LinkBuffer(bytearray(data)).read() == data
    buffer = LinkBuffer()
    buffer.write(memoryview(data))
    assert bytes(buffer.next(size)) == data
    assert len(buffer) == 0


def test_is_empty_at_first() -> None:
    buffer = LinkBuffer()
    assert len(buffer) == 0
    assert not buffer
    assert buffer.read() == b""
    assert buffer.peek(0) == b""
    assert bytes(buffer.next(0)) == b""
    assert len(buffer.slice(0)) == 0
    buffer.skip(0)
    buffer.append(LinkBuffer())
    buffer.write(b"")
    assert buffer.find(b"x") == -1
    assert LinkBuffer(b"x")


def test_read_takes_everything_unless_told_how_much() -> None:
    buffer = LinkBuffer(b"hello, world")
    assert buffer.read(5) == b"hello"
    assert buffer.read(0) == b""
    assert buffer.read() == b", world"
    assert buffer.read(-1) == b""


def test_peek_takes_nothing() -> None:
    buffer = joined(b"he", b"llo")
    assert [buffer.peek(n) for n in range(6)] == [b"", b"h", b"he", b"hel", b"hell", b"hello"]
    assert len(buffer) == 5


def test_a_written_bytearray_may_change_afterwards() -> None:
    data = bytearray(b"x" * 100_000)
    buffer = LinkBuffer(data)
    buffer.write(data)
    data[:] = b"y" * 100_000
    data.append(0)  # and is no longer exported
    assert buffer.read() == b"x" * 200_000


def test_a_searched_bytearray_is_let_go() -> None:
    delimiter = bytearray(b"\r\n")
    buffer = LinkBuffer(b"a\r\nb")
    assert buffer.find(delimiter) == 1
    delimiter.append(0)
    assert buffer.find(delimiter) == -1
    with pytest.raises(ValueError):
        buffer.until(delimiter)
    delimiter.pop()
    assert bytes(buffer.until(delimiter)) == b"a"
    delimiter.clear()


class Header(ctypes.BigEndianStructure):
    _fields_ = [("kind", ctypes.c_uint16), ("size", ctypes.c_uint32)]
    _pack_ = 1
    _layout_ = "ms"  # what `_pack_` implies, and Python 3.14 wants said


def test_takes_any_contiguous_buffer() -> None:
    buffer = LinkBuffer(array.array("I", [1, 2]))
    assert buffer.read() == struct.pack("=II", 1, 2)
    buffer.write(Header(7, 8))  # of no dimension
    assert buffer.read() == b"\x00\x07\x00\x00\x00\x08"
    buffer.write(memoryview(b"abcd").cast("B", (2, 2)))
    assert buffer.read() == b"abcd"
    buffer.write(memoryview(b"abcd")[1:3])
    assert buffer.read() == b"bc"


@pytest.mark.parametrize("data", [None, "text", 5, [1, 2], object()])
def test_refuses_what_is_no_buffer(data: object) -> None:
    buffer = LinkBuffer(b"hello")
    calls: list[Callable[..., object]] = [LinkBuffer, buffer.write, buffer.find, buffer.until]
    for call in calls:
        with pytest.raises(TypeError, match=f"bytes-like object is required, not '{type(data).__name__}'"):
            call(data)
    assert buffer.read() == b"hello"


def test_refuses_memory_with_gaps() -> None:
    gaps = memoryview(b"abcdef")[::2]
    buffer = LinkBuffer()
    for call in (LinkBuffer, buffer.write, buffer.find):
        with pytest.raises(BufferError, match="contiguous"):
            call(gaps)
    assert len(buffer) == 0


def test_writing_a_link_buffer_names_append() -> None:
    buffer = LinkBuffer(b"hello")
    with pytest.raises(TypeError, match="append"):
        buffer.write(LinkBuffer())  # type: ignore[arg-type] # the mistake in question


# ---- asking for what is not there ----


@pytest.mark.parametrize("name", ["peek", "next", "read", "skip", "slice"])
def test_asking_for_more_than_there_is_names_both_numbers_and_takes_nothing(name: str) -> None:
    buffer = joined(b"he", b"llo")
    for n in (6, 4 * GIB, sys.maxsize):
        with pytest.raises(ValueError, match=rf"^{name}\({n}\): only 5 bytes are there; "):
            getattr(buffer, name)(n)
    assert buffer.read() == b"hello"


@pytest.mark.parametrize("name", ["peek", "next", "read", "skip", "slice", "reserve", "commit"])
def test_a_negative_number_of_bytes_is_refused(name: str) -> None:
    buffer = LinkBuffer(b"hello")
    for n in (-2, -sys.maxsize - 1):
        with pytest.raises(ValueError, match=rf"^{name}\({n}\): a number of bytes is never negative"):
            getattr(buffer, name)(n)
    if name != "read":
        with pytest.raises(ValueError, match="never negative"):
            getattr(buffer, name)(-1)
    assert buffer.read() == b"hello"


@pytest.mark.parametrize("name", ["peek", "next", "read", "skip", "slice", "reserve", "commit"])
def test_a_number_of_bytes_is_an_int(name: str) -> None:
    method = getattr(LinkBuffer(b"hello"), name)
    for wrong in ("3", 3.0, None, b"3"):
        with pytest.raises(TypeError):
            method(wrong)
    with pytest.raises(OverflowError):
        method(1 << 80)
    with pytest.raises(TypeError):
        method(n=3)


# ---- delimiters ----


@pytest.mark.parametrize("delimiter", [b"\n", b"\r\n", b"\r\n\r\n", b"aaab", b"abab"])
def test_finds_a_delimiter_wherever_the_blocks_are_cut(delimiter: bytes) -> None:
    data = b"aab\r" + delimiter + b"aa\r\n" + delimiter
    for first in range(len(data) + 1):
        for second in range(first, len(data) + 1):
            buffer = joined(data[:first], data[first:second], data[second:])
            assert buffer.find(delimiter) == data.find(delimiter)
            assert bytes(buffer.until(delimiter)) == data.partition(delimiter)[0]
            assert buffer.read() == data.partition(delimiter)[2]


def test_finds_a_delimiter_whose_every_byte_lies_in_a_block_of_its_own() -> None:
    data = b"key: value\r\n\r\nbody"
    buffer = joined(*(bytes([byte]) for byte in data))
    assert buffer.find(b"\r\n\r\n") == 10
    assert bytes(buffer.until(b"\r\n\r\n")) == b"key: value"
    assert buffer.read() == b"body"


def test_finds_a_delimiter_longer_than_a_block() -> None:
    delimiter = content(100_000)
    buffer = joined(b"front" + delimiter[:1], delimiter[1:70_000], delimiter[70_000:] + b"rest")
    assert buffer.find(delimiter) == 5
    assert buffer.find(delimiter + b"!") == -1
    assert bytes(buffer.until(bytearray(delimiter))) == b"front"
    assert buffer.read() == b"rest"


def test_until_excludes_the_delimiter_and_drops_it() -> None:
    buffer = LinkBuffer(b"\r\none\r\ntwo\r\n")
    assert [bytes(buffer.until(b"\r\n")) for _ in range(3)] == [b"", b"one", b"two"]
    assert len(buffer) == 0


def test_until_without_its_delimiter_raises_and_takes_nothing() -> None:
    buffer = LinkBuffer(b"hello\r")
    with pytest.raises(ValueError, match=r"the delimiter \(2 bytes\) is not in the 6 bytes that are there"):
        buffer.until(b"\r\n")
    buffer.write(b"\n")
    assert bytes(buffer.until(b"\r\n")) == b"hello"


def test_an_empty_delimiter_is_found_as_bytes_find_it_but_separates_nothing() -> None:
    buffer = LinkBuffer(b"hello")
    assert buffer.find(b"") == b"hello".find(b"") == 0
    assert LinkBuffer().find(b"") == b"".find(b"") == 0
    for empty in (b"", bytearray()):
        with pytest.raises(ValueError, match="the delimiter is empty"):
            buffer.until(empty)
    assert len(buffer) == 5


def test_a_view_can_be_searched_for() -> None:
    buffer = LinkBuffer(b"boundary: --x\r\nbody--x")
    buffer.until(b": ")
    boundary = buffer.until(b"\r\n")
    assert bytes(buffer.until(boundary)) == b"body"


# ---- joining and sharing ----


def test_append_empties_the_other_which_stays_usable() -> None:
    head, body = LinkBuffer(b"head "), LinkBuffer(b"body")
    head.append(body)
    assert len(body) == 0
    body.write(b"again")
    assert (head.read(), body.read()) == (b"head body", b"again")


def test_a_buffer_cannot_be_appended_to_itself_but_its_slice_can() -> None:
    buffer = LinkBuffer(b"ab")
    with pytest.raises(ValueError, match=re.escape("append(buffer.slice(len(buffer)))")):
        buffer.append(buffer)
    buffer.append(buffer.slice(2))
    assert buffer.read() == b"abab"


@pytest.mark.parametrize("other", [b"bytes", None, LinkBuffer(b"x").next(1)])
def test_only_a_link_buffer_can_be_appended(other: object) -> None:
    with pytest.raises(TypeError):
        LinkBuffer().append(other)  # type: ignore[arg-type] # the mistake in question


def test_a_slice_and_its_buffer_go_their_own_ways() -> None:
    buffer = joined(b"he", b"llo")
    shared = buffer.slice(4)
    buffer.write(b"!")
    shared.write(b"?")
    buffer.skip(1)
    assert (buffer.read(), shared.read()) == (b"ello!", b"hell?")


def test_a_slice_outlives_its_buffer() -> None:
    buffer = LinkBuffer(content(100_000))
    shared = buffer.slice(100_000)
    del buffer
    churn()
    assert shared.read() == content(100_000)


# ---- without a copy ----


class RawBuffer(ctypes.Structure):
    """`Py_buffer`, in as much as its address is concerned."""

    _fields_ = [("buf", ctypes.c_void_p), ("rest", ctypes.c_void_p * 15)]


def address(view: "Buffer") -> int:
    """Where in memory the view's first byte lies."""
    raw = RawBuffer()
    ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(view), ctypes.byref(raw), 0)
    ctypes.pythonapi.PyBuffer_Release(ctypes.byref(raw))
    return int(raw.buf)


def test_next_within_a_block_copies_nothing() -> None:
    buffer = LinkBuffer(content(4000))
    first, second = buffer.next(10), buffer.next(3990)
    assert address(second) == address(first) + 10


def test_until_within_a_block_copies_nothing() -> None:
    buffer = LinkBuffer(b"one\r\ntwo\r\n")
    assert address(buffer.until(b"\r\n")) + 5 == address(buffer.until(b"\r\n"))


def test_a_slice_shows_the_same_memory() -> None:
    buffer = LinkBuffer(b"hello")
    assert address(buffer.slice(5).next(5)) == address(buffer.next(5))


def test_append_moves_no_payload() -> None:
    head, body = LinkBuffer(b"head"), LinkBuffer(b"body")
    before = address(body.slice(4).next(4))
    head.append(body)
    head.skip(4)
    assert address(head.next(4)) == before


def test_what_is_committed_stays_where_it_was_filled() -> None:
    buffer = LinkBuffer(b"> ")
    view = buffer.reserve(20_000)
    filled = address(view)
    buffer.commit(20_000)
    buffer.skip(2)
    assert address(buffer.next(20_000)) == filled


def test_a_large_view_is_written_by_reference_and_a_small_one_copied() -> None:
    for size, is_shared in ((16 * KIB, True), (16 * KIB - 1, False)):
        view = LinkBuffer(content(size)).next(size)
        other = LinkBuffer()
        other.write(view)
        assert (address(other.slice(size).next(size)) == address(view)) is is_shared
        view.release()
        assert other.read() == content(size)


def test_bytes_across_blocks_are_gathered_once() -> None:
    buffer = joined(b"he", b"llo", b"!")
    whole = buffer.slice(6)
    assert bytes(whole.next(5)) == b"hello"
    assert bytes(whole.next(1)) == b"!"
    assert buffer.read() == b"hello!"


# ---- reservations ----


def test_reserve_fill_commit() -> None:
    buffer = LinkBuffer(b"> ")
    n = io.BytesIO(b"hello").readinto(buffer.reserve(100))
    buffer.commit(n)
    assert buffer.read() == b"> hello"


@pytest.mark.parametrize("size", EDGES)
def test_what_was_not_filled_is_zero(size: int) -> None:
    """Also in a block that others have used: what it held is nobody's business."""
    for _ in range(3):
        LinkBuffer(b"secret" * 20_000).skip(1)
        buffer = LinkBuffer()
        buffer.reserve(size)
        buffer.commit(size)
        assert buffer.read() == bytes(size)


def test_a_second_reservation_has_to_wait_for_the_first() -> None:
    buffer = LinkBuffer()
    buffer.reserve(10)
    with pytest.raises(BufferError, match=r"reserve\(5\): 10 bytes are reserved already; commit them first"):
        buffer.reserve(5)
    buffer.commit(0)
    buffer.reserve(5)
    buffer.commit(5)
    assert buffer.read() == bytes(5)


def test_commit_without_a_reservation_is_refused() -> None:
    buffer = LinkBuffer()
    with pytest.raises(BufferError, match=r"commit\(3\): nothing is reserved; call reserve"):
        buffer.commit(3)
    buffer.reserve(3)
    buffer.commit(3)
    with pytest.raises(BufferError, match="nothing is reserved"):
        buffer.commit(3)


def test_commit_of_more_than_was_reserved_leaves_the_reservation_open() -> None:
    buffer = LinkBuffer()
    with memoryview(buffer.reserve(3)) as room:
        room[:] = b"abc"
    for n in (4, 4096, sys.maxsize):
        with pytest.raises(ValueError, match=rf"commit\({n}\): only 3 bytes were reserved"):
            buffer.commit(n)
    buffer.commit(3)
    assert buffer.read() == b"abc"


def test_a_reservation_goes_where_the_end_is_when_it_is_committed() -> None:
    buffer = LinkBuffer(b"a")
    with memoryview(buffer.reserve(1)) as room:
        room[:] = b"d"
    buffer.write(b"b")
    buffer.append(LinkBuffer(b"c"))
    assert buffer.read(1) == b"a"
    buffer.commit(1)
    assert buffer.read() == b"bcd"


def test_a_reservation_stays_when_the_content_is_appended_elsewhere() -> None:
    buffer, other = LinkBuffer(b"moved"), LinkBuffer()
    with memoryview(buffer.reserve(4)) as room:
        room[:] = b"kept"
    other.append(buffer)
    buffer.commit(4)
    assert (other.read(), buffer.read()) == (b"moved", b"kept")


def test_commit_works_without_the_view_being_kept() -> None:
    buffer = LinkBuffer()
    buffer.reserve(2)  # dropped at once
    gc.collect()
    buffer.commit(2)
    assert buffer.read() == bytes(2)


def test_views_in_front_of_a_reservation_do_not_change_when_it_is_filled() -> None:
    """They share its block."""
    buffer = LinkBuffer(b"front")
    front = buffer.next(5)
    reserved = buffer.reserve(5)
    assert address(reserved) == address(front) + 5
    with memoryview(reserved) as room:
        room[:] = b"XXXXX"
    buffer.commit(5)
    buffer.write(b"YYYYY")
    assert bytes(front) == b"front"


def test_the_largest_reservation_has_a_limit_that_is_named() -> None:
    buffer = LinkBuffer()
    for n in (LONGEST + 1, sys.maxsize):
        with pytest.raises(ValueError, match=f"{n} bytes in one piece are more than the {LONGEST}"):
            buffer.reserve(n)
    buffer.reserve(1)  # a refusal leaves nothing reserved
    buffer.commit(1)


# ---- sizes ----


def test_a_buffer_of_many_megabytes() -> None:
    data = content(MIB) * 48
    buffer = LinkBuffer(data)
    view = buffer.next(40 * MIB + 1)  # gathered
    assert memoryview(view) == memoryview(data)[: 40 * MIB + 1]
    assert buffer.peek(len(buffer)) == data[40 * MIB + 1 :]
    buffer.reserve(32 * MIB)
    buffer.commit(32 * MIB)
    assert len(buffer) == 40 * MIB - 1


def test_lengths_beyond_four_gigabytes() -> None:
    """By reference, so that it costs no memory: what counts is that no length is cut to 32 bits."""
    buffer = LinkBuffer(b"x" * MIB)
    while len(buffer) < 8 * GIB:
        buffer.append(buffer.slice(len(buffer)))
    assert len(buffer) == 8 * GIB
    for n in (LONGEST + 1, 4 * GIB, 8 * GIB):
        with pytest.raises(ValueError, match=f"{n} bytes in one piece are more than the {LONGEST}"):
            buffer.next(n)
    buffer.skip(6 * GIB)
    buffer.write(b"\r\n")
    with pytest.raises(ValueError, match=f"until: {2 * GIB} bytes in one piece"):
        buffer.until(b"\r\n")
    buffer.skip(2 * GIB)
    assert buffer.read() == b"\r\n"


def test_the_objects_are_small() -> None:
    buffer = LinkBuffer(content(100_000))
    assert sys.getsizeof(buffer) <= 160
    assert sys.getsizeof(buffer.next(100_000)) <= 80
    assert sys.getsizeof(buffer.reserve(100_000)) <= 128


def test_the_garbage_collector_has_nothing_to_trace() -> None:
    buffer = LinkBuffer(b"hello")
    assert [gc.is_tracked(one) for one in (buffer, buffer.next(1), buffer.reserve(1))] == [False] * 3


def churn(rounds: int = 1) -> None:
    """Take, fill and give back blocks of every class."""
    for _ in range(rounds):
        for size in (1000, 10_000, 60_000, 300_000):
            buffer = LinkBuffer(b"#" * size)
            buffer.next(size // 2).release()


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def lives() -> list[Callable[[], None]]:
    """What may happen to blocks between birth and death, each of some 64 KiB or more."""
    data = content(100_000)

    def read_and_dropped() -> None:
        LinkBuffer(data).read()

    def views_kept_a_while() -> None:
        buffer = LinkBuffer(data)
        views = [buffer.next(1000) for _ in range(90)]
        del buffer
        assert bytes(views[-1]) == data[89_000:90_000]

    def exported() -> None:
        memory = memoryview(LinkBuffer(data).next(100_000))
        assert memory[99_999] == data[99_999]

    def reserved_and_abandoned() -> None:
        LinkBuffer(data).reserve(100_000)

    def reserved_and_given_back() -> None:
        buffer = LinkBuffer()
        memoryview(buffer.reserve(100_000)).release()
        buffer.commit(0)

    def shared_and_joined() -> None:
        buffer = LinkBuffer(data)
        other = buffer.slice(90_000)
        buffer.append(other)
        other.append(buffer)
        other.next(150_000)

    def refused() -> None:
        buffer = LinkBuffer(data)
        view = buffer.next(70_000)
        with memoryview(view), pytest.raises(BufferError):
            view.release()
        with pytest.raises(ValueError):
            buffer.until(bytearray(b"not there" * 5000))
        with pytest.raises(TypeError):
            io.BytesIO(data).readinto(view)  # read-only

    ends = [read_and_dropped, views_kept_a_while, exported, reserved_and_abandoned, reserved_and_given_back]
    return [*ends, shared_and_joined, refused]


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="not on this platform: resident memory is in /proc")
@pytest.mark.parametrize("life", lives(), ids=lambda life: life.__name__)
def test_no_memory_is_left_behind(life: Callable[[], None]) -> None:
    """400 rounds of at least 64 KiB each would show a leak of one block a round as 25 MiB."""
    for _ in range(50):
        life()
    gc.collect()
    before = resident_bytes()
    for _ in range(400):
        life()
    gc.collect()
    assert resident_bytes() - before < 8 * MIB


# ---- what it is not ----


@pytest.mark.parametrize("made", [LinkBuffer(b"x"), LinkBuffer(b"x").next(1), LinkBuffer().reserve(1)], ids=repr)
def test_cannot_be_copied_or_pickled(made: object) -> None:
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="cannot pickle"):
            pickle.dumps(made, protocol)
    for protocol in (0, 1):  # copyreg's fallback lets some of them through, but nothing comes out of it
        with pytest.raises(TypeError):
            pickle.loads(pickle.dumps(made, protocol))
    for function in (copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot pickle"):
            function(made)


@pytest.mark.parametrize("cls", CLASSES)
def test_cannot_be_extended(cls: type) -> None:
    with pytest.raises(TypeError, match="not an acceptable base type"):
        type("Mine", (cls,), {})
    with pytest.raises(TypeError):
        object.__new__(cls)


@pytest.mark.parametrize("made", [LinkBuffer(b"x"), LinkBuffer(b"x").next(1), LinkBuffer().reserve(1)], ids=repr)
def test_has_no_attributes_of_ones_own(made: object) -> None:
    with pytest.raises(AttributeError):
        made.mine = 1  # type: ignore[attr-defined] # the mistake in question


@pytest.mark.parametrize("cls", [View, WritableView])
def test_views_come_from_buffers_only(cls: type) -> None:
    with pytest.raises(TypeError, match="cannot create"):
        cls()


def test_its_repr_names_its_sizes() -> None:
    buffer = LinkBuffer(b"hello")
    assert repr(buffer) == "<floodway.LinkBuffer 5 bytes>"
    buffer.reserve(10)
    assert repr(buffer) == "<floodway.LinkBuffer 5 bytes, 10 reserved>"


# ---- Python code that runs in the middle ----


@pytest.mark.skipif(sys.version_info < (3, 12), reason="not on this platform: __buffer__ is Python code from 3.12 on")
def test_an_argument_may_use_the_same_buffer_while_it_is_converted_and_let_go() -> None:
    buffer = LinkBuffer(b"0")

    class Reentrant:
        def __buffer__(self, flags: int) -> memoryview:
            buffer.write(b"1")
            return memoryview(bytearray(b"2"))

        def __release_buffer__(self, view: memoryview) -> None:
            buffer.write(b"3")

    buffer.write(Reentrant())
    assert buffer.read() == b"0123"
    assert buffer.find(Reentrant()) == -1
    assert buffer.read() == b"13"
    buffer.write(b"2")
    assert bytes(buffer.until(Reentrant())) == b""
    assert buffer.read() == b"13"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="not on this platform: __buffer__ is Python code from 3.12 on")
def test_an_argument_that_raises_leaves_the_buffer_as_it_was() -> None:
    class Broken:
        def __buffer__(self, flags: int) -> memoryview:
            raise RuntimeError("no buffer today")

    buffer = LinkBuffer(b"hello")
    for call in (buffer.write, buffer.find, buffer.until, LinkBuffer):
        with pytest.raises(RuntimeError, match="no buffer today"):
            call(Broken())
    assert buffer.read() == b"hello"


def test_an_index_may_use_the_same_buffer_while_it_is_converted() -> None:
    buffer = LinkBuffer(b"hello")

    class Index:
        def __index__(self) -> int:
            buffer.skip(1)
            return 4

    assert buffer.read(Index()) == b"ello"  # type: ignore[arg-type] # an int in all but name


# ---- threads ----


def in_threads(*functions: Callable[[], None]) -> None:
    """Run them all at once, and raise what the first of them raised."""
    errors: list[BaseException] = []
    barrier = threading.Barrier(len(functions))

    def run(function: Callable[[], None]) -> None:
        try:
            barrier.wait()
            function()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


@pytest.mark.cross_thread
def test_every_call_is_atomic() -> None:
    """Writers add records, readers take records: none is torn, lost or doubled."""
    buffer = LinkBuffer()
    rounds, record = 400, struct.Struct("!HI6s")
    taken: list[list[bytes]] = [[], []]
    written = threading.Event()

    def write(writer: int) -> None:
        for number in range(rounds):
            data = record.pack(writer, number, b"record")
            buffer.write(data if number % 2 else bytearray(data))

    def read(into: list[bytes]) -> None:
        while True:
            is_last = written.is_set()
            try:
                into.append(bytes(buffer.next(record.size)))
            except ValueError:
                if is_last:
                    return

    def write_all() -> None:
        in_threads(lambda: write(0), lambda: write(1))
        written.set()

    in_threads(write_all, lambda: read(taken[0]), lambda: read(taken[1]))
    records = sorted(record.unpack(data) for part in taken for data in part)
    assert records == [(writer, number, b"record") for writer in range(2) for number in range(rounds)]


@pytest.mark.cross_thread
def test_buffers_appended_to_each_other_at_once_do_not_deadlock() -> None:
    one, other = LinkBuffer(content(100_000, 1)), LinkBuffer(content(100_000, 2))

    def move(source: LinkBuffer, target: LinkBuffer) -> None:
        for _ in range(2000):
            target.append(source)

    in_threads(lambda: move(one, other), lambda: move(other, one))
    one.append(other)
    data = one.read()
    assert len(data) == 200_000
    assert sorted(data) == sorted(content(100_000, 1) + content(100_000, 2))


@pytest.mark.cross_thread
def test_one_of_many_reservations_at_once_is_given() -> None:
    buffer = LinkBuffer()
    given: list[WritableView] = []

    def reserve() -> None:
        try:
            given.append(buffer.reserve(8))
        except BufferError:
            pass

    in_threads(*[reserve] * 6)
    assert len(given) == 1
    committed: list[int] = []

    def commit() -> None:
        try:
            buffer.commit(8)
            committed.append(8)
        except BufferError:
            pass

    in_threads(*[commit] * 6)
    assert (committed, len(buffer)) == ([8], 8)


@pytest.mark.cross_thread
def test_blocks_outlive_the_thread_that_took_them() -> None:
    """Each thread has a pool; what came from it is used, added to and given back after the thread is gone."""
    made: list[tuple[LinkBuffer, View]] = []

    def make(seed: int) -> None:
        buffer = LinkBuffer(content(100_000, seed))
        made.append((buffer, buffer.next(50_000)))

    for seed in range(8):
        in_threads(lambda seed=seed: make(seed))  # type: ignore[misc] # the default is the point
    churn(5)
    for seed, (buffer, view) in enumerate(made):
        assert bytes(view) == content(100_000, seed)[:50_000]
        buffer.write(b"more")
        assert buffer.read() == content(100_000, seed)[50_000:] + b"more"


@pytest.mark.cross_thread
def test_blocks_returned_by_other_threads_are_used_again() -> None:
    """A view's way home leads to the pool of the thread that took the block, while that one takes more."""
    handed: list[View] = []
    done = threading.Event()

    def give_back() -> None:
        while not done.is_set() or handed:
            try:
                view = handed.pop()
            except IndexError:
                continue
            assert bytes(view) in expected
            view.release()

    expected = {bytes([byte]) * 5000 for byte in range(16)}

    def take() -> None:
        for number in range(2000):
            view = LinkBuffer(bytes([number % 16]) * 5000).next(5000)
            handed.append(view)
        done.set()

    in_threads(take, give_back, give_back)
    assert handed == []


# ---- docs ----


def documented() -> list[object]:
    """The classes and their methods, the examples of which are run here: doctest does not look into an extension."""
    kinds = (BuiltinFunctionType, MethodDescriptorType)
    methods = [one for cls in CLASSES for name, one in vars(cls).items() if isinstance(one, kinds) and name[0] != "_"]
    return [*CLASSES, *methods]


@pytest.mark.parametrize("thing", documented(), ids=lambda thing: thing.__qualname__)
def test_examples_run(thing: type) -> None:
    test = doctest.DocTestParser().get_doctest(inspect.getdoc(thing) or "", {}, thing.__qualname__, None, 0)
    assert test.examples
    assert doctest.DocTestRunner().run(test).failed == 0
