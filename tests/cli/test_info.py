"""`floodway info`: each fact with what follows from it and the command that changes it."""

import sys

import pytest
from click.testing import CliRunner

from floodway.cli.main import main


@pytest.mark.skipif(sys.platform != "linux", reason="not on this platform: the settings are Linux's")
def test_the_facts_come_with_meaning_and_command() -> None:
    done = CliRunner().invoke(main, ["info"])
    assert done.exit_code == 0, done.output
    for expected in (
        "GIL ",
        "driver ",
        "kernel ",
        "descriptors ",
        "max_connections is then",
        "somaxconn ",
        "sysctl -w net.core.somaxconn=",
        "local ports ",
        "memory per socket ",
        "LimitNOFILE=",
    ):
        assert expected in done.output
