"""A reactor as a selector: what an asyncio event loop waits on, so that one thread and one epoll serve both.

One `select` is one poll. What the batch has for connections is dispatched in here, as `SubReactor.run` does; what it
says of descriptors that asyncio watches is returned. It returns after each batch: a handler may just have scheduled a
call, a timer or a task, or stopped the loop, and asyncio has to look.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from selectors import EVENT_READ, EVENT_WRITE, BaseSelector, SelectorKey
from typing import TYPE_CHECKING, Any

from floodway.conn.reactor import EVENT_FOREIGN, Reactor
from floodway.conn.sub_reactor import Call

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike


def _raise(_: object, error: BaseException) -> None:
    raise error


def _go_on() -> None:
    pass


class ReactorSelector(BaseSelector):
    """Behaves as `selectors.DefaultSelector`, and serves the connections of `core` besides.

    `calls`: what to call by the kind of event, `call[kind](target, payload)`; `on_error(target, error)`: what to do
    with what that raises; `on_stop()`: called when the reactor was told to stop. The reactor is closed by whoever made
    it. One thread at a time, the one that selects.
    """

    def __init__(
        self,
        core: Reactor,
        calls: Sequence[Call] = (),
        on_error: Callable[[object, BaseException], object] = _raise,
        on_stop: Callable[[], object] = _go_on,
    ) -> None:
        self._core = core
        self._calls = calls
        self._on_error = on_error
        self._on_stop = on_stop
        self._keys: dict[int, SelectorKey] = {}
        self._map = _KeysByFile(self._keys)
        self._is_closed = False

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        """Wait until a registered file is ready or the reactor had something to do, at most `timeout` seconds.

        None: without end; 0 or less: do not wait. Returns what is ready, as (key, events); nothing at the timeout,
        after a signal or wake-up, and when only connections had events.
        """
        batch = self._core.poll(None if timeout is None else max(timeout, 0.0))
        ready: list[tuple[SelectorKey, int]] = []
        if batch is None:
            self._on_stop()
            return ready
        call, keys = self._calls, self._keys
        for kind, target, payload in batch:
            if kind == EVENT_FOREIGN:
                key = keys.get(target)
                if key is not None and payload:
                    ready.append((key, payload))
                continue
            try:
                call[kind](target, payload)
            except BaseException as error:  # noqa: BLE001 - ends that connection only
                self._on_error(target, error)
        return ready

    def register(
        self, fileobj: "FileDescriptorLike", events: int, data: Any = None
    ) -> SelectorKey:  # Any: asyncio's own
        """Watch a file. ValueError for wrong events, KeyError if it is registered, OSError if the system refuses.

        A regular file is refused with PermissionError: it is always ready.
        """
        _check(events)
        fd = self._map.fd(fileobj)
        if fd in self._keys:
            raise KeyError(f"{fileobj!r} (fd {fd}) is registered already; use modify()")
        return self._watch(SelectorKey(fileobj, fd, events, data))

    def unregister(self, fileobj: "FileDescriptorLike") -> SelectorKey:
        """Watch a file no more; it may be closed by now. KeyError if it is not registered."""
        key = self._map[fileobj]
        del self._keys[key.fd]
        self._core.unwatch(key.fd)
        return key

    def modify(self, fileobj: "FileDescriptorLike", events: int, data: Any = None) -> SelectorKey:  # Any: asyncio's own
        """Change what a file is watched for. KeyError if it is not registered, ValueError for wrong events."""
        _check(events)
        key = self._map[fileobj]
        changed = key._replace(events=events, data=data)
        if events != key.events:
            return self._watch(changed)
        self._keys[key.fd] = changed
        return changed

    def close(self) -> None:
        """Watch nothing any more. Of no use afterwards."""
        self._is_closed = True
        for fd in self._keys:
            self._core.unwatch(fd)
        self._keys.clear()

    def get_map(self) -> "Mapping[FileDescriptorLike, SelectorKey]":
        """What is registered, by file object or descriptor; a live view. RuntimeError once closed."""
        if self._is_closed:
            raise RuntimeError("this selector is closed; make a new one")
        return self._map

    def _watch(self, key: SelectorKey) -> SelectorKey:
        """Register this key, or nothing at all if the reactor refuses."""
        self._keys.pop(key.fd, None)
        self._core.watch(key.fd, bool(key.events & EVENT_READ), bool(key.events & EVENT_WRITE))
        self._keys[key.fd] = key
        return key


class _KeysByFile(Mapping["FileDescriptorLike", SelectorKey]):
    """The keys by file object; the dictionary has them by descriptor."""

    def __init__(self, keys: dict[int, SelectorKey]) -> None:
        self._keys = keys

    def __getitem__(self, fileobj: "FileDescriptorLike") -> SelectorKey:
        fd = self.fd(fileobj)
        if fd not in self._keys:
            raise KeyError(f"{fileobj!r} is not registered")
        return self._keys[fd]

    def __iter__(self) -> Iterator[int]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def fd(self, fileobj: "FileDescriptorLike") -> int:
        """The descriptor of a file; of one that was closed, that under which it is registered. Else ValueError."""
        try:
            fd = fileobj if isinstance(fileobj, int) else int(fileobj.fileno())
        except (AttributeError, TypeError, ValueError):
            fd = -1
        if fd < 0:
            fd = next((key.fd for key in self._keys.values() if key.fileobj is fileobj), -1)
        if fd < 0:
            raise ValueError(f"{fileobj!r} is no file descriptor and has none; pass an open file, socket or number")
        return fd


def _check(events: int) -> None:
    if not events or events & ~(EVENT_READ | EVENT_WRITE):
        raise ValueError(f"events are {events!r}; pass EVENT_READ, EVENT_WRITE or both")
