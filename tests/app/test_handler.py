"""A handler's interest: what is overridden, wherever in the family, and nothing else."""

import pytest

import floodway
from floodway.conn.reactor import ROUTE_CLOSE, ROUTE_DATA, ROUTE_OPEN, ROUTE_WRITABLE


class Silent(floodway.Handler):
    def on_start(self, engine: floodway.Engine) -> None:
        pass


class Talks(floodway.Handler):
    def on_data(self, conn: floodway.Connection, data: bytes) -> None:
        pass


class Counts:
    """A mixin that is no handler itself."""

    def on_close(self, conn: floodway.Connection, error: BaseException | None) -> None:
        pass


class Both(Counts, Talks):
    def on_open(self, conn: floodway.Connection) -> None:
        pass

    def on_writable(self, conn: floodway.Connection) -> None:
        pass


@pytest.mark.parametrize(
    ("handler", "events"),
    [
        (floodway.Handler, []),
        (Silent, []),
        (Talks, [ROUTE_DATA]),
        (Both, [ROUTE_OPEN, ROUTE_DATA, ROUTE_WRITABLE, ROUTE_CLOSE]),
    ],
)
def test_the_interest_is_what_is_overridden(handler: type[floodway.Handler], events: list[int]) -> None:
    assert handler.interest == sum(1 << event for event in events)


def test_a_class_instead_of_an_object_is_refused_with_what_to_write() -> None:
    with pytest.raises(TypeError, match=r"Engine\(\) got the class Talks; make one: Talks\(\)"):
        floodway.Engine(Talks)  # type: ignore[arg-type]


def test_what_is_no_handler_is_refused() -> None:
    with pytest.raises(TypeError, match=r"derive its class from floodway\.Handler"):
        floodway.Engine(print)  # type: ignore[arg-type]
