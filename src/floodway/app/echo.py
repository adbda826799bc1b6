"""The smallest server: it sends back what it gets. Run it with `floodway serve floodway.app.echo:Echo`."""

import floodway


class Echo(floodway.Handler):
    """Every connection gets its own bytes back."""

    def on_data(self, conn: floodway.Connection, data: bytes) -> None:
        """Send it back."""
        conn.write(data)


if __name__ == "__main__":
    floodway.serve(Echo(), "tcp://127.0.0.1:9000")
