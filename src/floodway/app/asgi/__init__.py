"""ASGI 3 applications: a handler that calls them on its reactor's event loop. Read `handler`, `http`, `lifespan`."""
