"""Where the server listens, and the token that clients must have."""

from __future__ import annotations

import ipaddress
import re
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

from recsql.errors import ParameterError

DEFAULT_PORT = 9494  # that of the protocol
TOKEN_VARIABLE = "RECSQL_TOKEN"
_SHORTEST_TOKEN = 16
_ADDRESS = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(:(?P<port>\d{1,5}))?")


@dataclass(frozen=True)
class Address:
    """A host name or address, an IPv6 one in brackets, and a port; 0 is any that is free."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host.lower() == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return False

    @property
    def uri(self) -> str:
        """What clients attach."""
        return f"quack:{self.host}:{self.port}"


def read_address(text: str) -> Address:
    """Read ``host`` or ``host:port``.

    Raises
    ------
    ParameterError
        It is neither, or the port is above 65535.
    """
    match = _ADDRESS.fullmatch(text)
    port = int(match["port"] or DEFAULT_PORT) if match else -1
    if match is None or port > 65_535:
        raise ParameterError(
            f"address must be a host or host:port, got {text!r}. For example 127.0.0.1:9494."
        )
    return Address(match["host"], port)


def free_port(host: str) -> int:
    """Give a port that is free at the moment."""
    bare = host.strip("[]")
    family = socket.AF_INET6 if ":" in bare else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as found:
        found.bind((bare, 0))
        return int(found.getsockname()[1])


def check_token(address: Address, token: str | None) -> str:
    """Give the token that was given, or a new random one where only this machine can ask.

    Raises
    ------
    ParameterError
        The token is shorter than 16 characters or holds others than visible ASCII; or there is
        none and the network can reach the address.
    """
    if token is None:
        if not address.is_loopback:
            raise ParameterError(
                f"address must be a loopback one where no token is given, got {address.host}. "
                f"Give a token in a file (--token-file) or in {TOKEN_VARIABLE}, or use 127.0.0.1 "
                "behind a reverse proxy."
            )
        return secrets.token_urlsafe(24)
    fits = len(token) >= _SHORTEST_TOKEN and token.isascii() and token.isprintable()
    if not fits or " " in token or "'" in token:
        raise ParameterError(
            f"The token must have at least {_SHORTEST_TOKEN} characters of visible ASCII without "
            f"spaces and quotes, got {len(token)} characters. For example: openssl rand -hex 24"
        )
    return token


def read_token_file(path: Path) -> str:
    """Read a token from a file, without the white space around it.

    Raises
    ------
    ParameterError
        The file cannot be read.
    """
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise ParameterError(
            f"--token-file must be a text file, got {path}: {reason}. Check the name."
        ) from error
