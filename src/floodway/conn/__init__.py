"""The connection layer: the engine, its reactors, balancing, stopping. Stands on `base`, knows no protocol."""
