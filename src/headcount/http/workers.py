"""Several processes that serve one port.

A socket that processes share gives nearly all connections to whichever wakes first. Here every worker listens on a
socket of its own on the same port, and the kernel spreads connections over them.
"""

import signal
import socket
from collections.abc import Callable
from typing import Any

import uvicorn
from uvicorn.supervisors import Multiprocess

_Address = tuple[str, int]


class PortOfWorkers(socket.socket):
    """The port, kept for the workers: bound, and never listening. Sent to a worker it becomes the worker's socket."""

    def __reduce_ex__(self, _protocol: object) -> tuple[Callable[..., socket.socket], tuple[Any, ...]]:
        """How a worker is given its socket."""
        return socket_of_worker, (self.family, self.getsockname()[:2])


def port_of_workers(family: socket.AddressFamily, address: _Address) -> socket.socket:
    """The port for workers to listen on; raises OSError when anybody else has it."""
    with socket.socket(family) as probe:  # two servers could share a port without noticing
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
        address = probe.getsockname()[:2]
    return _bound(PortOfWorkers(family), address)


def socket_of_worker(family: socket.AddressFamily, address: _Address) -> socket.socket:
    """A socket of this process's own on the port. Ctrl-C, which reaches every process, is the parent's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return _bound(socket.socket(family), address)


def _bound(made: socket.socket, address: _Address) -> socket.socket:
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    made.bind(address)
    return made


class Workers(Multiprocess):
    """The parent of the workers: starts them, starts again those that end, and says when all of them serve."""

    def __init__(self, config: uvicorn.Config, port: socket.socket, announce: Callable[[], None]) -> None:
        super().__init__(config, sockets=[port])
        self._announce = announce

    def init_processes(self) -> None:
        """Starts the workers, and announces the server once they listen."""
        super().init_processes()
        patience = self.config.timeout_worker_healthcheck + 30
        if all(process.wait_until_ready(patience, self.should_exit) for process in self.processes):
            self._announce()
