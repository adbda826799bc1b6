"""The reactor model: how many reactors accept, how many serve, how many threads run handlers."""

from dataclasses import dataclass

from floodway.config import EngineOptions


@dataclass(frozen=True, slots=True)
class Model:
    """The numbers that the options, the Python build and the cores come down to."""

    main_reactors: int
    sub_reactors: int
    threads: int

    def __str__(self) -> str:
        if self.sub_reactors:
            text = f"{_count(self.main_reactors, 'main reactor')}, {_count(self.sub_reactors, 'sub reactor')}"
        elif self.main_reactors == 1:
            text = "single reactor"
        else:
            text = f"{self.main_reactors} reactors that accept and serve"
        return text + (f", {_count(self.threads, 'worker thread')}" if self.threads else "")


def choose_model(options: EngineOptions, *, has_gil: bool, cores: int) -> Model:
    """Fill in what the options leave open: with the GIL one reactor, without it a sub reactor for each core.

    With event loops it is one reactor too: an application has one loop unless it asks for more.
    Two reactors under one GIL gain nothing when handlers do real work, and ruin the latency.

    >>> print(choose_model(EngineOptions(threads=4), has_gil=True, cores=8))
    single reactor, 4 worker threads
    >>> print(choose_model(EngineOptions(), has_gil=False, cores=8))
    1 main reactor, 8 sub reactors
    """
    subs = options.sub_reactors
    if subs is None:
        subs = 0 if has_gil or options.event_loop else cores
    return Model(options.main_reactors or 1, subs, options.threads or 0)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
