"""The index that packages come from: what the user has told uv of it, or pip, which uv does not read."""

from __future__ import annotations

import re
from typing import Dict

from qgis_false.environment.host import Host

INDEX_OPTIONS = {"index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX", "trusted-host": "UV_INSECURE_HOST"}


def uv_is_configured(host: Host) -> bool:
    """Whether the user has told uv where to take packages from."""
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
    told: Dict[str, str] = {}
    for line in said.splitlines():
        match = re.match(r"(?:global|install|:env:)\.([\w-]+)=(['\"])(.*)\2\s*$", line.strip())
        if match and match[1] in INDEX_OPTIONS:
            told[INDEX_OPTIONS[match[1]]] = " ".join(match[3].replace("\\n", " ").split())
    if "UV_DEFAULT_INDEX" not in told:
        return {}
    # pip looks at all of its indexes alike.
    return {**told, "UV_INDEX_STRATEGY": "unsafe-best-match"}
