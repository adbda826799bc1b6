"""The work of `work.py` on Floodway's own interface."""

from peers.work import TYPE, answer

import floodway


def function(request: floodway.Request) -> floodway.Response:
    return floodway.Response(answer(request.body), headers={"content-type": TYPE})
