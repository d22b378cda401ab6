"""A folder on a web server of this computer, which answers as the servers do on which large rasters lie.

The server is a process of its own: GDAL may ask it for something while all other threads of this process have to wait.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import urlopen

if TYPE_CHECKING:
    import pytest

SENT, SILENT, LIMIT = "sent", ".silent", ".limit"
"""The address that says how much was sent, and files that make the server say less, or at some time nothing."""
STUCK, WAITING = ".stuck", ".waiting"
"""The file that makes the server answer no more, and the one that the server makes when somebody waits for it."""
HANGS_S = 600


@dataclass(frozen=True)
class WebFolder:
    """A folder that is served, and where."""

    folder: Path
    address: str

    def path(self, name: str) -> str:
        """Return what GDAL opens to read a file."""
        return f"/vsicurl/{self.address}/{name}"

    def bytes_sent(self) -> int:
        """Return how much of the contents of files was sent so far."""
        with urlopen(f"{self.address}/{SENT}") as answer:
            return int(answer.read())

    def answer_no_more(self) -> None:
        """Let everybody wait from now on."""
        (self.folder / STUCK).touch()

    def is_waited_for(self) -> bool:
        """Return whether somebody waits since then."""
        return (self.folder / WAITING).exists()

    def forget_what_files_are(self) -> None:
        """Give no ETag from now on, by which one can tell that a file has changed."""
        (self.folder / SILENT).touch()

    def fall_silent(self, after: int) -> None:
        """Give no answer any more once so many bytes of files were sent. Connections stay open."""
        (self.folder / LIMIT).write_text(str(after))

    def come_back(self) -> None:
        """Answer again."""
        (self.folder / LIMIT).unlink()


@contextmanager
def served(folder: Path) -> Iterator[WebFolder]:
    """Serve ``folder``, with parts of files where they are asked for."""
    server = subprocess.Popen([sys.executable, __file__, str(folder)], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        yield WebFolder(folder, f"http://127.0.0.1:{int(server.stdout.readline())}")
    finally:
        server.kill()
        server.communicate()


def bucket_path(web: WebFolder, name: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return what GDAL opens to read a file of the server as if that were S3."""
    monkeypatch.setenv("AWS_S3_ENDPOINT", web.address.partition("://")[2])
    for variable, value in (("HTTPS", "NO"), ("VIRTUAL_HOSTING", "FALSE"), ("NO_SIGN_REQUEST", "YES")):
        monkeypatch.setenv(f"AWS_{variable}", value)
    if not (web.folder / "bucket").exists():
        (web.folder / "bucket").symlink_to(web.folder)
    return f"/vsis3/bucket/{name}"


class Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD, with the part of a file that was asked for."""

    protocol_version = "HTTP/1.1"
    folder = Path()
    sent = 0

    def do_HEAD(self) -> None:
        self.answer(with_body=False)

    def do_GET(self) -> None:
        self.answer(with_body=True)

    def content(self, file: Path) -> bytes:
        """Return what a file holds, or a page that lists a folder as nginx does; nothing where neither is there."""
        if file.is_dir():
            names = sorted(one.name + "/" * one.is_dir() for one in file.iterdir())
            links = "".join(f'<a href="{name}">{name}</a>  22-Nov-2026 08:00  1024\n' for name in names)
            title = f"<html>\n<head><title>Index of {self.path}</title></head>\n"
            return f"{title}<body>\n<h1>Index of {self.path}</h1><hr><pre>\n{links}</pre></body>\n</html>\n".encode()
        return file.read_bytes() if file.is_file() else b""

    def answer(self, with_body: bool) -> None:
        """Answer a request; the path may have anything behind it."""
        if (self.folder / STUCK).exists():
            (self.folder / WAITING).touch()
            time.sleep(3600)
        name = urlsplit(self.path).path.lstrip("/")
        limit = self.folder / LIMIT
        if name != SENT and limit.exists() and Handler.sent > int(limit.read_text()):
            time.sleep(HANGS_S)
        file = self.folder / name
        body = str(Handler.sent).encode() if name == SENT else self.content(file)
        whole, tag = len(body), hashlib.sha256(body).hexdigest()[:16]
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not body:
            self.send_response(404)
        elif asked:
            first, last = int(asked[1]), min(int(asked[2] or whole), whole - 1)
            body = body[first : last + 1]
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{last}/{whole}")
        else:
            self.send_response(200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(body)))
        if not (self.folder / SILENT).exists():
            self.send_header("ETag", f'"{tag}"')
        self.end_headers()
        if with_body:
            self.wfile.write(body)
            Handler.sent += len(body) if name != SENT else 0

    def log_message(self, format: str, *arguments: object) -> None:
        """Keep the terminal quiet."""


def main() -> None:
    """Serve the folder that is named, and say at which port."""
    Handler.folder = Path(sys.argv[1])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
