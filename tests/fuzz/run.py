"""Coverage-guided fuzzing of what reads the files of strangers, with atheris:

    python tests/fuzz/run.py                       # all targets, a million inputs each; hours
    python tests/fuzz/run.py job --inputs 100000

The targets are those of ``targets.py``: the job parser, the event codec, the requests of a session, the reader of model
files, the reader of labels and of rasters made of others.
Inputs to start from are generated. What atheris finds in addition is kept in ``build/fuzz``, to go on from.
It ends at the first exception that is not a declared error, and leaves the input in ``build/fuzz/TARGET-crash-...``.

Atheris is no part of any environment of ours. It is fetched into ``.tools/fuzz`` when this runs for the first time.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / ".tools" / "fuzz"
KEPT = ROOT / "build" / "fuzz"
NAMES = ("job", "event", "request", "model", "labels")
MEMORY_MB, SECONDS = 4096, 60
"""That one input may take."""


def main() -> int:
    """Fuzz the targets one after another. Return 0 where nothing but declared errors came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(NAMES)}; all where none is named")
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    unknown = set(options.targets) - set(NAMES)
    if unknown:
        parser.error(f"there is no target {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    if options.inside:
        _fuzz(options.targets[0], options.inputs, options.seed)
        return 0
    _fetch_atheris()
    codes = [_run(name, options.inputs, options.seed) for name in options.targets or NAMES]
    return max(codes)


def _run(name: str, inputs: int, seed: int) -> int:
    """Fuzz one target in a process of its own, and say what it came to."""
    began = time.monotonic()
    paths = [str(TOOLS), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, name, "--inside", "--inputs", str(inputs), "--seed", str(seed)]
    code = subprocess.run(command, env=environment, check=False).returncode
    took = time.monotonic() - began
    said = "nothing but declared errors" if code == 0 else f"ENDED WITH CODE {code}; the input lies in {KEPT}"
    print(f"{name}: {inputs:,} inputs asked for, {took:,.0f} s: {said}", flush=True)
    return code


def _fuzz(name: str, inputs: int, seed: int) -> None:
    import atheris

    with atheris.instrument_imports(include=["false_core"]):
        from targets import targets

        # Builds the target, and imports what it reads with.
        target = targets()[name]
    corpus = KEPT / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, content in enumerate(target.seeds()):
        (corpus / f"seed-{number:03}").write_bytes(content)
    words = KEPT / f"{name}.words"
    words.write_text("".join(f'"{word}"\n' for word in target.words()), encoding="ascii")
    options = [
        f"-dict={words}",
        f"-runs={inputs}", f"-seed={seed}", f"-max_len={target.longest}", f"-rss_limit_mb={MEMORY_MB}",
        f"-timeout={SECONDS}",
        f"-artifact_prefix={KEPT}/{name}-", "-print_final_stats=1", "-reload=0", "-len_control=0",
    ]  # fmt: skip
    atheris.Setup([sys.argv[0], *options, str(corpus)], target.run)
    atheris.Fuzz()


def _fetch_atheris() -> None:
    if importlib.util.find_spec("atheris") or (TOOLS / "atheris").is_dir():
        return
    uv = shutil.which("uv") or str(ROOT / ".tools" / "uv" / "bin" / "uv")
    with_pip = importlib.util.find_spec("pip") is not None
    installer = [sys.executable, "-m", "pip"] if with_pip else [uv, "pip"]
    target = ["install", "--target", str(TOOLS), "atheris"]
    subprocess.run([*installer, *target, *([] if with_pip else ["--python", sys.executable])], check=True)


if __name__ == "__main__":
    sys.exit(main())
