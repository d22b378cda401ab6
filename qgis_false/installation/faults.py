"""The faults of pip or uv, told from what they printed: what happened in one sentence, what to do in another.

They print the cause among many lines that follow from it: pip without a network ends with packages that conflict. So the
causes are looked for one after the other, the surest first. Windows says its errors in its own language, but with a number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Sequence, Tuple

from qgis_false.translation import tr

DISK_FULL, TAKEN_AWAY, NOT_ALLOWED = "disk full", "taken away", "not allowed"
PROXY_ASKS, PROXY_REFUSES, PROXY_GONE = "proxy asks", "proxy refuses", "proxy gone"
CERTIFICATE, INDEX_REFUSES, INDEX_IN_TROUBLE = "certificate", "index refuses", "index in trouble"
NO_NETWORK, NO_PACKAGE, UNKNOWN_CAUSE = "no network", "no package", "unknown"
CAUSES: Tuple[Tuple[str, str], ...] = (
    (DISK_FULL, r"no space left on device|errno 28\]|os error (?:28|112|122)\)|winerror 112\]|disk quota exceeded"),
    (TAKEN_AWAY, r"os error 225\)|winerror 225\]|contains a virus|potentially unwanted software"),
    (NOT_ALLOWED, r"os error (?:1|5|13|30|32)\)|winerror (?:5|32)\]|errno (?:1|13|30)\]"),
    (PROXY_ASKS, r"407 proxy|proxy authori[sz]ation required|proxy authentication required"),
    (PROXY_REFUSES, r"tunnel connection failed|tunnel error: unsuccessful"),
    (PROXY_GONE, r"cannot connect to proxy|tunnel error|missing dependencies for socks|socks connect"),
    (CERTIFICATE, r"certificate verify failed|certificate_verify_failed|invalid peer certificate|confirming the ssl certif"),
    (INDEX_REFUSES, r"40[13] (?:client error|forbidden|unauthorized)"),
    (INDEX_IN_TROUBLE, r"http status server error|50[0-9] server error"),
    (
        NO_NETWORK,
        r"dns error|name or service not known|name resolution|getaddrinfo failed|nodename nor servname|failed to resolve"
        r"|connection refused|connection reset|connection broken|os error 100(?:51|54|60|61|65)\)|winerror 100\d\d\]"
        r"|unreachable|no route to host|timed out|client error \(connect\)",
    ),
    (NO_PACKAGE, r"no matching distribution|^\W*cause: because |resolutionimpossible"),
)
"""Each cause, and what tells of it in small letters."""
OF_THIS_COMPUTER = (DISK_FULL, TAKEN_AWAY, NOT_ALLOWED)
"""Causes that another source of the same packages would not change."""
BEYOND_THIS_COMPUTER = (PROXY_ASKS, PROXY_REFUSES, PROXY_GONE, CERTIFICATE, NO_NETWORK)
"""Causes between this computer and any package index."""
KNOWN = tuple(cause for cause, _ in CAUSES)
LONGEST_CITED = 500
_RETRIED = re.compile(r"Retrying \(Retry\(total=[1-9]")
_HOST = re.compile(r"https?://(?:[^@/\s]*@)?([\w.-]+)|host='([\w.-]+)'")


@dataclass(frozen=True)
class Fault:
    """A fault in a set-up.

    Attributes:
        cause: One of those above.
        host: Name of the computer that was to be reached, as far as it was told.
        line: The line that tells it.
    """

    cause: str
    host: str = ""
    line: str = ""


def fault_in(lines: Sequence[str]) -> Fault:
    """Return why a program failed that printed ``lines``."""
    # What went well at the second attempt is no cause.
    lines = [line for line in lines if not _RETRIED.search(line)]
    for cause, pattern in CAUSES:
        for number, line in enumerate(lines):
            if re.search(pattern, line, re.IGNORECASE):
                return Fault(cause, _last_host(lines[: number + 1]), line.strip()[:LONGEST_CITED])
    return Fault(UNKNOWN_CAUSE)


def _last_host(lines: Sequence[str]) -> str:
    for line in reversed(lines):
        found = _HOST.findall(line)
        if found:
            return next(filter(None, found[-1]))
    return ""


def told(fault: Fault, variable: str, folder: str) -> str:
    """Return what happened and what to do, or nothing where the cause is unknown.

    Args:
        variable: The one that names the proxy, or nothing where QGIS does.
        folder: Folder of the environment.
    """
    # Whom pip asks where it names nobody.
    host = fault.host or tr("Python's package index")
    options = tr("Settings > Options > Network")
    place = tr("the variable {variable}", variable=variable) if variable else options
    line = fault.line if fault.line.endswith(".") else f"{fault.line}."
    sentences = {
        DISK_FULL: tr(
            "The disk is full. Make room on the disk of {folder}, and on that of your home folder, where pip and uv keep "
            "what they download.",
            folder=folder,
        ),
        TAKEN_AWAY: tr(
            "A virus scanner has taken a file away: {line} Tell it to leave {folder} alone, or ask who looks after this "
            "computer.",
            line=line, folder=folder,
        ),
        NOT_ALLOWED: tr(
            "A file could not be written: {line} A virus scanner or another QGIS may hold it, or the folder is protected. "
            "Close other QGIS windows, and let the virus scanner leave {folder} alone.",
            line=line, folder=folder,
        ),
        PROXY_ASKS: tr("The proxy wants a user and a password, or other ones. Set them in {place}.", place=place),
        PROXY_REFUSES: tr(
            "The proxy does not let {host} through. Ask who looks after it to allow the hosts of Python's package index, of "
            "PyTorch and of GitHub, or ask for a package index inside and set pip to that.",
            host=host,
        ),
        PROXY_GONE: tr("The proxy cannot be reached. Correct its name and port in {place}.", place=place),
        CERTIFICATE: tr(
            "The certificate of {host} is not trusted, as where an office looks into encrypted traffic. Add the certificate "
            "authority of the office in Settings > Options > Authentication > Manage Certificates; it is passed on.",
            host=host,
        ),
        INDEX_REFUSES: tr(
            "The package index {host} refuses. Correct its address and password in the settings of pip or uv.", host=host
        ),
        INDEX_IN_TROUBLE: tr("The package index {host} has a fault of its own. Try again later.", host=host),
        NO_NETWORK: tr(
            "There is no network: {host} cannot be reached. Connect this computer. Where only a proxy leads out, name it in "
            "{options}; it is passed on.",
            host=host, options=options,
        ),
        NO_PACKAGE: tr(
            "The package index does not have what is needed: {line} Set pip or uv to one that has, such as the "
            "public one.",
            line=line,
        ),
    }  # fmt: skip
    return sentences.get(fault.cause, "")
