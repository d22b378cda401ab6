"""The index that packages come from: what the user has told uv of it, or pip, which uv does not read."""

from __future__ import annotations

import re
from typing import Dict, Iterator, Mapping, Tuple

from qgis_false.environment.host import Host
from qgis_false.installation.network import PROXIES, UV_CERTIFICATES

INDEX_OPTIONS = {"index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX", "trusted-host": "UV_INSECURE_HOST"}


def uv_is_configured(host: Host) -> bool:
    """Return whether the user has told uv where to take packages from."""
    if any(name.upper().startswith(("UV_INDEX", "UV_DEFAULT_INDEX", "UV_CONFIG_FILE")) for name in host.variables):
        return True
    join, get = host.paths.join, host.variables.get
    if host.is_windows:
        folders = [get("APPDATA", ""), get("PROGRAMDATA", "")]
    else:
        folders = [get("XDG_CONFIG_HOME", "") or join(host.home, ".config"), *get("XDG_CONFIG_DIRS", "").split(":"), "/etc"]
    return any(host.disk.exists(join(folder, "uv", "uv.toml")) for folder in folders if folder)


def pip_index(said: str) -> Dict[str, str]:
    """Return variables that tell uv what ``pip config list`` told, or nothing where pip takes the default index."""
    told = {INDEX_OPTIONS[name]: value for name, value in _options(said) if name in INDEX_OPTIONS}
    if "UV_DEFAULT_INDEX" not in told:
        return {}
    # pip looks at all of its indexes alike.
    return {**told, "UV_INDEX_STRATEGY": "unsafe-best-match"}


def pip_network(said: str, variables: Mapping[str, str]) -> Dict[str, str]:
    """Return variables that tell uv of the proxy and the certificates that pip is set to, where ``variables`` name none."""
    told: Dict[str, str] = {}
    names = {name.upper() for name in variables}
    for option, value in _options(said):
        if option == "proxy" and not names & set(PROXIES):
            told.update(dict.fromkeys(PROXIES, value))
        if option == "cert" and UV_CERTIFICATES not in names:
            told[UV_CERTIFICATES] = value
    return told


def _options(said: str) -> Iterator[Tuple[str, str]]:
    for line in said.splitlines():
        match = re.match(r"(?:global|install|:env:)\.([\w-]+)=(['\"])(.*)\2\s*$", line.strip())
        if match:
            yield match[1], " ".join(match[3].replace("\\n", " ").split())
