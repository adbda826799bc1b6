"""The base layer: addresses, socket options, buffers, clocks, and the facts about this machine."""
