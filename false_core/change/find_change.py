"""Finding change: from two rasters of a place to a map of where it changed, however large."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from false_core.change.canonical import LEAST_SAMPLES, fit_canonical
from false_core.change.change_map import ChangeMap, write_change_map
from false_core.change.change_probability import SCORE_NODATA, ScoreCounts, kept_scores
from false_core.change.date_pair import DatePair, open_pair
from false_core.change.paired_encoder import PairedEncoder, SideBySide, looks_at_dates
from false_core.change.paired_samples import sample_pairs
from false_core.change.registration import measured_shift
from false_core.change.score_tiles import ScoreOfTiles
from false_core.device import choose_device
from false_core.errors import RequestError
from false_core.feedback import Feedback
from false_core.jobs import Change
from false_core.mapping.raster_for_model import check_geotiffs
from false_core.models.encoder import build_encoder
from false_core.models.from_file import encoder_from
from false_core.models.general import BACKBONE, GENERAL
from false_core.models.header import ENCODER
from false_core.models.model_file import ModelCard, read_card
from false_core.models.weights import start_from
from false_core.publish import scratch_folder
from false_core.raster.map_file import RasterFile
from false_core.raster.source import RasterSource, Window


def find_change(job: Change, feedback: Feedback) -> dict[str, Any]:
    """Run a ``Change`` job: write the map and what else is asked for. Return its results by name.

    Raises:
        InputError: A raster cannot be used, or both have hardly any ground in common.
    """
    with feedback.stage("Starting", 0.03):
        check_geotiffs(job.output, job.confidence)
        device = choose_device(job.device, feedback)
        card = read_card(job.encoder, ENCODER) if job.encoder else None
        pair = open_pair(job, card, feedback)
        network = _network(job, card, pair, feedback)
    with feedback.stage("Getting used to both dates", 0.12):
        pair = _registered(pair, job, feedback)
        looks = list(looks_at_dates(pair, job.seed, feedback))
        encoder = PairedEncoder.used_to(pair, network, looks, device)
    with feedback.stage("Comparing samples", 0.2):
        before, after = sample_pairs(encoder, LEAST_SAMPLES, job.seed, feedback)
        canonical = fit_canonical(before, after, encoder.widths, device)
    with scratch_folder(Path(job.output).parent, Path(job.output).name) as scratch:
        with feedback.stage("Comparing the dates", 0.5):
            scored = _scored(scratch / "scores.tif", encoder, ScoreOfTiles(canonical, encoder.halo, job.shift), feedback)
        with feedback.stage("Finding regions", 0.1):
            found = ChangeMap.of(scored.source, scored.counts.share_changed(), job, scratch, feedback)
        with feedback.stage("Writing", 0.05):
            changed = write_change_map(found, job, feedback)
    return {"changed": changed / scored.counts.pixels, "compared": scored.counts.pixels}


def _registered(pair: DatePair, job: Change, feedback: Feedback) -> DatePair:
    """Return the dates moved onto each other, as far as the job allows, and say by how much."""
    columns, rows = measured_shift(looks_at_dates(pair, job.seed, feedback), job.shift)
    if columns or rows:
        feedback.info(
            f"{pair.after.source.name} lies {columns} columns and {rows} rows beside {pair.before.name}, and is moved back."
        )
    return replace(pair, shift=(columns, rows))


def _network(job: Change, card: ModelCard | None, pair: DatePair, feedback: Feedback) -> nn.Module:
    """Return what looks at both dates: the general encoder, one from a file, or both side by side."""
    if not card and job.weights != GENERAL:
        raise RequestError(
            "There is no encoder to look with: no encoder file is given, and the general encoder is off.",
            "Choose an encoder file, or the general encoder.",
        )
    encoders: list[nn.Module] = []
    source = pair.before
    if job.weights == GENERAL:
        general = build_encoder(BACKBONE, len(source.bands))
        start_from(GENERAL, general, BACKBONE, source.name, source.colours, feedback)
        encoders.append(general)
    if card and job.encoder:
        encoders.append(encoder_from(job.encoder, card))
    return SideBySide(encoders)


@dataclass(frozen=True)
class _Scored:
    """The scores of all pixels, as ``kept_scores`` gives them, in a file on the working grid; and how often each occurs."""

    source: RasterSource
    counts: ScoreCounts


def _scored(path: Path, encoder: PairedEncoder, scores: ScoreOfTiles, feedback: Feedback) -> _Scored:
    """Write the scores of the whole area, tile by tile."""
    pair, plan, counts = encoder.pair, encoder.plan(), ScoreCounts()
    f, area = pair.before.factor, pair.area
    on_file = Window(area.column * f, area.row * f, area.width * f, area.height * f)
    with (
        RasterFile(path, pair.before, on_file, SCORE_NODATA, dtype="int16", step=f) as file,
        closing(encoder.over(plan, scores.of)) as computed,
    ):
        for done, item in enumerate(computed):
            feedback.advance(done, len(plan), "tiles")
            if item.result is None:
                continue
            core = plan.core(item.tile, 1, area.width, area.height)
            kept = kept_scores(item.result[: core.height, : core.width])
            counts.add(kept)
            file.write(core.column, core.row, kept)
    return _Scored(RasterSource(str(path)), counts)
