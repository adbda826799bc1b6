"""Measure what the figures show, and draw them: `make figures [FULL=1] [ARGS='--only SCENE --peer PEER --quick']`.

What stands in the journals with the same profile and commit is not measured again, so a run that was ended goes on.
README.md has the method; `figures/` has the parts.
"""

import argparse
import signal
import sys
from functools import partial
from pathlib import Path

from figures.runner import Runner, overview
from figures.scene import Scene, read_scenes
from figures.second import compare_folders, keep, text
from harness.servers import Peer, read_peers

RESULTS = Path(__file__).resolve().parent / "figures" / "results"
ENDED = 130  # what shells return for a program that was interrupted


def main() -> int:
    """Do what the command line asks for. Returns 130 if it was ended, 1 if a comparison found another order.

    A peer that gave nothing sound is a finding, which its figure tells, and no error.
    """
    arguments = _parse()
    if arguments.only_draw:
        draw(arguments.results)
        return 0
    if arguments.compare:
        return compare(arguments.results, arguments.compare)
    profile = "quick" if arguments.quick else "full" if arguments.full else "standard"
    peers = read_peers()
    scenes = _chosen(read_scenes(profile), arguments, peers)
    say = partial(print, flush=True)
    runner = Runner(peers, arguments.results, profile, only=arguments.peer, fresh=arguments.fresh, say=say)
    for line in overview([cell for scene in scenes for cell in runner.plan(scene)]):
        say(line)
    if arguments.plan:
        return 0
    for end in (signal.SIGINT, signal.SIGTERM):
        signal.signal(end, _interrupt)
    try:
        for scene in scenes:
            runner.run(scene)
    except KeyboardInterrupt:
        print("\nended; the same command goes on from here", file=sys.stderr)
        return ENDED
    if arguments.draw:
        draw(arguments.results)
    for name in sorted(runner.failed):
        print(f"{peers[name].label} gave nothing sound in some cell: RESULTS.md says why", file=sys.stderr)
    return 0


def compare(first: Path, second: Path) -> int:
    """Say what a second run makes of a first, keep it beside the first's journals, and draw. 1 if an order changed."""
    try:
        run = compare_folders(first, second)
    except ValueError as error:
        raise SystemExit(str(error)) from None
    print(text(run))
    keep(run, first)
    draw(first)
    return 1 if run.comparison.exceptions else 0


def draw(folder: Path) -> None:
    """Draw the figures from a folder's journals and write the page, where drawing is possible."""
    try:
        from figures.page import redraw
    except ImportError as error:
        print(f"not drawn: {error}", file=sys.stderr)
        return
    redraw(folder)


def _interrupt(*_: object) -> None:
    """End what runs, once: a second signal would cut off the ending."""
    for end in (signal.SIGINT, signal.SIGTERM):
        signal.signal(end, signal.SIG_IGN)
    raise KeyboardInterrupt


def _chosen(scenes: list[Scene], arguments: argparse.Namespace, peers: dict[str, Peer]) -> list[Scene]:
    if unknown := set(arguments.only) - {scene.name for scene in scenes}:
        known = ", ".join(scene.name for scene in scenes)
        raise SystemExit(f"unknown scene {', '.join(sorted(unknown))}; there are {known}")
    chosen = [scene for scene in scenes if not arguments.only or scene.name in arguments.only]
    named = {name for scene in chosen for name in scene.peers} | set(arguments.peer)
    if unknown := named - set(peers):
        raise SystemExit(f"unknown peer {', '.join(sorted(unknown))}; there are {', '.join(peers)}")
    return chosen


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--full", action="store_true", help="all points, however long they take")
    parser.add_argument("--quick", action="store_true", help="one short round of each scene: does it work?")
    parser.add_argument("--only", action="append", default=[], metavar="SCENE", help="only this scene (repeatable)")
    parser.add_argument("--peer", action="append", default=[], metavar="PEER", help="only this peer (repeatable)")
    parser.add_argument("--fresh", action="store_true", help="measure anew what the journals have")
    parser.add_argument("--plan", action="store_true", help="say what would be measured and how long it takes, and end")
    parser.add_argument("--only-draw", action="store_true", help="draw what the journals have, whatever it is from")
    parser.add_argument("--no-draw", dest="draw", action="store_false", help="only measure")
    parser.add_argument("--compare", type=Path, metavar="DIR",
                        help="measure nothing; compare with the second run in that folder, and draw")  # fmt: skip
    parser.add_argument("--results", type=Path, metavar="DIR", help="where the journals are")
    arguments = parser.parse_args()
    if arguments.results is None:
        # What the page is drawn from has all peers, each in three rounds.
        partial = arguments.quick or arguments.peer
        arguments.results = RESULTS / "scratch" if partial else RESULTS
    return arguments


if __name__ == "__main__":
    sys.exit(main())
