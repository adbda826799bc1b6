"""The base layer: addresses, TLS configuration, socket options, buffers, clocks, and the facts about this machine."""
