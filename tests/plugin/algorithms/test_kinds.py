"""A dialog shows every kind of parameter, and what was entered comes back as the job holds it."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import pytest
from qgis.core import QgsProcessingAlgorithm, QgsVectorLayer
from small_raster import write_raster

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from every_kind import OF, job_of_every_kind, values

from false_core import jobs


@pytest.fixture
def every_kind():
    with job_of_every_kind() as job:
        yield job


@pytest.fixture
def shown(every_kind, provider):
    """Return the algorithm of the job, as its dialog would make it. It lives as long as the test."""
    from qgis_false.algorithms.base import JobAlgorithm
    from qgis_false.algorithms.kinds import IN_DIALOG

    missing = [name.upper() for name, kind in jobs.KINDS.items() if kind not in IN_DIALOG]
    assert not missing, f"Add a row for {', '.join(missing)} to IN_DIALOG in qgis_false/algorithms/kinds.py."

    class EveryKind(JobAlgorithm):
        JOB = every_kind
        TITLE = "Every kind"

    made = EveryKind()
    made.initAlgorithm()
    return made


@pytest.fixture
def labels(qgis_app):
    return QgsVectorLayer("Point?crs=EPSG:32633&field=land_cover:string", "labels", "memory")


@pytest.fixture
def entered(every_kind, labels, tmp_path):
    """Return a value for each parameter, with files behind those that are read."""
    found = values(every_kind, str(tmp_path))
    for name, parameter in jobs.parameters(every_kind).items():
        if parameter.kind.is_raster:
            for path in parameter.kind.paths(found[name]):
                write_raster(Path(path))
        elif parameter.kind == jobs.VECTOR:
            found[name] = labels
        elif parameter.kind.is_input:
            Path(found[name]).touch()
    return found


@pytest.mark.parametrize("kind", jobs.KINDS)
def test_a_dialog_shows_and_reads_every_kind(kind, shown, entered, every_kind, context, feedback, tmp_path):
    from qgis_false.algorithms.kinds import Request, job_fields

    assert isinstance(shown, QgsProcessingAlgorithm)
    assert shown.parameterDefinition(kind.upper()) is not None
    given = {name.upper(): list(value) if isinstance(value, tuple) else value for name, value in entered.items()}
    read = job_fields(Request(shown, given, context, feedback, tmp_path), every_kind)[kind]
    if kind == "vector":  # It is written to a file that holds just what the job needs.
        assert Path(read.partition("|")[0]).is_file()
    elif kind == "extent":
        assert jobs.parse_extent(read)
    else:
        assert (tuple(read) if isinstance(read, list) else read) == entered[kind]


def test_a_dialog_shows_the_default_of_every_kind(provider):
    from qgis_false.algorithms.fields import shown_fields
    from qgis_false.algorithms.kinds import definition

    with job_of_every_kind(with_defaults=True) as job:
        for name, field in shown_fields(job).items():
            default = definition(field).defaultValue()
            assert (tuple(default) if isinstance(default, list) else default) == field.default, name


def test_bands_of_several_rasters_have_a_default_too(provider, monkeypatch):
    from qgis_false.algorithms.fields import shown_fields
    from qgis_false.algorithms.kinds import definition

    monkeypatch.setitem(OF, "bands", "rasters")
    with job_of_every_kind(with_defaults=True) as job:
        assert definition(shown_fields(job)["BANDS"]).defaultValue() == "1,2,3"


def test_every_path_has_another_name_on_another_computer(entered, every_kind, tmp_path):
    from qgis_false.compute.path_mapping import PathMapping

    job = every_kind(**{**entered, "vector": str(tmp_path / "labels.gpkg")})
    there = PathMapping(((str(tmp_path), "/scratch"),)).job_there(job)
    for name, parameter in jobs.parameters(job).items():
        paths = parameter.kind.paths(getattr(there, name))
        assert bool(paths) == parameter.kind.is_path
        assert all(path.startswith("/scratch/") for path in paths), name
    changed = {field.name for field in dataclasses.fields(job) if getattr(job, field.name) != getattr(there, field.name)}
    assert changed == {name for name, parameter in jobs.parameters(job).items() if parameter.kind.is_path}
