#!/usr/bin/env bash
# Runs the tests of the plugin, tests/plugin and tests/process, in QGIS 3.40 or 3.44, whatever QGIS this system has; behind
# `make test-qgis-3.40` and `make test-qgis-3.44`. The QGIS lies in a small Debian of its own, in .tools/qgis-3.40 or
# .tools/qgis-3.44: 3 minutes and 2.5 GB the first time.
#
# It needs root, debootstrap, and an apt that reaches a Debian mirror: the one of this system, or the one that DEBIAN_MIRROR
# names. The compute environment is this checkout's .venv.
#
# All mounts are made in a namespace of their own. They go with its last process, also where this script is killed.
#
#   tools/test_qgis_in_debian.sh 3.40|3.44 [arguments for pytest; with tests/..., only these, also tests/desktop]
#   QGIS_FOLDER        another folder for the Debian, for example one that several checkouts share
#   DESKTOP_PICTURES   a folder in this checkout that keeps what was on the screen
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

RELEASE=trixie # Its QGIS is 3.40, that of its backports 3.44.
VERSION="${1:-}"
case "$VERSION" in
  3.40) SUITE="$RELEASE" ;;
  3.44) SUITE="$RELEASE-backports" ;;
  *) printf '%s\n' "usage: tools/test_qgis_in_debian.sh 3.40|3.44 [arguments for pytest]" >&2; exit 2 ;;
esac
shift
PACKAGES="qgis python3-qgis qgis-providers procps python3-pip xvfb openbox imagemagick"
TEST_PACKAGES="pytest pytest-qgis"
COMMANDS="debootstrap unshare chroot mount apt-get"
FOLDER="$(realpath -m "${QGIS_FOLDER:-.tools/qgis-$VERSION}")"
DEBIAN="$FOLDER/debian"

say() { printf '%s\n' "qgis-$VERSION: $*" >&2; }
fail() { say "$*"; exit 1; }
in_debian() { chroot "$DEBIAN" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root "$@"; }

# --- inside the namespace --------------------------------------------------------------------------------------------------

mount_system() {
  mount -t proc proc "$DEBIAN/proc"
  mount --rbind /dev "$DEBIAN/dev" # With it devpts and the shared memory.
}

mount_here() { # Show a folder or file of this system at the same place inside.
  if [ -d "$1" ]; then mkdir -p "$DEBIAN$1"; else mkdir -p "$DEBIAN$(dirname "$1")"; touch "$DEBIAN$1"; fi
  mount --bind "$1" "$DEBIAN$1"
}

install_packages() {
  mount_system
  # Services have no business in here.
  printf '#!/bin/sh\nexit 101\n' > "$DEBIAN/usr/sbin/policy-rc.d"
  chmod +x "$DEBIAN/usr/sbin/policy-rc.d"
  apt-config dump | grep -E '^Acquire::(http|https|ftp|Check|Retries)' > "$DEBIAN/etc/apt/apt.conf.d/90system" || true
  cp -L /etc/resolv.conf "$DEBIAN/etc/resolv.conf"
  printf 'deb %s %s main\n' "$1" "$SUITE" > "$DEBIAN/etc/apt/sources.list.d/qgis.list"
  in_debian apt-get update -q
  # shellcheck disable=SC2086  # a list of packages
  in_debian DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends -t "$SUITE" $PACKAGES
  in_debian apt-get clean
}

run_tests() {
  mount --bind "$SCRATCH" "$DEBIAN/tmp" # Before the checkout, which may itself lie in /tmp.
  mount_system
  mount_here "$PWD"
  local place
  while read -r place; do mount_here "$place"; done < "$SCRATCH/places"
  # torchrun looks for itself under the name of the computer.
  { cat /etc/hosts; echo "127.0.0.1 $(uname -n)"; } > "$SCRATCH/hosts"
  touch "$DEBIAN/etc/hosts"
  mount --bind "$SCRATCH/hosts" "$DEBIAN/etc/hosts"
  mkdir -m 700 "$SCRATCH/runtime"
  in_debian "$COMPUTE" -c 'import torch, rasterio' ||
    fail "the compute environment .venv does not run in Debian $RELEASE; the reason stands above. " \
      "Make it with a Python of its own, for example one from uv."
  in_debian QT_QPA_PLATFORM=offscreen XDG_RUNTIME_DIR=/tmp/runtime FALSE_CORE_PYTHON="$COMPUTE" \
    PYTHONDONTWRITEBYTECODE=1 ${DESKTOP_PICTURES:+DESKTOP_PICTURES="$DESKTOP_PICTURES"} ${OMP_NUM_THREADS:+OMP_NUM_THREADS="$OMP_NUM_THREADS"} \
    bash -c "$INSIDE" tests "$PWD" "$VERSION" "$@"
}

# What runs inside. Both halves are run, whatever comes of the first, unless the arguments name tests.
INSIDE='
cd "$1"
python3 - "$2" <<PYTHON || exit
import sys
from qgis.core import Qgis
from qgis.PyQt.QtCore import QT_VERSION_STR
print("QGIS", Qgis.version(), "on Qt", QT_VERSION_STR)
sys.exit(0 if Qgis.version().startswith(sys.argv[1] + ".") else "That is not QGIS " + sys.argv[1])
PYTHON
shift 2
pytest="python3 -m pytest -p no:cacheprovider --rootdir ."
case " $* " in *" tests/"*) exec $pytest "$@" ;; esac
code=0
for part in tests/plugin tests/process; do
  $pytest "$part" "$@" || code=$?
