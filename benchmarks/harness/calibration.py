"""How much work a message is, where a scenario asks for some: measured once, so that all peers do the same."""

from harness.servers import ROOT, output_of


def calibrate(python: str, seconds: float) -> int:
    """How many additions a free-threaded Python makes in so many seconds, as floodway_two_subs.py makes them."""
    program = (
        "import time\n"
        "def work(additions):\n"
        "    total = 0\n"
        "    for i in range(additions):\n"
        "        total += i\n"
        "def once():\n"
        "    began = time.thread_time()\n"
        "    for _ in range(100):\n"
        "        work(1_000)\n"  # about as many as a message gets: a larger sum would need larger integers
        "    return time.thread_time() - began\n"
        "print(min(once() for _ in range(50)))\n"
    )
    best = float(output_of((python, "-c", program), ROOT))
    return max(1, round(seconds / best * 100_000))
