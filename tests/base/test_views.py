"""`View` and `WritableView`: what they show stays as it is for as long as anybody sees it, and no longer than that."""

import gc
import hashlib
import io
import os
import random
import re
import socket
import struct
import sys
import threading
import weakref
from collections.abc import Callable

import pytest

from floodway import LinkBuffer, View
from floodway.base.buffer import WritableView

RELEASED = "this view was released"
COMMITTED = "this view was committed"
# Requests of the buffer protocol, as inspect.BufferFlags has them from Python 3.12 on.
SIMPLE, WRITABLE, FORMAT, ND, STRIDES, FULL, FULL_RO = 0, 1, 4, 8, 0x18, 0x11D, 0x11C


def content(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


def view_of(data: bytes) -> View:
    return LinkBuffer(data).next(len(data))


def churn() -> None:
    """Have blocks of every class taken, overwritten and given back: one freed too early would not stay as it was."""
    for size in (1000, 10_000, 60_000, 300_000):
        kept = [LinkBuffer(b"#" * size) for _ in range(4)]
        for buffer in kept:
            with memoryview(buffer.reserve(size)) as room:
                room[:] = b"%" * size
            buffer.commit(size)


# ---- what a view is ----


def test_a_view_is_a_read_only_row_of_bytes() -> None:
    with memoryview(view_of(b"hello")) as memory:
        assert (memory.readonly, memory.format, memory.itemsize, memory.ndim) == (True, "B", 1, 1)
        assert (memory.shape, memory.strides, memory.nbytes, memory.contiguous) == ((5,), (1,), 5, True)
        assert memory.tobytes() == b"hello"
        assert hash(memory) == hash(b"hello")
        with pytest.raises(TypeError):
            memory[0] = 1


def test_a_view_goes_where_bytes_go() -> None:
    view = view_of(b"\x00\x00\x00\x05")
    assert len(view) == 4
    assert bytes(view) == b"\x00\x00\x00\x05"
    assert bytearray(view) == b"\x00\x00\x00\x05"
    assert struct.unpack("!I", view) == (5,)
    assert int.from_bytes(view, "big") == 5
    assert b"".join([view, view]) == b"\x00\x00\x00\x05" * 2
    assert hashlib.sha256(view).digest() == hashlib.sha256(bytes(view)).digest()
    assert io.BytesIO(view).read() == bytes(view)
    sink = io.BytesIO()
    sink.write(view)
    assert sink.getvalue() == bytes(view)
    view.release()  # none of them kept an export


def test_a_view_can_be_sent_and_a_reservation_received_into() -> None:
    data = content(60_000)
    sender, receiver = socket.socketpair()
    with sender, receiver:
        thread = threading.Thread(target=sender.sendall, args=(view_of(data),))
        thread.start()
        buffer = LinkBuffer()
        while len(buffer) < len(data):
            buffer.commit(receiver.recv_into(buffer.reserve(4096)))
        thread.join()
    assert buffer.read() == data


def test_nobody_can_write_through_a_view() -> None:
    view = view_of(b"hello")
    with pytest.raises(TypeError):
        io.BytesIO(b"XXXXX").readinto(view)
    with pytest.raises(TypeError):
        struct.pack_into("!I", view, 0, 5)
    assert bytes(view) == b"hello"
    view.release()  # a refused export does not count


@pytest.mark.skipif(sys.version_info < (3, 12), reason="not on this platform: __buffer__ is seen from 3.12 on")
def test_a_view_answers_every_request_for_a_buffer() -> None:
    buffer = LinkBuffer()
    view, room = view_of(b"hello"), buffer.reserve(5)
    for flags in (SIMPLE, FORMAT, ND, STRIDES, FULL_RO):
        for one in (view, room):
            memory = one.__buffer__(flags)
            assert memory.nbytes == 5
            one.__release_buffer__(memory)
            with pytest.raises(ValueError):
                memory.tobytes()
    for flags in (WRITABLE, FULL):
        with pytest.raises(BufferError, match="not writable"):
            view.__buffer__(flags)
        room.__buffer__(flags).release()
    with pytest.raises(ValueError):  # a memoryview of something else
        view.__release_buffer__(memoryview(b"hello"))
    view.release()
    buffer.commit(5)


@pytest.mark.parametrize("make", [view_of, lambda data: LinkBuffer(data).slice(0).next(0)])
def test_an_empty_view(make: Callable[[bytes], View]) -> None:
    view = make(b"")
    assert (len(view), bytes(view), bool(view)) == (0, b"", False)
    with memoryview(view) as memory:
        assert memory.tobytes() == b""
        with pytest.raises(BufferError):
            view.release()
    view.release()


def test_an_empty_reservation() -> None:
    buffer = LinkBuffer()
    room = buffer.reserve(0)
    assert (len(room), bytes(room)) == (0, b"")
    with memoryview(room), pytest.raises(BufferError):
        buffer.commit(0)
    buffer.commit(0)
    assert len(buffer) == 0


def test_views_are_told_apart_by_identity() -> None:
    """As documented: equality with bytes would compare content, and hash it."""
    view = view_of(b"hello")
    known: set[object] = {view}
    assert view in known
    assert view_of(b"hello") not in known
    assert b"hello" not in known


def test_views_say_what_they_are() -> None:
    buffer = LinkBuffer(b"hello")
    view, room = buffer.next(5), buffer.reserve(7)
    assert repr(view) == "<floodway.View 5 bytes>"
    assert repr(room) == "<floodway.base.buffer.WritableView 7 bytes>"
    view.release()
    buffer.commit(7)
    assert repr(view) == "<floodway.View released>"
    assert repr(room) == "<floodway.base.buffer.WritableView committed>"


# ---- how long it lives ----


@pytest.mark.parametrize("size", [1, 4096, 5000, 65_536, 300_000])
def test_a_view_outlives_its_buffer(size: int) -> None:
    data = content(size)
    buffer = LinkBuffer(data)
    view = buffer.next(size)
    del buffer
    gc.collect()
    churn()
    assert bytes(view) == data


def test_an_export_outlives_its_view_and_buffer() -> None:
    memory = memoryview(view_of(content(5000)))  # nobody else refers to the view
    gc.collect()
    churn()
    assert memory == content(5000)


def test_an_export_of_an_export_counts_too() -> None:
    view = view_of(b"hello")
    memory = memoryview(view)
    part = memory[1:3]
    memory.release()
    with pytest.raises(BufferError):
        view.release()
    assert part.tobytes() == b"el"
    part.release()
    view.release()


def test_views_do_not_change_when_their_buffer_is_used_on() -> None:
    buffer = LinkBuffer(content(10_000))
    shown = [(buffer.next(100), content(10_000)[at : at + 100]) for at in range(0, 5000, 100)]
    for seed in range(50):
        buffer.write(content(3000, seed))
        buffer.append(LinkBuffer(content(3000, seed)))
        buffer.append(buffer.slice(len(buffer) // 2))
        with memoryview(buffer.reserve(5000)) as room:
            room[:] = b"#" * 5000
        buffer.commit(4000)
        buffer.skip(len(buffer) - 100)
        churn()
        assert all(bytes(view) == data for view, data in shown)


def test_a_buffer_emptied_and_filled_again_does_not_reuse_what_a_view_shows() -> None:
    """Its block is begun anew only when nobody reads from it."""
    buffer = LinkBuffer(b"first")
    view = buffer.next(5)
    buffer.write(b"second")
    assert bytes(view) == b"first"
    assert buffer.read() == b"second"
    view.release()
    buffer.write(b"third")
    assert buffer.read() == b"third"


def test_views_of_a_slice_and_of_its_buffer_are_independent() -> None:
    buffer = LinkBuffer(b"hello")
    shared = buffer.slice(5)
    one, other = buffer.next(5), shared.next(5)
    one.release()
    del buffer, shared
    churn()
    assert bytes(other) == b"hello"


def test_a_view_is_valid_in_another_thread_after_its_own_is_gone() -> None:
    made: list[memoryview] = []
    thread = threading.Thread(target=lambda: made.append(memoryview(view_of(content(50_000)))))
    thread.start()
    thread.join()
    churn()
    assert made[0] == content(50_000)


def test_a_reservation_outlives_its_buffer() -> None:
    buffer = LinkBuffer()
    room = memoryview(buffer.reserve(5000))
    del buffer
    gc.collect()
    churn()
    assert room == bytes(5000)
    room[:] = content(5000)
    churn()
    assert room == content(5000)


def test_a_view_is_gone_when_its_last_user_is() -> None:
    """Seen through a memoryview, which can be referred to weakly where a view cannot."""
    memory = memoryview(view_of(b"hello"))
    seen = weakref.ref(memory)
    del memory
    gc.collect()
    assert seen() is None


# ---- release ----


def test_a_released_view_raises_whatever_is_asked_of_it() -> None:
    view = view_of(b"hello")
    view.release()
    view.release()  # twice is once
    buffer = LinkBuffer(b"x")
    by_python: list[Callable[[View], object]] = [
        len,
        bytes,
        bool,
        memoryview,
        bytearray,
        io.BytesIO,
        hashlib.sha256,
        View.__enter__,
    ]
    by_us: list[Callable[[View], object]] = [LinkBuffer, buffer.write, buffer.find, buffer.until]
    for ask in (*by_python, *by_us):
        with pytest.raises(ValueError, match=RELEASED):
            ask(view)
    with pytest.raises(TypeError):  # bytes.join replaces the error that it gets by one of its own
        b"".join([view])


def test_release_is_refused_while_exports_exist() -> None:
    view = view_of(b"hello")
    first, second = memoryview(view), memoryview(view)
    with pytest.raises(BufferError, match=r"the view has 2 exports, such as a memoryview; release them before release"):
        view.release()
    first.release()
    with pytest.raises(BufferError, match="1 exports"):
        view.release()
    assert bytes(view) == second.tobytes() == b"hello"
    second.release()
    view.release()


def test_a_with_block_releases() -> None:
    with view_of(b"hello") as view:
        assert bytes(view) == b"hello"
    with pytest.raises(ValueError, match=RELEASED):
        bytes(view)


def test_a_with_block_around_a_released_view_is_refused() -> None:
    view = view_of(b"hello")
    view.release()
    with pytest.raises(ValueError, match=RELEASED), view:
        pass


def test_a_with_block_releases_when_it_raises() -> None:
    view = view_of(b"hello")
    with pytest.raises(KeyError), view:
        raise KeyError
    with pytest.raises(ValueError, match=RELEASED):
        len(view)


def test_leaving_a_with_block_is_refused_while_exports_exist() -> None:
    view = view_of(b"hello")
    memory: memoryview
    with pytest.raises(BufferError), view:
        memory = memoryview(view)
    assert memory.tobytes() == b"hello"
    memory.release()
    view.release()


def test_a_released_view_leaves_what_was_made_of_it() -> None:
    view = view_of(content(20_000))
    other = LinkBuffer(view)  # by reference
    view.release()
    churn()
    assert other.read() == content(20_000)


# ---- writable views ----


def test_a_reservation_is_a_writable_row_of_bytes() -> None:
    buffer = LinkBuffer()
    view = buffer.reserve(5)
    assert len(view) == 5
    with memoryview(view) as room:
        assert (room.readonly, room.format, room.itemsize, room.shape) == (False, "B", 1, (5,))
        room[:] = b"hello"
    assert bytes(view) == b"hello"
    struct.pack_into("!H", view, 3, 0x4141)
    buffer.commit(5)
    assert buffer.read() == b"helAA"


def test_commit_is_refused_while_exports_exist() -> None:
    buffer = LinkBuffer()
    view = buffer.reserve(5)
    room, again = memoryview(view), memoryview(view)
    for n in (0, 5, 6):  # with too large a number too: the exports come first
        with pytest.raises(BufferError, match=r"2 exports, such as a memoryview; release them before commit"):
            buffer.commit(n)
    room[:] = b"hello"
    room.release()
    with pytest.raises(BufferError, match="1 exports"):
        buffer.commit(5)
    assert len(buffer) == 0
    again.release()
    buffer.commit(5)
    assert buffer.read() == b"hello"


@pytest.mark.parametrize("n", [0, 3, 5])
def test_a_committed_view_raises_whatever_is_asked_of_it(n: int) -> None:
    buffer = LinkBuffer()
    view = buffer.reserve(5)
    buffer.commit(n)
    asked: list[Callable[[WritableView], object]] = [len, bool, memoryview, bytes, LinkBuffer, buffer.write]
    for ask in asked:
        with pytest.raises(ValueError, match=COMMITTED):
            ask(view)
    with pytest.raises(TypeError):  # as many functions in C replace the error that they get by one of their own
        io.BytesIO(b"x").readinto(view)
    assert buffer.read() == bytes(n)


def test_a_committed_view_stays_dead_when_there_is_a_new_one() -> None:
    buffer = LinkBuffer()
    old = buffer.reserve(5)
    buffer.commit(5)
    new = buffer.reserve(5)
    with pytest.raises(ValueError, match=COMMITTED):
        memoryview(old)
    with memoryview(new) as room:
        room[:] = b"hello"
    buffer.commit(5)
    assert buffer.read() == bytes(5) + b"hello"


def test_a_buffer_can_be_written_to_from_its_own_reservation() -> None:
    buffer = LinkBuffer(b"> ")
    view = buffer.reserve(5)
    with memoryview(view) as room:
        room[:] = b"hello"
        buffer.write(room)
        buffer.write(view)
    buffer.commit(5)
    assert buffer.read() == b"> hellohellohello"


def test_what_is_committed_is_seen_by_views_only_then() -> None:
    buffer = LinkBuffer(b"a")
    room = memoryview(buffer.reserve(3))
    room[:] = b"bcd"
    assert buffer.peek(len(buffer)) == b"a"
    assert buffer.find(b"b") == -1
    room.release()
    buffer.commit(2)
    assert bytes(buffer.next(3)) == b"abc"


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


class Contested:
    """A view that some threads export while another wants to end it: whoever comes first wins."""

    def __init__(self) -> None:
        self.ended = False

    def export_until_refused(self, export: Callable[[], None]) -> None:
        for _ in range(300):  # so that the other thread has its turn in the end
            try:
                export()
            except ValueError as error:
                assert re.search(f"{RELEASED}|{COMMITTED}", str(error))  # noqa: PT017 - the loop ends with it
                return

    def end(self, end: Callable[[], None]) -> None:
        while not self.ended:
            try:
                end()
            except BufferError:
                continue
            self.ended = True
            churn()


@pytest.mark.cross_thread
def test_release_races_with_exports() -> None:
    """Nobody ever sees bytes that are not the view's."""
    data = content(5000)

    def race(view: View) -> None:
        contested = Contested()

        def look() -> None:
            with memoryview(view) as memory:
                assert memory == data
                assert bytes(view) == data

        def export() -> None:
            contested.export_until_refused(look)

        in_threads(export, export, lambda: contested.end(view.release))
        with pytest.raises(ValueError, match=RELEASED):
            memoryview(view)

    for _ in range(20):
        race(view_of(data))


@pytest.mark.cross_thread
def test_commit_races_with_exports() -> None:
    """Nobody writes any more once it is committed."""

    def race(buffer: LinkBuffer, room: WritableView) -> None:
        contested = Contested()

        def fill(byte: bytes) -> None:
            def write() -> None:
                with memoryview(room) as memory:
                    memory[:] = byte * 5000

            contested.export_until_refused(write)

        in_threads(lambda: fill(b"1"), lambda: fill(b"2"), lambda: contested.end(lambda: buffer.commit(5000)))
        view = buffer.next(5000)
        seen = bytes(view)
        churn()
        assert bytes(view) == seen
        assert set(seen) <= set(b"\x0012")

    for _ in range(20):
        buffer = LinkBuffer()
        race(buffer, buffer.reserve(5000))


@pytest.mark.cross_thread
def test_a_view_is_read_by_many_threads_at_once() -> None:
    data = content(50_000)
    view = view_of(data)

    def read() -> None:
        for _ in range(100):
            with memoryview(view) as memory:
                assert memory[-1] == data[-1]
            assert bytes(view) == data
            assert len(view) == len(data)

    in_threads(*[read] * 4)
    view.release()


@pytest.mark.cross_thread
def test_a_view_sits_still_while_another_thread_writes_behind_it() -> None:
    """Writer and reader meet in one block, never in one byte."""
    buffer = LinkBuffer(content(1000))
    view = buffer.next(1000)

    def write() -> None:
        for _ in range(3000):
            with memoryview(buffer.reserve(16)) as room:
                room[:] = b"#" * 16
            buffer.commit(8)
            buffer.write(b"%%")
            buffer.skip(10)

    def read() -> None:
        for _ in range(3000):
            assert bytes(view) == content_of_view

    content_of_view = content(1000)
    in_threads(write, read)


@pytest.mark.cross_thread
def test_a_blocking_write_without_the_interpreter_keeps_the_memory() -> None:
    """`os.write` lets the interpreter go while it reads from the view; a release meanwhile is refused."""
    data = content(1 << 20)
    read_end, write_end = os.pipe()
    view = view_of(data)
    refused = threading.Event()
    received = bytearray()

    def write() -> None:
        with os.fdopen(write_end, "wb", buffering=0) as pipe:
            pipe.write(view)  # more than a pipe holds: waits for the reader

    def read() -> None:
        with os.fdopen(read_end, "rb", buffering=0) as pipe:
            received.extend(pipe.read(1) or b"")  # the write has begun, and cannot end before the rest is read
            with pytest.raises(BufferError):
                view.release()
            refused.set()
            churn()
            while piece := pipe.read(100_000):
                received.extend(piece)

    in_threads(write, read)
    assert refused.is_set()
    assert received == data
    view.release()
