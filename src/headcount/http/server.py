"""Running the application under uvicorn."""

import ipaddress
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from headcount.http.application import Application
from headcount.http.protocol import MAX_HEADER_BYTES, BoundedProtocol
from headcount.http.workers import port_of_workers
from headcount.settings import Settings


class ServerError(Exception):
    """The server cannot run as asked."""


@dataclass(frozen=True, slots=True)
class Binding:
    """Where the server listens, and how connections to it are protected."""

    host: str
    port: int
    tls_cert: Path | None = None
    tls_key: Path | None = None
    behind_proxy: bool = False

    @property
    def url(self) -> str:
        """The URL that clients on this address use."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls_cert else 'http'}://{host}:{self.port}"

    def check(self) -> None:
        """Raises ServerError for clear text on anything but loopback (RFC 7644 §7.2), and half a TLS set-up."""
        if (self.tls_cert is None) is not (self.tls_key is None):
            raise ServerError("--tls-cert and --tls-key go together")
        for file in (self.tls_cert, self.tls_key):
            if file is not None and not file.is_file():
                raise ServerError(f"there is no file {file}")
        self._check_certificate()
        if not is_loopback(self.host) and self.tls_cert is None and not self.behind_proxy:
            raise ServerError(
                f"{self.host} is not a loopback address: tokens would travel in clear text. "
                "Give --tls-cert and --tls-key, or --behind-proxy if a proxy in front terminates TLS"
            )

    def _check_certificate(self) -> None:
        if self.tls_cert is None:
            return
        try:
            # an empty passphrase, so that nothing asks for one
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.tls_cert, self.tls_key, password="")
        except OSError as error:  # ssl.SSLError is one
            raise ServerError(
                f"{self.tls_cert} and {self.tls_key} must be a certificate chain and its private key "
                "without a passphrase, both in PEM"
            ) from error


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def configuration(
    application: Application | str | Callable[[], Application], binding: Binding, settings: Settings
) -> uvicorn.Config:
    """How uvicorn runs the application; a string is the import path of a factory, for several processes."""
    return uvicorn.Config(
        application,
        factory=isinstance(application, str),
        host=binding.host,
        port=binding.port,
        http=BoundedProtocol,
        loop="uvloop",
        ws="none",
        lifespan="on",
        workers=settings.workers,
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,  # nothing that is answered depends on what X-Forwarded-* says
        ssl_certfile=binding.tls_cert,
        ssl_keyfile=binding.tls_key,
        h11_max_incomplete_event_size=MAX_HEADER_BYTES,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=20,
    )


def bind(config: uvicorn.Config) -> socket.socket:
    """The socket to listen on, where connections wait until the server runs; one on which workers listen later.

    Raises ServerError for an address that is taken.
    """
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    address = (config.host, config.port)
    try:
        return port_of_workers(family, address) if config.workers > 1 else _listening(family, address, config.backlog)
    except OSError as error:
        raise ServerError(f"cannot listen on {config.host}:{config.port}: {error.strerror}") from error


def _listening(family: socket.AddressFamily, address: tuple[str, int], backlog: int) -> socket.socket:
    made = socket.socket(family)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(backlog)
    except OSError:
        made.close()
        raise
    return made
