"""How peers look: one hue a language, Floodway thick and in its own, and within a hue shades, markers and dashes.

A peer looks the same in all figures. The hues are Okabe and Ito's, which people with the common kinds of colour
blindness tell apart, and no two peers differ by hue alone.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

from figures.figure import Panel
from figures.series import Cell

MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
Dash = Literal["-"] | tuple[float, tuple[float, float]]
DASHES: Final[tuple[Dash, ...]] = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)))
TOOLCHAINS: Final = {"C": "cc", "Go": "go", "Python": "python"}


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours of a card: of what is written, of lines in the background, and the shades of each language's hue."""

    name: str
    card: str
    border: str
    ink: str
    faint: str
    grid: str
    hues: dict[str, tuple[str, ...]]


LIGHT: Final = Theme(
    "light",
    card="#ffffff",
    border="#d0d7de",
    ink="#1f2328",
    faint="#59636e",
    grid="#e4e8ec",
    hues={
        "C": ("#1f2328",),
        "Floodway": ("#d55e00",),
        "Go": ("#0072b2", "#56b4e9", "#3d3d99"),
        "Python": ("#009e73", "#63bfa2", "#00533d"),
    },
)
DARK: Final = Theme(
    "dark",
    card="#0d1117",
    border="#3d444d",
    ink="#f0f6fc",
    faint="#9198a1",
    grid="#262c36",
    hues={
        "C": ("#f0f6fc",),
        "Floodway": ("#ff8838",),
        "Go": ("#4aa8e8", "#9bd3f5", "#8f8ff0"),
        "Python": ("#1fc799", "#a5ead6", "#12906c"),
    },
)

# Peers by language, of echo and of HTTP, in the order that gives them shade, marker and dash. Others come last.
KNOWN: Final = {
    "C": (("c",), ("c_work",)),
    "Floodway": (("floodway_raw", "floodway_buffered"), ("floodway_function", "floodway_asgi")),
    "Go": (
        ("gnet", "go_net", "go_nbio", "go_netpoll", "go_evio", "go_gev"),
        ("go_net_http", "go_fasthttp", "go_hertz"),
    ),
    "Python": (
        ("uvloop_protocol", "asyncio_protocol", "gevent", "asyncio_streams", "python_threads"),
        ("granian_asgi", "uvicorn", "granian_wsgi", "fastwsgi", "socketify"),
    ),
}


# The collector's peers are programs of their own, which look like the servers that they are variants of.
ALIKE: Final = {
    "collector_floodway": "floodway_raw",
    "collector_floodway_state": "floodway_buffered",
    "collector_asyncio": "asyncio_protocol",
}


@dataclass(frozen=True, slots=True)
class Look:
    """How one peer is drawn in one theme."""

    colour: str
    marker: str
    dash: Dash
    width: float
    above: float  # the order in which what overlaps is drawn


def look(peer: str, theme: Theme) -> Look:
    """How a peer is drawn."""
    family = language(peer)
    rank = _rank(peer, family)
    hues = theme.hues[family]
    dash: Dash = (0, (4, 2)) if family == "C" else DASHES[rank // len(hues) % len(DASHES)]
    return Look(
        colour=hues[rank % len(hues)],
        marker=MARKERS[rank % len(MARKERS)],
        dash=dash,
        width=3.2 if family == "Floodway" else 1.5,
        above={"Floodway": 4.0, "C": 3.5}.get(family, 3.0),
    )


def mixed(colour: str, card: str, strength: float) -> str:
    """A colour thinned with the card's, as "#rrggbb": unlike one that lets things shine through, it hides the grid."""
    parts = [(int(colour[at : at + 2], 16), int(card[at : at + 2], 16)) for at in (1, 3, 5)]
    return "#" + "".join(f"{round(strength * own + (1 - strength) * below):02x}" for own, below in parts)


def language(peer: str) -> str:
    """Whose hue a peer has: Floodway's, or that of the language it is used from."""
    if peer == "c" or peer.startswith("c_"):
        return "C"
    if "floodway" in peer:
        return "Floodway"
    return "Go" if peer == "gnet" or peer.startswith("go_") else "Python"


def described(cell: Cell, panel: Panel) -> tuple[str, str]:
    """The name in a legend, without what the panel says of all, and the version: ("Go, gnet", "2.9.7").

    Where the language brings the library, the version says whose it is: ("asyncio Protocol", "Python 3.13.0").
    """
    name = cell.label
    for said in panel.implied:
        name = name.removesuffix(said)
    family = language(cell.peer)
    spoken = "Python" if family == "Floodway" else family
    toolchain = TOOLCHAINS[spoken]
    libraries = [library for library in cell.versions if library in cell.peer and library not in TOOLCHAINS.values()]
    if libraries:
        return name, _number(cell.versions[max(libraries, key=len)])
    if toolchain in cell.versions:
        return name, f"{'cc' if family == 'C' else spoken} {_number(cell.versions[toolchain])}"
    return name, ""


def _number(version: str) -> str:
    found = re.search(r"\d+(?:\.\d+)+", version)
    return found[0] if found else version


def _rank(peer: str, family: str) -> int:
    stem = ALIKE.get(peer, peer).removesuffix("_loop").removesuffix("_native")
    known = KNOWN[family]
    return next((names.index(stem) for names in known if stem in names), max(len(names) for names in known))
