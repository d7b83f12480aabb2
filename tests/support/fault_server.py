"""A web server of files that fails as storages do: on purpose, and for as long as it is told.

It can stand before another server, whose answers it then passes on.
"""

import hashlib
import http.client
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

Fault = Literal["500", "503", "403", "404", "hang up", "cut"]


@dataclass
class FaultServer:
    """What is served, and how often which fault stands between.

    Attributes
    ----------
    url : str
        Where it is, without a slash at the end.
    files : dict of str to bytes
        By their path, which begins with a slash.
    fault : Fault, optional
        What becomes of a request.
    after, times : int
        How many requests are answered first, and how many then fail.
    etags : bool
        Whether answers say which version of a file they are of.
    upstream : str, optional
        Host and port of a server that answers instead.
    asked : list of str
        The paths of all requests so far, with their queries.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    fault: Fault | None = None
    after: int = 0
    times: int = 1_000
    etags: bool = True
    upstream: str | None = None
    asked: list[str] = field(default_factory=list)

    def fails(self) -> bool:
        """Count a request, and say whether it fails."""
        self.after -= 1
        if self.fault is None or self.after >= 0 or self.times <= 0:
            return False
        self.times -= 1
        return True


@contextmanager
def serve() -> Iterator[FaultServer]:
    """Serve files on this machine until the block ends."""
    state = FaultServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(with_body=True)

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815 - the library's names

        def log_message(self, *_: object) -> None:
            pass

        def _answer(self, *, with_body: bool) -> None:
            state.asked.append(self.path)
            fails = state.fails()
            if fails and state.fault == "hang up":
                self.close_connection = True
                return
            if fails and state.fault in {"403", "404", "500", "503"}:
                self.send_error(int(state.fault or 0))
                return
            if state.upstream:
                self._pass_on(state.upstream, cut=fails)
                return
            content = state.files.get(self.path.partition("?")[0])
            if self.path.endswith("/"):
                links = (f'<a href="{name}">{name}</a>' for name in state.files)
                content = "".join(links).encode()
            if content is None:
                self.send_error(404)
                return
            part, status = content, 200
            place = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            if place:
                stop = int(place[2]) + 1 if place[2] else len(content)
                part, status = content[int(place[1]) : stop], 206
            self.send_response(status)
            self.send_header("Content-Length", str(len(part)))
            self.send_header("Accept-Ranges", "bytes")
            if place:
                at = int(place[1])
                self.send_header("Content-Range", f"bytes {at}-{at + len(part)}/{len(content)}")
            if state.etags:
                self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.end_headers()
            if with_body:
                cut = fails and state.fault == "cut"
                self.wfile.write(part[: len(part) // 2] if cut else part)
                self.close_connection = cut or self.close_connection

        def _pass_on(self, upstream: str, *, cut: bool) -> None:
            asked = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            connection = http.client.HTTPConnection(upstream)
            connection.request(self.command, self.path, asked, dict(self.headers))
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in {"connection", "date", "server", "transfer-encoding"}:
                    self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content[: len(content) // 2] if cut else content)
            self.close_connection = cut

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()
