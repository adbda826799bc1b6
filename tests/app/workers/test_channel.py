"""Messages between supervisor and worker: whole, in order, with their descriptors, whatever the other side does."""

import os
import resource
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from floodway.app.workers.channel import Channel, Message, channel_pair

pytestmark = pytest.mark.usefixtures("no_descriptor_left")


@contextmanager
def connected() -> Iterator[tuple[Channel, Channel]]:
    one, other = channel_pair()
    one.set_blocking(blocking=False)
    try:
        yield one, other
    finally:
        one.close()
        other.close()


def receive(channel: Channel, count: int) -> list[Message]:
    messages: list[Message] = []
    while len(messages) < count:
        messages += channel.receive()
    return messages


def flush(channel: Channel) -> None:
    while channel.has_pending:
        channel.flush()


def test_messages_come_whole_and_in_order() -> None:
    with connected() as (one, other):
        for number in range(100):
            one.send("count", (), number=number, text="\n\u20ac" * number)
        messages = receive(other, 100)
    assert [(message.kind, message.fields) for message in messages] == [
        ("count", {"number": number, "text": "\n\u20ac" * number}) for number in range(100)
    ]


def test_sockets_come_with_their_message() -> None:
    with connected() as (one, other):
        listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(6)]
        one.send("none")
        one.send("three", listeners[:3])
        one.send("none")
        one.send("two", listeners[3:5])
        one.send("one", listeners[5:])
        messages = receive(other, 5)
        names = [[received.getsockname() for received in message.sockets] for message in messages]
        expected = [listener.getsockname() for listener in listeners]
        assert names == [[], expected[:3], [], expected[3:5], expected[5:]]
        for one_socket in (*listeners, *(received for message in messages for received in message.sockets)):
            assert not os.get_inheritable(one_socket.fileno())
            one_socket.close()


def test_who_does_not_read_holds_nobody_up_and_gets_everything_later() -> None:
    """More than the kernel buffers, with descriptors in the middle of what waits."""
    with connected() as (one, other), socket.create_server(("127.0.0.1", 0)) as listener:
        for number in range(400):
            one.send("much", [listener] if number % 10 == 0 else (), number=number, text="x" * 5000)
        assert one.has_pending
        received: list[Message] = []
        reader = threading.Thread(target=lambda: received.extend(receive(other, 400)))
        reader.start()
        flush(one)
        reader.join()
    assert [message.fields["number"] for message in received] == list(range(400))
    assert [len(message.sockets) for message in received] == [int(number % 10 == 0) for number in range(400)]
    for message in received:
        for got in message.sockets:
            got.close()


def test_the_other_sides_end_is_learnt_by_receiving_and_sending_goes_nowhere() -> None:
    with connected() as (one, other):
        one.send("last word")
        one.close()
        assert [message.kind for message in receive(other, 1)] == ["last word"]
        with pytest.raises(EOFError):
            other.receive()
        other.send("nobody hears this")
        assert not other.has_pending


def test_who_has_no_descriptors_left_gets_the_message_without_them() -> None:
    """And the sockets of the next message are that one's, once there is room again."""
    with connected() as (one, other), socket.create_server(("127.0.0.1", 0)) as listener:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        one.send("two", [listener, listener])
        with open(os.devnull) as lowest_free:  # noqa: PTH123 - for its number
            resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free.fileno() + 1, hard))
            try:
                (cut,) = receive(other, 1)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert (cut.kind, cut.sockets) == ("two", ())
        one.send("one", [listener])
        (whole,) = receive(other, 1)
        assert [received.getsockname() for received in whole.sockets] == [listener.getsockname()]
        whole.sockets[0].close()


def test_nothing_waits_for_who_says_nothing() -> None:
    with connected() as (one, _):
        assert one.receive() == []


def test_what_came_along_and_was_never_taken_is_closed() -> None:
    with connected() as (one, other), socket.create_server(("127.0.0.1", 0)) as listener:
        socket.send_fds(one._end, [b"half a mess"], [listener.fileno()])
        other.set_blocking(blocking=False)
        assert other.receive() == []
