"""The data files make sense together, in both profiles."""

import dataclasses

import pytest
from figures.scene import read_scenes
from harness.scenario import Scenario, read_scenarios, scenario_from
from harness.servers import ROOT, UnavailableError, read_peers, substitute

IN_FIGURES = {peer for scene in read_scenes("full") for peer in scene.peers}


@pytest.fixture(params=[False, True], ids=["standard", "quick"])
def scenarios(request: pytest.FixtureRequest) -> list[Scenario]:
    return read_scenarios(ROOT / "scenarios", quick=request.param)


def test_every_peer_of_a_scenario_exists(scenarios: list[Scenario]) -> None:
    peers = read_peers()
    assert {peer for scenario in scenarios for peer in scenario.peers} <= set(peers)


def test_every_peer_takes_part_somewhere(scenarios: list[Scenario]) -> None:
    assert set(read_peers()) - IN_FIGURES <= {peer for scenario in scenarios for peer in scenario.peers}


def test_every_peer_speaks_what_the_scenario_asks_for(scenarios: list[Scenario]) -> None:
    peers = read_peers()
    for scenario in scenarios:
        expected = [{"echo"}] if scenario.load.path is None else [{"http"}, {"https"}]
        assert {peers[name].protocol for name in scenario.peers} in expected, scenario.name


def test_a_misspelt_key_is_refused() -> None:
    with pytest.raises(TypeError, match="conections"):
        scenario_from("x", {"load": {"conections": 1, "size": 1}})


def test_an_unknown_metric_is_refused() -> None:
    values = {"order": 1, "title": "", "question": "", "kind": "echo", "peers": ["c"], "metric": "qps"}
    with pytest.raises(ValueError, match="qps"):
        scenario_from("x", {**values, "load": {"connections": 1, "size": 1}})


def test_a_command_without_its_interpreter_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLOODWAY_FT_PYTHON", raising=False)
    with pytest.raises(UnavailableError, match="FLOODWAY_FT_PYTHON"):
        substitute(("$ft_python", "peers/floodway_two_subs.py"))


def test_a_peer_takes_part_up_to_its_bound_and_says_why_not_beyond() -> None:
    peer = dataclasses.replace(read_peers()["c"], max_connections=5000, max_connections_reason="it would burst")
    assert peer.refusal(5000) is None
    assert peer.refusal(5001) == "takes part up to 5,000 connections: it would burst"
    assert read_peers()["c"].refusal(1_000_000) is None
