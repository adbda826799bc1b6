"""Runs one module of CPython's own tests on Floodway's loop: `asyncio_suite.py <driver> <module of test_asyncio>`.

Whatever makes a selector event loop gets ours, which waits on a reactor with this driver. Prints a line of JSON: how
many tests ran, how many loops of ours they made, and what failed.
"""

import asyncio
import contextlib
import importlib
import json
import selectors
import socket
import sys
import unittest
from typing import Any

from floodway.conn.reactor import Admission, Reactor, make_reactor
from floodway.conn.selector import ReactorSelector
from floodway.conn.standalone_loop import StandaloneLoop
from floodway.limits import Limits

# One run on our loop is enough of what CPython runs on several of its selectors.
TWINS = ("PollEventLoopTests", "EPollEventLoopTests")


class Loop(StandaloneLoop):
    """Our loop in place of asyncio's, which may be given a selector."""

    driver = "epoll"
    made = 0

    def __init__(self, selector: selectors.BaseSelector | None = None) -> None:
        if selector is not None:
            selector.close()
        Loop.made += 1
        super().__init__(_reactor(Loop.driver))


class SelectorTests:
    """The tests of `test_selectors` for our selector; mixed with CPython's when those are there."""

    def SELECTOR(self: Any) -> ReactorSelector:  # noqa: N802 - CPython's name
        core = _reactor(Loop.driver)
        self.addCleanup(core.close)
        Loop.made += 1
        return ReactorSelector(core)


def _reactor(driver: Any) -> Reactor:
    return make_reactor("test", driver, Limits(), Admission(None, None))


def _patch_asyncio() -> None:
    policy: Any = asyncio.DefaultEventLoopPolicy
    policy._loop_factory = Loop
    vars(asyncio)["SelectorEventLoop"] = Loop
    vars(asyncio)["EventLoop"] = Loop  # its name since Python 3.13


def _patch_port_search() -> None:
    """CPython looks for a port that is free for IPv4, and a test listens on it for both families."""
    socket_helper: Any = importlib.import_module("test.support.socket_helper")
    find = socket_helper.find_unused_port

    def find_for_both(*arguments: Any) -> int:
        while True:
            port = find(*arguments)
            with socket.socket(socket.AF_INET6) as probe, contextlib.suppress(OSError):
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind(("::", port))
                return int(port)

    socket_helper.find_unused_port = find_for_both


def _tests(module: str) -> unittest.TestSuite:
    loader = unittest.defaultTestLoader
    if module != "test_selectors":
        return loader.loadTestsFromName(f"test.test_asyncio.{module}")
    test_selectors: Any = importlib.import_module("test.test_selectors")
    bases = (SelectorTests, test_selectors.BaseSelectorTestCase, unittest.TestCase)
    return loader.loadTestsFromTestCase(type("ReactorSelectorTests", bases, {}))


def _flat(suite: unittest.TestSuite) -> list[unittest.TestCase]:
    found: list[unittest.TestCase] = []
    for test in suite:
        found += _flat(test) if isinstance(test, unittest.TestSuite) else [test]
    return found


def main() -> None:
    """Run the module that the command line names."""
    Loop.driver, module, excluded = sys.argv[1], sys.argv[2], sys.argv[3:]
    _patch_asyncio()
    _patch_port_search()
    tests = [test for test in _flat(_tests(module)) if type(test).__name__ not in TWINS]
    tests = [test for test in tests if test.id().rpartition(".")[2] not in excluded]
    result = unittest.TextTestRunner(verbosity=0).run(unittest.TestSuite(tests))
    failed = [test.id() for test, _ in result.failures + result.errors]
    print(json.dumps({"run": result.testsRun, "loops": Loop.made, "failed": failed}))


if __name__ == "__main__":
    main()
