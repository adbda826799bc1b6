"""Tells the runner where a Floodway server listens."""

import floodway


def announce(engine: floodway.Engine) -> None:
    """Print the bound address of the only listener, as every peer does."""
    (address,) = engine.addresses
    print(f"listening {str(address).removeprefix('tcp://')}", flush=True)
