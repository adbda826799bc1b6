"""Floodway: a Reactor network library for Python with a native core.

    import floodway

    class Echo(floodway.Handler):
        def on_data(self, conn: floodway.Connection, data: bytes) -> None:
            conn.write(data)

    floodway.serve(Echo(), "tcp://127.0.0.1:9000")

Threads: every method of `Engine`, `Connection` and `Timer` may be called from any thread, with the GIL and without it,
and after the connection is closed. A `LinkBuffer` belongs to one thread at a time. One handler object serves all
connections of a process; its callbacks for one connection never overlap, those of different connections may.
"""

from floodway.app.framing import Buffered as Buffered
from floodway.app.framing import Delimited as Delimited
from floodway.app.framing import Fixed as Fixed
from floodway.app.framing import LengthPrefixed as LengthPrefixed
from floodway.app.framing import Lines as Lines
from floodway.app.framing import Raw as Raw
from floodway.app.handler import Handler as Handler
from floodway.app.message import Headers as Headers
from floodway.app.message import Request as Request
from floodway.app.message import Response as Response
from floodway.app.message import streaming as streaming
from floodway.app.serve import serve as serve
from floodway.base.buffer import LinkBuffer as LinkBuffer
from floodway.base.buffer import View as View
from floodway.base.tls import Certificate as Certificate
from floodway.base.tls import ClientTLS as ClientTLS
from floodway.base.tls import TLSConfig as TLSConfig
from floodway.base.tls import TLSInfo as TLSInfo
from floodway.config import ApplicationOptions as ApplicationOptions
from floodway.config import EngineOptions as EngineOptions
from floodway.config import ListenerOptions as ListenerOptions
from floodway.config import ServiceOptions as ServiceOptions
from floodway.conn.balancing import Balancer as Balancer
from floodway.conn.balancing import FdHash as FdHash
from floodway.conn.balancing import LeastConnections as LeastConnections
from floodway.conn.balancing import Newcomer as Newcomer
from floodway.conn.balancing import RoundRobin as RoundRobin
from floodway.conn.connection import Connection as Connection
from floodway.conn.connection import write_many as write_many
from floodway.conn.engine import Engine as Engine
from floodway.conn.event_loop import new_event_loop as new_event_loop
from floodway.conn.reactor import Reactor as Reactor
from floodway.conn.stats import EngineStats as EngineStats
from floodway.conn.stats import ReactorStats as ReactorStats
from floodway.conn.stats import ServiceStats as ServiceStats
from floodway.conn.stats import WorkerStats as WorkerStats
from floodway.conn.timers import Timer as Timer
from floodway.errors import ApplicationError as ApplicationError
from floodway.errors import ConnectionClosed as ConnectionClosed
from floodway.errors import ConnectTimeout as ConnectTimeout
from floodway.errors import FrameTooLong as FrameTooLong
from floodway.errors import HandshakeTimeout as HandshakeTimeout
from floodway.errors import IdleTimeout as IdleTimeout
from floodway.errors import ListenError as ListenError
from floodway.errors import ProtocolError as ProtocolError
from floodway.errors import ServerStopping as ServerStopping
from floodway.errors import SlowConsumer as SlowConsumer
from floodway.errors import TLSError as TLSError
from floodway.errors import WriteTimeout as WriteTimeout
from floodway.limits import Limits as Limits

__version__ = "0.1.0"

__all__ = [
    "ApplicationError",
    "ApplicationOptions",
    "Balancer",
    "Buffered",
    "Certificate",
    "ClientTLS",
    "ConnectTimeout",
    "Connection",
    "ConnectionClosed",
    "Delimited",
    "Engine",
    "EngineOptions",
    "EngineStats",
    "FdHash",
    "Fixed",
    "FrameTooLong",
    "Handler",
    "HandshakeTimeout",
    "Headers",
    "IdleTimeout",
    "LeastConnections",
    "LengthPrefixed",
    "Limits",
    "Lines",
    "LinkBuffer",
    "ListenError",
    "ListenerOptions",
    "Newcomer",
    "ProtocolError",
    "Raw",
    "Reactor",
    "ReactorStats",
    "Request",
    "Response",
    "RoundRobin",
    "ServerStopping",
    "ServiceOptions",
    "ServiceStats",
    "SlowConsumer",
    "TLSConfig",
    "TLSError",
    "TLSInfo",
    "Timer",
    "View",
    "WorkerStats",
    "WriteTimeout",
    "new_event_loop",
    "serve",
    "streaming",
    "write_many",
]
