"""WSGI applications (PEP 3333): called by the reactor itself, or by threads. Read `answer`, `caller`, `handler`."""
