"""The application layer: handlers, framings, and `serve`. Stands on `conn`; only the command line stands on it."""
