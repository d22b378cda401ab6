"""What pip and uv print when they fail is told in one sentence, and what to do in another.

``installers`` holds what they really printed, pip 23 and uv 0.13 on Linux: in front of servers and proxies of our own that
refuse, on a disk that was full, on one that could not be written to. What is named Windows is written after its lists of
errors, in the words of a German Windows.
"""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

RECORDED = sorted((Path(__file__).parents[1] / "installers").glob("*.txt"))
UV = Path(__file__).resolve().parents[3] / ".tools" / "uv" / "bin" / "uv"
PASSWORD = "geheimes-wort"
WORDS = {
    "disk full": "The disk is full. Make room on the disk of /e, and on that of your home folder",
    "taken away": "A virus scanner has taken a file away: .*os error 225.*leave /e alone",
    "not allowed": "A file could not be written: .* Close other QGIS windows",
    "proxy asks": r"The proxy wants a user and a password, or other ones. Set them in Settings > Options > Network\.",
    "proxy refuses": "The proxy does not let .* through. Ask who looks after it to allow the hosts",
    "proxy gone": r"The proxy cannot be reached. Correct its name and port in Settings > Options > Network\.",
    "certificate": "The certificate of localhost is not trusted.*Add the certificate authority of the office in Settings",
    "index refuses": "The package index 127.0.0.1 refuses. Correct its address and password",
    "index in trouble": "The package index 127.0.0.1 has a fault of its own. Try again later",
    "no network": "There is no network: [a-z0-9.-]+ cannot be reached. Connect this computer",
    "no package": "The package index does not have what is needed: .*numpy.* to one that has, such as the public one",
}


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_the_cause_is_found_among_the_lines(provider, path):
    import re

    from qgis_false.installation.faults import fault_in, told

    cause = path.stem.partition("-")[0].replace("_", " ")
    fault = fault_in(path.read_text("utf-8").splitlines())
    assert fault.cause == cause
    assert re.match(WORDS[cause], told(fault, "", "/e"))


def test_every_cause_is_recorded_and_has_words(provider):
    from qgis_false.installation import faults

    recorded = {path.stem.partition("-")[0].replace("_", " ") for path in RECORDED}
    assert recorded == set(faults.KNOWN) == set(WORDS)


@pytest.mark.parametrize("lines", [[], ["error: Something new"], ["Downloading torch (500.0MiB)", "Segmentation fault"]])
def test_what_is_not_known_is_not_guessed(provider, lines):
    from qgis_false.installation import faults

    assert faults.fault_in(lines).cause == faults.UNKNOWN_CAUSE
    assert faults.told(faults.fault_in(lines), "", "/e") == ""


def test_what_went_well_at_the_second_attempt_is_no_cause(provider):
    from qgis_false.installation import faults

    retried = (
        "WARNING: Retrying (Retry(total=4, connect=None)) after connection broken by 'ReadTimeoutError(...)': /simple/x/"
    )
    lines = [retried, "ERROR: No matching distribution found for torch"]
    assert faults.fault_in(lines).cause == faults.NO_PACKAGE
    assert faults.fault_in([retried, retried.replace("total=4", "total=0"), lines[1]]).cause == faults.NO_NETWORK


def test_a_proxy_that_a_variable_names_is_corrected_there(provider):
    from qgis_false.installation import faults

    assert "in the variable https_proxy" in faults.told(faults.Fault(faults.PROXY_ASKS), "https_proxy", "/e")


