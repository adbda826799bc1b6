"""The application layer: handlers, framings, HTTP and its interfaces, `serve`. On `conn`, under `cli` and `testing`."""
