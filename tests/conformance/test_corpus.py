"""Our server's answers to a corpus of conversations, and its verdicts beside those of two parsers in wide use."""

from collections.abc import Iterator

import pytest

import floodway
from tests.conformance.differences import DIFFERENT, OTHERWISE_READ
from tests.conformance.http1_corpus import CASES, Case
from tests.conformance.verdicts import Verdict, describe, of_h11, of_httptools, ours
from tests.helpers.http_client import Client, get, serving

PARSERS = {"h11": of_h11, "httptools": of_httptools}
SHORT_CASES = [case for case in CASES if len(case.sent) < 300]
JUDGED_CASES = [case for case in CASES if case.statuses]


def name_of(case: Case) -> str:
    return case.name


@pytest.fixture(scope="module")
def engine() -> Iterator[floodway.Engine]:
    with serving(describe) as engine:
        yield engine


@pytest.fixture
def client(engine: floodway.Engine) -> Iterator[Client]:
    with Client.of(engine) as client:
        yield client


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_a_conversation_has_its_outcome(client: Client, case: Case) -> None:
    client.send(case.sent)
    check_outcome(client, case)


@pytest.mark.parametrize("case", SHORT_CASES, ids=name_of)
def test_the_outcome_does_not_depend_on_where_the_input_is_cut(client: Client, case: Case) -> None:
    for byte in case.sent:
        client.send_on(bytes([byte]), 1)  # which the server may have refused before the end
    check_outcome(client, case)


def check_outcome(client: Client, case: Case) -> None:
    assert tuple(client.answer().status for _ in case.statuses) == case.statuses, case.why
    if case.closes:
        assert client.is_closed(), case.why
    elif case.statuses:
        assert client.ask(get()).status == 200, case.why
    else:
        client.socket.shutdown(1)
        assert client.rest() == b"", case.why


@pytest.mark.parametrize("parser", PARSERS)
def test_another_parser_agrees_except_where_it_is_known_not_to(engine: floodway.Engine, parser: str) -> None:
    different, otherwise_read = set(), set()
    for case in JUDGED_CASES:
        theirs, our = PARSERS[parser](case.sent), verdict(engine, case)
        if theirs.accepted != our.accepted:
            different.add(case.name)
        elif theirs.request != our.request:
            otherwise_read.add(case.name)
    assert different == set(DIFFERENT[parser])
    assert otherwise_read == set(OTHERWISE_READ[parser])


def verdict(engine: floodway.Engine, case: Case) -> Verdict:
    with Client.of(engine) as client:
        return ours(client, case.sent)


def test_no_case_has_the_name_of_another() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
