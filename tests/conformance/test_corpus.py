"""Our server's verdicts on a corpus of requests, beside those of two parsers that others rely on."""

from collections.abc import Iterator

import pytest

import floodway
from tests.conformance.corpus import CASES, DIFFERENT, OTHERWISE_READ, Case
from tests.conformance.verdicts import Verdict, describe, of_h11, of_httptools, ours
from tests.helpers.http_client import Client, serving

PARSERS = {"h11": of_h11, "httptools": of_httptools}
NAMES = [case.name for case in CASES]


@pytest.fixture(scope="module")
def engine() -> Iterator[floodway.Engine]:
    with serving(describe) as engine:
        yield engine


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_a_request_gets_its_verdict(engine: floodway.Engine, case: Case) -> None:
    with Client.of(engine) as client:
        assert ours(client, case.data).accepted == case.accepted, case.why


@pytest.mark.parametrize("case", [case for case in CASES if len(case.data) < 200], ids=NAMES)
def test_the_verdict_does_not_depend_on_where_the_input_is_cut(engine: floodway.Engine, case: Case) -> None:
    with Client.of(engine) as whole, Client.of(engine) as cut:
        for byte in case.data[:-1]:
            cut.socket.send(bytes([byte]))  # which the server may refuse before the end
        assert ours(cut, case.data[-1:]) == ours(whole, case.data)


@pytest.mark.parametrize("parser", PARSERS)
def test_another_parser_agrees_except_where_it_is_known_not_to(engine: floodway.Engine, parser: str) -> None:
    different, otherwise_read = set(), set()
    for case in CASES:
        theirs, our = PARSERS[parser](case.data), verdict(engine, case)
        if theirs.accepted != our.accepted:
            different.add(case.name)
        elif theirs.request != our.request:
            otherwise_read.add(case.name)
    assert different == set(DIFFERENT[parser])
    assert otherwise_read == set(OTHERWISE_READ[parser])


def verdict(engine: floodway.Engine, case: Case) -> Verdict:
    with Client.of(engine) as client:
        return ours(client, case.data)


def test_no_case_has_the_name_of_another() -> None:
    assert len(set(NAMES)) == len(NAMES) > 100
