"""TCP ports on the loopback address: which are free, and who holds one that is not."""

import random
import socket

import psutil

LOOPBACK = "127.0.0.1"
BACKLOG = 2_048  # as uvicorn; with asyncio's 100 some of 1000 clients that come at once wait seconds, or are reset


def free_port() -> int:
    """A port nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """Whether a server could listen there now; connections in TIME_WAIT do not count as taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def free_base(count: int) -> int:
    """The first of `count` ports in a row that nobody listens on, below those the kernel hands out."""
    bases = list(range(10_000, 32_000, 20))
    random.SystemRandom().shuffle(bases)  # two worlds that look at the same time should not find the same
    return next(base for base in bases if all(is_free(base + offset) for offset in range(count)))


def holder(port: int) -> str:
    """The process that listens on `port`, in words; other users' processes may not be told to us."""
    try:
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,)
            if listens and connection.pid is not None:
                process = psutil.Process(connection.pid)
                return f"{process.name()} (pid {process.pid})"
    except psutil.Error:
        pass  # macOS tells only root, and the process may have gone: the port's number must do
    return "another process"
