"""Exceptions: what users catch, and the names under which they are counted."""

import errno

import pytest

from floodway import errors


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (errors.ConnectTimeout, "connect_timeout"),
        (errors.IdleTimeout, "idle_timeout"),
        (errors.WriteTimeout, "write_timeout"),
        (errors.HandshakeTimeout, "handshake_timeout"),
        (errors.SlowConsumer, "slow_consumer"),
        (errors.FrameTooLong, "frame_too_long"),
        (errors.ServerStopping, "server_stopping"),
    ],
)
def test_the_core_makes_an_error_of_one_message(kind: type[errors.ConnectionClosed], reason: str) -> None:
    error = kind("what happened")
    assert isinstance(error, errors.ConnectionClosed)
    assert isinstance(error, OSError)
    assert (str(error), error.reason) == ("what happened", reason)
    assert isinstance(error, TimeoutError) == reason.endswith("timeout")


def test_a_reason_of_ones_own() -> None:
    assert errors.ConnectionClosed("text", "kicked").reason == "kicked"
    assert errors.ConnectionClosed().reason == "closed"


def test_a_listen_error_keeps_errno_and_address() -> None:
    error = errors.ListenError("tcp://[::1]:80", OSError(errno.EACCES, "Permission denied"))
    assert (error.errno, error.address) == (errno.EACCES, "tcp://[::1]:80")
    assert str(error) == "cannot listen on tcp://[::1]:80: Permission denied"
