"""Plays uv without a network: makes real environments, and packages of one file each. Prints what uv prints.

Variables: ``FAKE_UV_LOG``, a file for the calls; ``FAKE_UV_UNREACHABLE``, backends that cannot be reached, ``*`` for the
index too; ``FAKE_UV_HANG``, a file that makes it hang while it is there, into which it writes the process it has started;
``FAKE_UV_FULL``, where the disk is to be full;
``FAKE_UV_HANG_AT``, the first word of the call that hangs then, by itself that which installs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

STORE = {"torch": 500, "rasterio": 30, "false-core": 1}
"""What it can install, and how many MB it says that is."""


def main() -> int:
    arguments = sys.argv[1:]
    if os.environ.get("FAKE_UV_HANG_AT", "pip") == arguments[0] != "pip":
        hang()
    if arguments == ["--version"]:
        print("uv 0.13.8 (fake)")
        return 0
    with open(os.environ["FAKE_UV_LOG"], "a", encoding="utf-8") as log:
        print(" ".join(arguments), file=log)
    if arguments[:2] == ["cache", "clean"]:
        Path(os.environ["FAKE_UV_LOG"] + ".spoilt").unlink(missing_ok=True)
        return 0
    return venv(arguments) if arguments[0] == "venv" else install(arguments)


def option(arguments: list[str], name: str) -> str:
    return arguments[arguments.index(name) + 1] if name in arguments else ""


def venv(arguments: list[str]) -> int:
    folder = Path(arguments[-1])
    if folder.exists() and "--allow-existing" not in arguments:
        print(f"error: A virtual environment already exists at `{folder}`", file=sys.stderr)
        return 2
    for link in folder.glob("bin/python*"):
        link.unlink()
    python = option(arguments, "--python")
    return subprocess.run([python, "-I", "-m", "venv", "--without-pip", str(folder)], check=False).returncode


def install(arguments: list[str]) -> int:
    python, backend = option(arguments, "--python"), option(arguments, "--torch-backend")
    unreachable = os.environ.get("FAKE_UV_UNREACHABLE", "").split()
    if (backend or "*") in unreachable:
        host = "build.example" if backend else "index.example"
        print(f"error: Request failed after 3 retries in 7.5s\n  cause: Failed to fetch: https://{host}/simple/torch/\n"
              "  cause: dns error", file=sys.stderr)  # fmt: skip
        return 2
    if "--dry-run" in arguments:
        return 0
    if os.environ.get("FAKE_UV_FULL"):
        print("  cause: failed to write to file `/c/x.py`: No space left on device (os error 28)", file=sys.stderr)
        return 2
    if "--offline" in arguments and "offline" in unreachable:
        print("error: Network connectivity is disabled", file=sys.stderr)
        return 2
    print(f"Resolved {len(STORE)} packages in 5ms", file=sys.stderr)
    site = Path(subprocess.run([python, "-I", "-c", "import site; print(site.getsitepackages()[0])"], check=True,
                               capture_output=True, text=True).stdout.strip())  # fmt: skip
    again = [arguments[n + 1] for n, one in enumerate(arguments) if one == "--reinstall-package"]
    missing = [name for name in STORE if name in again or not list(site.glob(f"{name.replace('-', '_')}-*.dist-info"))]
    for name in missing:
        print(f"Downloading {name} ({STORE[name]}.0MiB)", file=sys.stderr, flush=True)
    for name in missing:
        hang()
        write_package(site, name, "2.15.0+" + (backend or "index"))
        if os.path.exists(os.environ["FAKE_UV_LOG"] + ".spoilt") and name == "rasterio":
            (site / name / "__init__.py").write_text("")  # As it lies in the store.
        print(f" Downloaded {name}", file=sys.stderr, flush=True)
    print(f"Installed {len(missing)} packages in 3ms", file=sys.stderr)
    return 0


def hang() -> None:
    note = os.environ.get("FAKE_UV_HANG", "")
    if note and os.path.exists(note):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        Path(note).write_text(str(child.pid))
        time.sleep(60)


def write_package(site: Path, name: str, version: str) -> None:
    module = name.replace("-", "_")
    information = site / f"{module}-{version}.dist-info"
    for folder in (site / module, information):
        folder.mkdir(exist_ok=True)
    files = {f"{module}/__init__.py": f"__version__ = {version!r}\n",
             f"{information.name}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"}  # fmt: skip
    for path, text in files.items():
        (site / path).write_text(text)
    record = "".join(f"{path},,{len(text)}\n" for path, text in files.items())
    (information / "RECORD").write_text(record + f"{information.name}/RECORD,,\n")


if __name__ == "__main__":
    sys.exit(main())
