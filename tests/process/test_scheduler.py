"""Maps whose parts Dask has computed, as a user has them: through ``qgis_process``, by processes of this computer."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from qgis_profile import LIMIT_S, Profile, interrupt, wait_until
from test_nothing_left import SOON_S, seconds_until_gone, tree

LOCAL = {"FALSE_SCHEDULER": "local:2", "OMP_NUM_THREADS": "1"}


def called(profile: Profile, variables: dict[str, str]) -> Profile:
    return Profile(profile.program, profile.folder, {**profile.variables, **variables})


# The tests of classifying on Dask show it of the library, and the next one that QGIS has Dask compute.
@pytest.mark.slow
def test_the_map_is_the_one_of_one_process(profile, plain_profile, scene, model, tmp_path):
    maps = {}
    for name, where, variables in (("dask", plain_profile, LOCAL), ("alone", profile, {"OMP_NUM_THREADS": "1"})):
        (tmp_path / name).mkdir()
        output = tmp_path / name / "map.tif"
        outcome = where.run("false:classify", variables, RASTER=scene.image, MODEL=model, OUTPUT=output, DEVICE="cpu")
        assert outcome.code == 0, outcome.said
        assert ("Dask computes, with 2 workers" in outcome.said) is (name == "dask")
        maps[name] = output.read_bytes()
    assert maps["dask"] == maps["alone"]


@pytest.mark.parametrize("end", [interrupt, subprocess.Popen.kill], ids=["Ctrl-C", "killed"])
def test_no_worker_is_left(
    plain_profile: Profile, scene, model: str, tmp_path: Path, end: Callable[[subprocess.Popen], object]
):
    process, said = called(plain_profile, LOCAL).start(
        "false:classify", RASTER=scene.image, MODEL=model, OUTPUT=tmp_path / "map.tif", DEVICE="cpu"
    )
    try:
        wait_until(lambda: any("Dask computes" in line for line in said), process)
        started = tree(process.pid)
        assert len(started) >= 4, "QGIS, what computes, and two workers"
        end(process)
    finally:
        process.kill()
        process.wait(LIMIT_S)
    assert seconds_until_gone(started) < SOON_S
    assert list(tmp_path.iterdir()) == []
