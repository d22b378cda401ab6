"""What QGIS's plugin repository refuses about a zip, and what its reviewers ask about: checked without sending it there.

The repository unpacks, reads ``metadata.txt`` and looks at names. Its scan of the code is in ``make lint`` (flake8, bandit).
"""

from __future__ import annotations

import configparser
import re
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

LARGEST = 5_000_000
"""Bytes. The repository takes 25 MB; a plugin of text alone that grows beyond this carries something it should not."""
REQUIRED = ("name", "description", "version", "qgisMinimumVersion", "author", "email", "about", "tracker", "repository")
BOOLEAN = ("experimental", "deprecated", "server", "hasProcessingProvider")
LEFT_BEHIND = {"__MACOSX", "__pycache__", ".git", ".DS_Store", ".qgis-settings", "tests"}
COMPILED = {".pyc", ".pyd", ".so", ".dll", ".dylib", ".exe", ".whl", ".egg"}
BINARY = {".qm": bytes.fromhex("3cb86418caef9c95cd211cbf60a1bddd"), ".png": bytes.fromhex("89504e470d0a1a0a")}
"""The first bytes of the binaries that plugins may bring: translations as Qt reads them, and pictures."""
SECRETS = {
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY",
    "a key of a cloud": r"\b(AKIA|ASIA|AIza)[0-9A-Za-z_-]{16,}",
    "a token": r"\b(ghp|gho|github_pat|glpat|xox[abp]|pypi|hf)[-_][0-9A-Za-z_-]{20,}",
    "a password": r"(?i)\b(password|passwd|secret|api_?key|token)\b\s*[:=]\s*[\"'][^\"'\s{}$]{6,}[\"']",
    "a login in an address": r"\w+://[^/\s:@{}]+:[^/\s:@{}]+@",
}


def refusals(package: Path) -> Iterator[str]:
    """Yield what is wrong with the zip of a plugin, one sentence each."""
    if package.stat().st_size > LARGEST:
        yield f"it has {package.stat().st_size} bytes, more than {LARGEST}"
    with zipfile.ZipFile(package) as archive:
        entries = archive.infolist()
        folder = entries[0].filename.partition("/")[0]
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]+", folder):
            yield f"{folder} is no name for a plugin"
        for entry in entries:
            yield from _about_entry(entry, folder, archive.read(entry))
        for name in ("__init__.py", "metadata.txt", "LICENSE"):
            if f"{folder}/{name}" not in archive.namelist():
                yield f"{name} is missing"
        if f"{folder}/metadata.txt" in archive.namelist():
            text = archive.read(f"{folder}/metadata.txt").decode("utf-8")
            yield from _about_metadata(text, {name.partition("/")[2] for name in archive.namelist()})


def _about_entry(entry: zipfile.ZipInfo, folder: str, content: bytes) -> Iterator[str]:
    name, path = entry.filename, PurePosixPath(entry.filename)
    if path.is_absolute() or ".." in name or path.parts[0] != folder:
        yield f"{name} lies outside of {folder}"
    if LEFT_BEHIND & set(path.parts) or path.suffix in COMPILED:
        yield f"{name} was left behind"
    mode = entry.external_attr >> 16
    if stat.S_ISLNK(mode) or mode & 0o111:
        yield f"{name} is a link or a program"
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    known = path.suffix in BINARY and content.startswith(BINARY[path.suffix])
    if "\0" in text and not known:
        yield f"{name} is binary"
    for what, pattern in SECRETS.items():
        if re.search(pattern, text):
            yield f"{name} holds {what}"


def _about_metadata(text: str, names: set[str]) -> Iterator[str]:
    # As the repository and QGIS read it, where a lone percent sign is an error.
    metadata = configparser.ConfigParser()
    metadata.optionxform = str  # type: ignore[method-assign, assignment]
    try:
        metadata.read_string(text)
        general = dict(metadata.items("general"))
    except configparser.Error as error:
        yield f"metadata.txt cannot be read: {str(error).splitlines()[0]}"
        return
    for key in REQUIRED:
        if not general.get(key, "").strip():
            yield f"metadata.txt has no {key}"
    for key in BOOLEAN:
        if general.get(key, "false").lower() not in {"true", "false", "yes", "no"}:
            yield f"{key} is neither true nor false"
    for key in ("tracker", "repository", "homepage"):
        if not re.fullmatch(r"https?://[\w.-]+\.\w+(/\S*)?", general.get(key, "https://example.org")):
            yield f"{key} is no address"
    if re.search(r"<\w+|\n", general.get("description", "")):
        yield "description is more than one line of plain text"
    if "/" in general.get("author", ""):
        yield "author has a slash"
    if not re.fullmatch(r"\d+\.\d+", general.get("qgisMinimumVersion", "")):
        yield "qgisMinimumVersion is no version"
    if general.get("icon") not in names:
        yield f"the icon {general.get('icon')} is missing"
