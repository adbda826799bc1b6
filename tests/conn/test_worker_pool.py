"""The worker pool: calls are made, threads end, stuck ones are named."""

import threading
import weakref

from floodway.conn.worker_pool import WorkerPool


def test_every_call_is_made_before_the_threads_end() -> None:
    pool = WorkerPool("pool", 3)
    made: list[int] = []
    pool.start()
    for number in range(100):
        pool.submit(made.append, number)
    pool.stop()
    pool.join(10)
    assert sorted(made) == list(range(100))
    assert pool.stacks() == {}


def test_one_thread_keeps_the_order() -> None:
    pool = WorkerPool("pool", 1)
    made: list[int] = []
    pool.start()
    for number in range(100):
        pool.submit(made.append, number)
    pool.stop()
    pool.join(10)
    assert made == list(range(100))


def test_a_busy_thread_is_named_and_shows_its_stack() -> None:
    entered, leave = threading.Event(), threading.Event()

    def hold_on() -> None:
        entered.set()
        leave.wait(10)

    pool = WorkerPool("pool", 2)
    pool.start()
    pool.submit(hold_on)
    assert entered.wait(10)
    assert len(pool.busy()) == 1
    assert "in hold_on" in pool.stacks()[pool.busy()[0]]
    leave.set()
    pool.stop()
    pool.join(10)
    assert pool.busy() == []


def test_a_waiting_thread_holds_on_to_nothing() -> None:
    class Payload:
        pass

    pool = WorkerPool("pool", 1)
    done = threading.Event()
    payload = Payload()
    gone = weakref.ref(payload)
    pool.start()
    pool.submit(id, payload)
    pool.submit(done.set)
    assert done.wait(10)
    del payload
    assert gone() is None
    pool.stop()
    pool.join(10)
