"""For tests of applications: a real server on a free port of this process, for as long as a block or a test lasts.

    from floodway.testing import serving

    def test_greeting():
        with serving(app) as server:
            assert urlopen(server.url).read() == b"hello"

With pytest, `pytest_plugins = ["floodway.testing.plugin"]` in `conftest.py` brings the fixture `floodway_serve`.
"""

from floodway.testing.server import Server as Server
from floodway.testing.server import serving as serving

__all__ = ["Server", "serving"]