class Office(BaseHTTPRequestHandler):
    """A proxy that lets nobody through but those it knows, and an index without packages."""

    def do_CONNECT(self) -> None:
        self.server.asked.append(self.headers.get("Proxy-Authorization", ""))
        self.send_response(407)
        self.send_header("Proxy-Authenticate", 'Basic realm="office"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def office():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Office)
    server.asked = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def office_certificate(office, tmp_path) -> Path:
    """Have the office speak TLS, with a certificate of an authority of its own. Return that one's."""
    authority, key = tmp_path / "authority.pem", tmp_path / "key.pem"
    made = ["-newkey", "rsa:2048", "-nodes", "-days", "2"]
    for command in (
        ["req", "-x509", *made, "-keyout", "authority.key", "-out", authority.name, "-subj", "/CN=Office"],
        ["req", "-x509", *made, "-keyout", key.name, "-out", "own.pem", "-subj", "/CN=localhost", "-CA", authority.name,
         "-CAkey", "authority.key", "-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=CA:FALSE"],
    ):  # fmt: skip
        done = subprocess.run(["openssl", *command], cwd=tmp_path, capture_output=True, check=False)
        if done.returncode:
            pytest.skip("openssl cannot sign a certificate here")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "own.pem", key)
    office.socket = context.wrap_socket(office.socket, server_side=True)
    return authority


def dead_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture(params=["pip", "uv"])
def installer(request, provider, tmp_path, feedback):
    """Return what really runs an installer with a network and an index, and tells the cause and all that was shown."""
    from qgis_false.environment import variables
    from qgis_false.environment.host import this_host
    from qgis_false.installation import faults, network
    from qgis_false.installation.progress import SetUpProgress

    if request.param == "uv" and not UV.exists():
        pytest.skip("there is no uv in .tools: run make setup")

    def run(index: str, reached_by: object) -> tuple[str, str]:
        own = {name: value for name, value in variables.install_variables(this_host()).items()
               if name.upper() not in {*network.PROXIES, *network.CERTIFICATE_FILES, "SSL_CERT_DIR", "NO_PROXY"}
               and not name.startswith("PIP_")}  # fmt: skip
        own.update(PIP_CONFIG_FILE="/dev/null", UV_NO_CONFIG="1", UV_HTTP_RETRIES="0", UV_CACHE_DIR=str(tmp_path / "cache"))
        certificates = tmp_path / "certificates.pem"
        certificates.write_text(reached_by.certificates)
        told = {**own, **network.network_variables(reached_by, own, str(certificates))}
        command = [sys.executable, "-m", "pip", "install", "--retries", "1", "--index-url", index]
        if request.param == "uv":
            command = [str(UV), "pip", "install", "--python", sys.executable, "--default-index", index]
        progress = SetUpProgress(feedback, told, str(tmp_path))
        assert not progress.run([*command, "--target", str(tmp_path / "target"), "no-such-package-at-all"])
        return faults.fault_in(progress.last_words).cause, "\n".join(feedback.consoles)

    return run


@pytest.mark.thorough
class TestReally:
    def test_a_host_without_a_name(self, installer):
        from qgis_false.installation.network import Network

        assert installer("https://no-such-host.invalid/simple", Network())[0] == "no network"

    def test_a_proxy_that_is_off(self, installer):
        from qgis_false.installation.network import Network

        cause, shown = installer("https://pypi.example/simple", Network(f"http://anna:{PASSWORD}@127.0.0.1:{dead_port()}"))
        assert cause == "proxy gone" and PASSWORD not in shown

    def test_a_proxy_that_asks_hears_the_password_and_nobody_else(self, installer, office):
        from base64 import b64decode

        from qgis_false.installation.network import Network

        proxy = f"http://anna:{PASSWORD}@127.0.0.1:{office.server_port}"
        cause, shown = installer("https://pypi.example/simple", Network(proxy))
        assert cause == "proxy asks" and PASSWORD not in shown
        assert b64decode(office.asked[0].partition(" ")[2]).decode() == f"anna:{PASSWORD}"

    def test_a_host_that_is_excluded_is_reached_without_the_proxy(self, installer, office):
        from qgis_false.installation.network import Network

        away = Network(f"http://127.0.0.1:{dead_port()}", ("127.0.0.1",))
        assert installer(f"http://127.0.0.1:{office.server_port}/simple", away)[0] == "no package"

    def test_a_certificate_of_the_office(self, installer, office, office_certificate):
        from qgis_false.installation.network import Network

        index = f"https://localhost:{office.server_port}/simple"
        assert installer(index, Network())[0] == "certificate"
        assert installer(index, Network(certificates=office_certificate.read_text()))[0] == "no package"
