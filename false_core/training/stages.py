"""Several pretrainings in one job, each from the encoder of the one before: a path from general to special.

Tao et al., "TOV: The Original Vision Model for Optical Remote Sensing Image Understanding via Self-Supervised Learning",
IEEE JSTARS 16, 2023, arXiv 2204.04716: first on many pictures of anything, then on those of the task at hand. A TOML file
holds the stages. Each is a pretraining like any other, with all that its table says in place of what the job says:

    [[stages]]
    title = "general"
    rasters = ["archive/*.tif"]
    places = "places.gpkg"
    steps = 2000

    [[stages]]
    title = "special"
    learning_rate = 5e-5
    keep = "stride4"

The encoder of a stage lies in the cache folder until the last one is done, named after everything that decides it, and its
curves beside it: an interrupted job goes on within the stage in which it was.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from false_core import jobs
from false_core.checks.inputs import check_inputs
from false_core.checks.protection import protect_inputs
from false_core.computing.device import choose_device
from false_core.computing.distributed import ALONE, World
from false_core.errors import Cancelled, FalseError, InputError, ModelFileError, RequestError
from false_core.feedback import Feedback
from false_core.jobs import Pretrain
from false_core.models.components import pca
from false_core.models.from_file import encoder_from
from false_core.models.header import ENCODER
from false_core.models.model_file import MADE_BY, ModelCard, is_model_file, read_card
from false_core.outputs.publish import published
from false_core.raster.imagery import with_rasters_found
from false_core.raster.same_bands import BandReference
from false_core.raster.source import RasterSource
from false_core.raster.working_grid import open_all
from false_core.settings import cache_folder, preferred_precision
from false_core.training.checkpoint import KEPT_DAYS, fingerprint
from false_core.training.curves import Curves
from false_core.training.pretrain import EarlierStage, pretrain_stage
from false_core.untrusted import parse_json, read_text
from false_core.untrusted.network import names_address, network_closed

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MOST_STAGES = 20
OF_THE_WHOLE_JOB = ("encoder", "report", "stages", "weights", "preset", "backbone", "bands", "device", "seed", "truth")
"""Parameters that are the same in all stages. The first one starts from ``weights``."""
TITLE = "title"
_STAGE_FILE = re.compile(r"(?<![\\/])\bstage_(\d+)\.safetensors")
"""The name of an encoder of a stage in the cache folder, where it stands without its folder."""


@dataclass(frozen=True)
class Stage:
    """One pretraining of several: what it is called, and its job, which starts from the weights of the whole job."""

    title: str
    job: Pretrain


def pretrain(job: Pretrain, feedback: Feedback, world: World = ALONE) -> dict[str, Any]:
    """Run a ``Pretrain`` job, all its stages: write the encoder file and, if asked for, the report. Return results by name.

    Raises:
        InputError, RequestError: As ``read_stages``.
    """
    if not job.stages:
        return pretrain_stage(job, feedback, world).results
    stages = read_stages(job)
    with network_closed(unless=any(asks_network(one.job) for one in stages)), _folder_of_encoders(world) as folder:
        stages = [replace(one, job=_checked(one.job, feedback, world)) for one in stages]
        world.broadcast_object(lambda: _check_bands(stages, job))
        return _all_of(stages, job, folder, feedback, world)


def asks_network(job: jobs.Job) -> bool:
    """Return whether a job names an address, itself or in one of its stages.

    Raises:
        InputError, RequestError: As ``read_stages``.
    """
    if any(names_address(getattr(job, name)) for name in jobs.parameters(job)):
        return True
    return isinstance(job, Pretrain) and bool(job.stages) and any(asks_network(one.job) for one in read_stages(job))


def read_stages(job: Pretrain) -> list[Stage]:
    """Return the stages in the file that a job names. Relative paths start at the folder of the file.

    Raises:
        InputError: The file cannot be read, or is no TOML.
        RequestError: It holds no stages, or one with a parameter that is unknown, not admitted or not its own to choose.
    """
    file = Path(str(job.stages))
    try:
        body = tomllib.loads(read_text(str(file), "The file with stages"))
    except OSError as error:
        raise InputError(f"The file with stages {file} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"The file with stages {file} is not valid TOML: {error}.") from error
    tables = body.get("stages")
    if not isinstance(tables, list) or not tables or not all(isinstance(one, dict) for one in tables):
        raise RequestError(f"{file.name} holds no stages.", "Begin each with a line [[stages]].")
    if len(tables) > MOST_STAGES:
        raise RequestError(f"{file.name} holds {len(tables):,} stages.", f"There may be {MOST_STAGES}.")
    stages = [_stage(job, table, number, file) for number, table in enumerate(tables, start=1)]
    _check_components(stages, file)
    return stages


def _check_components(stages: Sequence[Stage], file: Path) -> None:
    """Raise RequestError where a stage cannot take up the encoder before it, as one of the two computes its own."""
    for number, one in enumerate(stages[1:], start=2):
        if one.job.method == pca.__name__:
            raise RequestError(
                f"Stage {number} of {file.name} has the method {one.job.method}, which goes on from no other stage.",
                "It computes all weights itself. Make it the first stage.",
            )
    first = stages[0].job
    if len(stages) > 1 and first.method == pca.__name__ and first.backbone != pca.__name__:
        raise RequestError(
            f"Stage 1 of {file.name} makes an encoder that the stages behind it do not have.",
            f"Set {jobs.name_for_user(first, 'backbone')} to {pca.__name__}.",
        )


def _stage(job: Pretrain, table: dict[str, Any], number: int, file: Path) -> Stage:
    declared = jobs.parameters(job)
    own = {name: value for name, value in table.items() if name != TITLE}
    for name in own:
        if name in OF_THE_WHOLE_JOB:
            raise RequestError(
                f"Stage {number} of {file.name} has its own {name}, which all stages have in common.", "Name it in the job."
            )
    for name, value in own.items():
        if name in declared and declared[name].kind.is_path:
            own[name] = _beside(value, file)
    try:
        made = jobs.from_mapping({"job": job.NAME, **asdict(job), **own, "stages": None})
    except RequestError as error:
        raise RequestError(f"Stage {number} of {file.name}: {error.what}", error.remedy) from error
    assert isinstance(made, Pretrain)
    return Stage(str(table.get(TITLE, f"Stage {number}")), made)


def _beside(value: Any, file: Path) -> Any:
    """Return paths of a file as they are from where the job runs. What is no path is left to who checks it."""
    if isinstance(value, (list, tuple)):
        return [_beside(one, file) for one in value]
    return value if not isinstance(value, str) or not value or jobs.is_address(value) else str(file.resolve().parent / value)


def _checked(stage: Pretrain, feedback: Feedback, world: World) -> Pretrain:
    """Return the job of a stage with the rasters that its names stand for, once it is clear that it can begin."""

    def found() -> str:
        made = with_rasters_found(stage, feedback)
        protect_inputs(stage, made)
        check_inputs(made)
        return jobs.to_json(made)

    made = jobs.from_json(world.broadcast_object(found))
    assert isinstance(made, Pretrain)
    return made


def _check_bands(stages: Sequence[Stage], job: Pretrain) -> None:
    """Raise InputError where a stage has not the bands of the first one: it could not go on from the encoder before it.

    The first raster of each stage is looked at, as its other rasters have the same bands. Addresses are left out.
    """
    starts_from = read_card(job.weights, ENCODER).reference if job.weights and is_model_file(job.weights) else None
    first: RasterSource | None = None
    for number, one in enumerate(stages, start=1):
        if jobs.is_address(one.job.rasters[0]):
            continue
        reference = BandReference.of(first) if first else starts_from
        (source,) = open_all(one.job.rasters[:1], job.bands, weights=reference)
        if not job.bands:  # Those that are called bad are not learned from.
            source = source.with_bands([band for band in source.bands if band not in source.bad_bands] or source.bands)
        if first and len(source.bands) != len(first.bands):
            raise InputError(
                f"Stage {number} of {Path(str(job.stages)).name}: {source.name} has {len(source.bands)} bands, but "
                f"{first.name} of a stage before has {len(first.bands)}.",
                "All stages need the same bands; name the common ones.",
            )
        first = first or source


def _all_of(stages: Sequence[Stage], job: Pretrain, folder: Path, feedback: Feedback, world: World) -> dict[str, Any]:
    before: list[EarlierStage] = []
    kept: list[Path] = []
    weights = job.weights
    for number, one in enumerate(stages):
        part = feedback.part(one.title, number / len(stages), 1 / len(stages))
        stage = replace(one.job, weights=weights)
        if number == len(stages) - 1:
            with _errors_of(number + 1, job):
                told = pretrain_stage(stage, part, world, before, job, one.title)
            if world.share.is_main:
                for path in kept:
                    shutil.rmtree(path, ignore_errors=True)
                _forget_old()
            return {**told.results, "steps": told.results["steps"] + sum(earlier.steps for earlier in before)}
        place = _place(stage, number + 1, folder, world)
        kept.append(place.parent)
        own = replace(one.job, encoder=str(place), report=None)
        with _errors_of(number + 1, job):
            before.append(_earlier_stage(own, weights, one.title, before, part, world))
        weights = str(place)
    raise AssertionError("there is a stage at least")


@contextmanager
def _errors_of(number: int, job: Pretrain) -> Iterator[None]:
    """Say of an error in which stage it came up, and which stage a file in the cache is from: nobody knows such a file."""
    try:
        yield
    except Cancelled:
        raise
    except FalseError as error:
        what, remedy = (_STAGE_FILE.sub(r"Stage \1", said) for said in (error.what, error.remedy))
        raise type(error)(f"Stage {number} of {Path(str(job.stages)).name}: {what}", remedy) from error


def _place(stage: Pretrain, number: int, folder: Path, world: World) -> Path:
    """Return where this process keeps the encoder of a stage, in a folder named after all that decides the encoder."""

    def name() -> str:
        device = choose_device(stage.device, Feedback())
        return fingerprint(replace(stage, encoder="", report=None), device.type, preferred_precision())

    return folder / world.broadcast_object(name) / f"stage_{number}.safetensors"


def _earlier_stage(
    stage: Pretrain, weights: str | None, title: str, before: Sequence[EarlierStage], feedback: Feedback, world: World
) -> EarlierStage:
    """Do a stage that others follow, or find what was made of it before. Its encoder lies in every process then.

    Args:
        stage: Its job, with the weights that the whole job starts from: those of the stage before are in no one's files.
        weights: Weights that it starts from.
    """
    path = Path(stage.encoder)
    curves = path.with_suffix(".json")
    if not world.broadcast_object(lambda: _is_done(path)):
        if world.share.is_main:
            path.parent.mkdir(parents=True, exist_ok=True)
        trained = pretrain_stage(replace(stage, weights=weights), feedback, world, before, stage, title)
        if world.share.is_main:
            with published(curves) as (partial,):
                partial.write_text(json.dumps(trained.curves.state()), encoding="utf-8")
    else:
        feedback.info(f"{title} was done before the job was interrupted.")
    content = world.broadcast_bytes(path.read_bytes() if world.share.is_main else None)
    if content is not None and not world.share.is_main:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    known = world.broadcast_object(lambda: _curves_in(curves))
    return _told(title, read_card(str(path), ENCODER), known)


def _is_done(path: Path) -> bool:
    """Return whether a file holds the encoder of a stage, and all that is told of it. Curves are only to be looked at."""
    if not path.is_file():
        return False
    try:
        card = read_card(str(path), ENCODER)
        encoder_from(str(path), card)
        return _told("", card, {}).steps > 0
    except (ModelFileError, ValueError, TypeError, KeyError):
        return False


def _curves_in(file: Path) -> dict[str, Any]:
    """Return the state of the curves in a file, or nothing where there is none that can be read."""
    curves = Curves(Feedback())
    try:
        curves.restore(parse_json(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
    return curves.state()


def _told(title: str, card: ModelCard, curves: dict[str, Any]) -> EarlierStage:
    told = card.provenance
    inputs, origin = told[MADE_BY]["inputs"], told.get("weights", {})
    return EarlierStage(title, card.method, told["rasters"], told["loss"], inputs, origin, curves)


@contextmanager
def _folder_of_encoders(world: World) -> Iterator[Path]:
    """Give the folder in which this process keeps the encoders of stages."""
    with nullcontext() if world.share.is_main else tempfile.TemporaryDirectory() as own:
        yield Path(own) if own else cache_folder() / "stages"


def _forget_old() -> None:
    """Forget the encoders of stages of jobs that were never resumed."""
    with contextlib.suppress(OSError):
        for place in (cache_folder() / "stages").iterdir():
            if time.time() - place.stat().st_mtime > KEPT_DAYS * 86400:
                shutil.rmtree(place, ignore_errors=True)
