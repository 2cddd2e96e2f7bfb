"""Serve the finished book on this machine, or open its chapters in JupyterLab."""

import functools
import gzip
import io
import re
import subprocess
import sys
from collections.abc import Sequence
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any

from poly.press.chapters import PressError

HOST = "127.0.0.1"


TEXTS = {".html", ".css", ".js", ".json", ".svg", ".csv", ".ipynb"}


class _Quiet(SimpleHTTPRequestHandler):
    """Serve files, compress texts as web hosts do, and log only requests that failed."""

    timeout = 30  # seconds until a connection on which nothing comes is closed

    def send_head(self) -> io.BytesIO | IO[bytes] | None:  # type: ignore[override]  # a compressed stream in memory
        """Send the status line and the headers, and return the content to send after them."""
        try:
            return self._send_head()
        except (ConnectionError, TimeoutError):
            raise
        except (OSError, ValueError):  # an invalid name, or a file that was just removed
            self.send_error(HTTPStatus.NOT_FOUND, "File not found")
            return None

    def _send_head(self) -> io.BytesIO | IO[bytes] | None:
        path = Path(self.translate_path(self.path))
        packed = accepts_gzip(",".join(self.headers.get_all("Accept-Encoding", [])))
        if not packed or path.suffix not in TEXTS or not path.is_file():
            return super().send_head()
        content = _packed(path, path.stat().st_mtime_ns)
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(path))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-cache")
        self.end_headers()
        return io.BytesIO(content)

    def end_headers(self) -> None:
        """End the headers; caches must keep compressed and plain texts apart."""
        self.send_header("Vary", "Accept-Encoding")
        super().end_headers()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass

    def log_error(self, format: str, *args: object) -> None:
        """Log an error, unless it only says that a connection was idle."""
        if not any(isinstance(each, TimeoutError) for each in args):
            super().log_error(format, *args)


def accepts_gzip(header: str) -> bool:
    """Return whether an Accept-Encoding header allows gzip, by its name or by the star, with a weight above 0."""
    weights = {}
    for part in header.lower().split(","):
        name, _, weight = (each.strip() for each in part.partition(";"))
        found = re.fullmatch(r"q\s*=\s*([01](\.\d{0,3})?)", weight)
        weights[name] = float(found[1]) if found else float(not weight)
    return weights.get("gzip", weights.get("*", 0.0)) > 0


@functools.lru_cache(maxsize=200)
def _packed(path: Path, changed: int) -> bytes:
    return gzip.compress(path.read_bytes(), mtime=0)


class _Server(ThreadingHTTPServer):
    # On Windows an address in use would be shared, not refused.
    allow_reuse_address = sys.platform != "win32"
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log an error, unless the reader closed the page before it was sent."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


def serve(root: Path, port: int) -> None:
    """Serve `_build/html` until Ctrl-C, on `port` or the next free one.

    Raises:
        PressError: no book has been built, or no port is free.
    """
    html = root / "_build" / "html"
    if not (html / "index.html").is_file():
        raise PressError("there is no book in _build/html yet: `make book` makes it")
    with free_server(html, port) as server:
        print(f"the book is at http://{HOST}:{server.server_port}/ (Ctrl-C stops)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()


def free_server(html: Path, port: int) -> _Server:
    """Make a server of the folder on the first free port from `port` on.

    Raises:
        PressError: none of the next 100 ports is free.
    """
    handler = functools.partial(_Quiet, directory=str(html))
    for candidate in range(port, min(port + 100, 65536)):
        try:
            return _Server((HOST, candidate), handler)
        except OSError:  # taken
            continue
    raise PressError(f"no free port from {port} on")


def notebook(root: Path, options: Sequence[str]) -> int:
    """Open JupyterLab on `book/` with further options, and return its exit status."""
    command = [sys.executable, "-m", "jupyterlab", *options]
    return subprocess.run(command, cwd=root / "book", check=False).returncode
