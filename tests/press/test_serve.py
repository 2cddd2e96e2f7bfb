"""Test the server with unusual requests: it answers them, and prints nothing on the terminal."""

import gzip
import http.client
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from poly.press import serve
from poly.press.chapters import PressError


@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Serve a folder with one page and one large file, and yield the port."""
    html = tmp_path / "html"
    html.mkdir()
    (tmp_path / "secret.html").write_text("secret")
    (html / "page.html").write_text("word " * 1000)
    (html / "large.bin").write_bytes(bytes(20_000_000))
    monkeypatch.setattr(serve._Quiet, "timeout", 0.5)
    with serve.free_server(html, 8950) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def ask(port: int, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(serve.HOST, port, timeout=10)
    connection.putrequest(method, path, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, content


@pytest.mark.parametrize(
    "path",
    [
        "/page%00.html",
        "/%00",
        "/page.html%00",
        "/%00/page.css",
        "/" + "a" * 300 + ".html",
        "/" + "a" * 5000,
        "/" + "a/" * 5000 + "b.html",
        "/%ed%a0%80.html",
        "/%ff.html",
        "/..%2fsecret.html",
        "/%2e%2e/secret.html",
        "/gone.html",
        "/page.html/x.html",
    ],
)
@pytest.mark.parametrize("packed", ["gzip", "identity"])
def test_a_name_that_no_file_has_is_not_found(
    port: int, path: str, packed: str, capfd: pytest.CaptureFixture[str]
) -> None:
    status, _, content = ask(port, path, Accept_Encoding=packed)
    assert status == 404
    assert b"secret" not in content
    assert ask(port, "/page.html")[0] == 200
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("header", "packed"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("br, gzip;q=0.5", True),
        ("gzip;q=1.000", True),
        ("gzip ; q=0.001", True),
        ("*", True),
        ("identity, *;q=0.1", True),
        ("gzip;q=0", False),
        ("gzip; q=0.0", False),
        ("gzip;Q=0.000, br", False),
        ("gzip;q=0, *", False),
        ("*;q=0", False),
        ("br, deflate", False),
        ("xgzip", False),
        ("gzip;q=much", False),
        ("", False),
        (",;,q=1", False),
    ],
)
def test_only_who_can_unpack_gets_it_packed(port: int, header: str, packed: bool) -> None:
    assert serve.accepts_gzip(header) == packed
    for method in ("GET", "HEAD"):
        status, headers, content = ask(port, "/page.html", method, Accept_Encoding=header)
        assert status == 200
        assert (headers.get("content-encoding") == "gzip") == packed
        assert headers["vary"] == "Accept-Encoding"
        if method == "GET":
            assert (gzip.decompress(content) if packed else content) == b"word " * 1000


@pytest.mark.parametrize("sent", [b"", b"GET /page", b"GET /page.html HTTP/1.0\r\nHost: x\r\n"])
def test_an_idle_connection_is_closed(port: int, sent: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_connection((serve.HOST, port), timeout=10) as client:
        client.sendall(sent)
        started = time.monotonic()
        assert client.recv(100) == b""
        assert time.monotonic() - started < 8
    assert capfd.readouterr().err == ""


def test_a_reader_who_goes_away_is_not_worth_a_word(port: int, capfd: pytest.CaptureFixture[str]) -> None:
    for sent in (b"", b"GET /lar", b"GET /large.bin HTTP/1.0\r\n\r\n", b"GET /page.html HTTP/1.0\r\n\r\n"):
        client = socket.create_connection((serve.HOST, port), timeout=10)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close sends a reset
        client.sendall(sent)
        time.sleep(0.1)
        client.close()
    with socket.create_connection((serve.HOST, port), timeout=10) as client:  # asks, and never reads
        client.sendall(b"GET /large.bin HTTP/1.0\r\n\r\n")
        time.sleep(1.5)
    assert ask(port, "/page.html")[0] == 200
    assert capfd.readouterr().err == ""


def test_an_error_of_the_server_itself_is_shown(
    port: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(serve._Quiet, "translate_path", broken)
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        ask(port, "/page.html")
    time.sleep(0.2)
    assert "RuntimeError: broken" in capfd.readouterr().err


def test_serving_takes_the_next_free_port_and_asks_for_a_book(book: Path) -> None:
    with pytest.raises(PressError, match="there is no book"):
        serve.serve(book, 8000)
    with socket.socket() as taken:
        taken.bind((serve.HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with serve.free_server(book, port) as server:
            assert port < server.server_port < port + 100
            assert server.server_address[0] == "127.0.0.1"


def test_texts_are_served_packed_to_who_can_unpack_them(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("word " * 1000, encoding="utf-8")
    with serve.free_server(tmp_path, 8900) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/page.html"
        for accepted in ("gzip, br", "identity"):
            with urlopen(Request(address, headers={"Accept-Encoding": accepted})) as answer:
                content = answer.read()
                assert (answer.headers["Content-Encoding"] == "gzip") == accepted.startswith("gzip")
                assert int(answer.headers["Content-Length"]) == len(content)
                whole = gzip.decompress(content) if accepted.startswith("gzip") else content
                assert whole == b"word " * 1000
        server.shutdown()
