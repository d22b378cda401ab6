#!/usr/bin/env bash
# Brings this checkout to where the demo and every test can run; behind `make setup`. Safe to run again at any time: it
# returns at once when everything is there, and mends what an interrupted run left half made.
#
#   .venv       the compute environment: false_core (editable), torch and the test tools
#   .venv-qgis  QGIS's own Python with pytest, for the tests of the plugin
#   .venv-docs  MkDocs, only after `tools/setup.sh docs`, which makes nothing else; behind `make docs`
#   .venv-qt6   PyQt6 and the test tools, only after `tools/setup.sh qt6`, which makes nothing else; behind `make test-qt6`
#   .tools      what this script needs itself: uv, a lock, a runtime folder for Qt
#
# As root on a system with apt, QGIS is installed where it is missing. Elsewhere the script says what to install and goes
# on with what it can do.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

QGIS_PACKAGES="qgis python3-qgis qgis-providers"
SYSTEM_PYTHON=/usr/bin/python3 # The one QGIS is built for, whatever else is first on PATH.

say() { printf '%s\n' "setup: $*" >&2; }
fail() { say "$*"; exit 1; }

# An environment is good when its stamp says it was completed here, from these very files.
key() { { pwd; cat pyproject.toml constraints.txt tools/setup.sh; } | cksum; }
is_current() { [ -f "$1/.stamp" ] && [ "$(tail -n 1 "$1/.stamp")" = "$KEY" ] && [ -x "$1/bin/python" ]; }
# Scripts in an environment hold its full path, so one that was moved is of no use.
is_complete() { [ -f "$1/.stamp" ] && [ "$(head -n 1 "$1/.stamp")" = "$PWD/$1" ] && "$1/bin/python" -c '' 2>/dev/null; }
stamp() { printf '%s\n%s\n' "$PWD/$1" "$KEY" > "$1/.stamp"; }

have_qgis() { command -v qgis_process.bin >/dev/null || command -v qgis_process >/dev/null; }
may_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

install_system_packages() {
  local missing=""
  have_qgis && "$SYSTEM_PYTHON" -c 'import qgis.core' 2>/dev/null || missing="$QGIS_PACKAGES"
  "$SYSTEM_PYTHON" -c 'import ensurepip' 2>/dev/null || missing="$missing python3-venv"
  [ -n "$missing" ] || return 0
  if ! may_install; then
    say "not installed on this system:$(printf ' %s' $missing). It takes an administrator:"
    say "    apt-get install --no-install-recommends $(echo $missing)"
    return 0
  fi
  say "installing $(echo $missing) with apt (about 2 minutes)"
  export DEBIAN_FRONTEND=noninteractive
  # shellcheck disable=SC2086  # a list of packages
  if ! { apt-get update -q && apt-get install -y -q --no-install-recommends ca-certificates $missing; } \
       > .tools/apt.log 2>&1; then
    tail -n 15 .tools/apt.log >&2
    say "apt-get failed; all it said is in .tools/apt.log. Going on without."
  fi
}

find_python() {
  local candidate
  for candidate in python3 python3.13 python3.12 python3.11 python3.10 "$SYSTEM_PYTHON"; do
    "$candidate" -c 'import sys; sys.version_info < (3, 10) and sys.exit(1); print(sys.executable)' 2>/dev/null && return 0
  done
  return 1
}

find_uv() { # Prints the path of uv, or nothing where it cannot be had.
  command -v uv && return 0
  if ! .tools/uv/bin/uv --version >/dev/null 2>&1; then
    rm -rf .tools/uv
    { "$PYTHON" -m venv .tools/uv && .tools/uv/bin/python -m pip install -q uv; } >&2 || { rm -rf .tools/uv; return 0; }
  fi
  printf '%s\n' .tools/uv/bin/uv
}

environment() { # folder, interpreter, "system" to see the system's packages, then what to install
  local folder="$1" python="$2" flags=""
  [ "$3" = system ] && flags="--system-site-packages"
  shift 3
  if ! is_complete "$folder"; then
    rm -rf "$folder"
    # shellcheck disable=SC2086  # one flag or none
    if [ -n "$UV" ]; then
      "$UV" venv -q $flags --python "$python" "$folder" || return 1
    else
      "$python" -m venv $flags "$folder" || return 1
    fi
  fi
  rm -f "$folder/.stamp" # Until it is complete again.
  if [ -n "$UV" ]; then
    "$UV" pip install -q --compile-bytecode --python "$folder/bin/python" -c constraints.txt "$@" || return 1
  else
    "$folder/bin/python" -m pip install -q -c constraints.txt "$@" || return 1
  fi
  stamp "$folder"
}

mkdir -p .tools/runtime
chmod 700 .tools/runtime
KEY="$(key)"
EXTRA="${1-}" # An environment that is made of an extra of pyproject.toml alone: docs or qt6.
if [ -n "$EXTRA" ]; then
  is_current ".venv-$EXTRA" && exit 0
else
  is_current .venv && is_current .venv-qgis && have_qgis && exit 0
fi

# Two runs in one checkout would undo each other.
if command -v flock >/dev/null; then
  exec 9>.tools/lock
  flock 9
fi

packages_of_extra() { # Without the library itself: it would bring PyTorch.
  "$PYTHON" - "$EXTRA" <<'END'
import re, sys
text = open("pyproject.toml", encoding="utf-8").read()
extra = re.search(rf"^{sys.argv[1]} = \[$(.*?)^\]$", text, re.MULTILINE | re.DOTALL)
print(*re.findall(r'"([^"]+)"', extra[1]), sep="\n")
END
}

if [ -n "$EXTRA" ]; then
  PYTHON="$(find_python)" || fail "no Python of at least 3.10 was found. Install python3 and python3-venv, then run this again."
  UV="$(find_uv)"
  say "installing what make takes for $EXTRA in .venv-$EXTRA"
  mapfile -t packages < <(packages_of_extra)
  environment ".venv-$EXTRA" "$PYTHON" "" "${packages[@]}" ||
    fail "it could not be installed; the reason stands above. Run this again when it is mended."
  exit 0
fi

have_qgis && is_current .venv-qgis || install_system_packages

if ! is_current .venv || ! is_current .venv-qgis; then
  PYTHON="$(find_python)" || fail "no Python of at least 3.10 was found. Install python3 and python3-venv, then run this again."
  UV="$(find_uv)"
  [ -n "$UV" ] || say "uv cannot be had; pip does the same, only slower."
fi

if ! is_current .venv; then
  say "installing the compute environment in .venv (PyTorch and its CUDA libraries: about 3 GB to download the first time)"
  environment .venv "$PYTHON" "" -e '.[test]' ||
    fail "the compute environment could not be installed; the reason stands above. Run this again when it is mended."
  .venv/bin/python -c 'import torch, timm, rasterio' || fail "the compute environment does not work; the reason stands above."
fi

if ! is_current .venv-qgis && "$SYSTEM_PYTHON" -c 'import qgis.core' 2>/dev/null; then
  say "installing the test environment of the plugin in .venv-qgis"
  environment .venv-qgis "$SYSTEM_PYTHON" system pytest pytest-qgis ||
    say "the test environment of the plugin could not be installed; the reason stands above."
fi

have_qgis || say "QGIS is missing. The demo runs without it, through the command line; the tests of the plugin do not."