done
exit $code'

if [ "${1:-}" = --inside ]; then
  step="$2"
  shift 2
  "$step" "$@"
  exit
fi

# --- outside ---------------------------------------------------------------------------------------------------------------

in_namespace() {
  local child code=0
  SCRATCH="${SCRATCH:-}" COMPUTE="${COMPUTE:-}" unshare --mount --propagation private --pid --fork --kill-child \
    "$PWD/tools/test_qgis_in_debian.sh" "$VERSION" --inside "$@" &
  child=$!
  # unshare itself turns a deaf ear to polite signals. With it goes all that runs inside.
  trap 'kill -KILL "$child"' INT TERM HUP
  wait "$child" || code=$?
  trap - INT TERM HUP
  return "$code"
}

mirror() { # The first Debian archive that this system's apt knows.
  if [ -n "${DEBIAN_MIRROR:-}" ]; then printf '%s\n' "$DEBIAN_MIRROR"; return; fi
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | head -n 1
}

make_debian() {
  local archive
  archive="$(mirror)"
  if [ -z "$archive" ]; then # A system that has never asked its archives does not know what they are.
    apt-get update -q > "$FOLDER/log" 2>&1 || true
    archive="$(mirror)"
  fi
  [ -n "$archive" ] || fail "apt here knows no Debian archive. Name one: DEBIAN_MIRROR=http://... make test-qgis-$VERSION"
  say "installing Debian $RELEASE with QGIS $VERSION in $FOLDER (about 3 minutes; what it says goes to $FOLDER/log)"
  remove "$DEBIAN"
  {
    debootstrap --variant=minbase --include=ca-certificates,python3 "$RELEASE" "$DEBIAN" "$archive"
    in_namespace install_packages "$archive"
    install_test_packages
  } > "$FOLDER/log" 2>&1 || { tail -n 15 "$FOLDER/log" >&2; fail "it could not be installed; all that was said is in $FOLDER/log."; }
  key > "$DEBIAN/.stamp"
}

remove() { # A folder, unless something of this system is mounted in it, which would go with it.
  ! grep -qF " ${1// /\\040}/" /proc/self/mountinfo || fail "something is mounted in $1. Unmount it first."
  rm -rf "$1"
}

install_test_packages() { # With this system's pip, which knows where this system gets its packages from.
  local version
  version="$(in_debian python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
  [ -x "$FOLDER/pip/bin/python" ] || .venv/bin/python -m venv "$FOLDER/pip"
  # shellcheck disable=SC2086  # a list of packages
  "$FOLDER/pip/bin/python" -m pip install -q --python-version "$version" --only-binary :all: -c constraints.txt \
    --target "$DEBIAN/usr/local/lib/python$version/dist-packages" $TEST_PACKAGES
}

key() { { echo "$SUITE"; sed -n '/PACKAGES=/p; /^install_packages/,/^}/p' tools/test_qgis_in_debian.sh; } | cksum; }

places_of_compute() { # What of this system .venv is made of, one path per line; the last line is the interpreter.
  .venv/bin/python - <<'PYTHON'
import os, sys, sysconfig
print(os.path.realpath(sys.prefix))
program = os.path.realpath(sys.executable)
if sys.base_prefix in ("/usr", "/"):
    print(program, sysconfig.get_path("stdlib"), sep="\n")
else:
    print(os.path.realpath(sys.base_prefix))
print(program)
PYTHON
}

[ "$(id -u)" = 0 ] || fail "this needs root: it makes a Debian of its own and mounts /proc and /dev in it. sudo make test-qgis-$VERSION"
for command in $COMMANDS; do
  command -v "$command" > /dev/null || fail "this needs $command. On Debian or Ubuntu: apt-get install debootstrap util-linux"
done
[ -x .venv/bin/python ] || fail "this needs the compute environment. Run make setup."

mkdir -p "$FOLDER"
exec 9> "$FOLDER/lock"
flock 9
[ -f "$DEBIAN/.stamp" ] && [ "$(cat "$DEBIAN/.stamp")" = "$(key)" ] || make_debian

for left in "$FOLDER"/tmp.*; do remove "$left"; done # By a run that was killed.
SCRATCH="$(mktemp -d "$FOLDER/tmp.XXXXXX")" # /tmp inside.
chmod 1777 "$SCRATCH"
trap 'rm -rf "$SCRATCH"' EXIT
places_of_compute > "$SCRATCH/all"
head -n -1 "$SCRATCH/all" > "$SCRATCH/places"
program="$(tail -n 1 "$SCRATCH/all")"
# The same packages under a link to the interpreter itself: /usr/bin/python3 is another one inside.
mkdir -p "$SCRATCH/compute/bin" "$SCRATCH/compute/lib"
printf 'home = %s\ninclude-system-site-packages = false\n' "$(dirname "$program")" > "$SCRATCH/compute/pyvenv.cfg"
ln -s "$program" "$SCRATCH/compute/bin/python"
for library in "$(realpath .venv)"/lib/python*; do ln -s "$library" "$SCRATCH/compute/lib/"; done
COMPUTE=/tmp/compute/bin/python
printf '#!%s\nfrom torch.distributed.run import main\nmain()\n' "$COMPUTE" > "$SCRATCH/compute/bin/torchrun"
chmod +x "$SCRATCH/compute/bin/torchrun"
in_namespace run_tests "$@"
