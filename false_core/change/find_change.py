"""Finding change: from two rasters of a place to a map of where it changed, however large."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from false_core.change.canonical import LEAST_SAMPLES, LITTLE_IN_COMMON, fit_canonical, held_out_score
from false_core.change.change_map import ChangeMap, ProbableChange, write_change_map, write_change_polygons
from false_core.change.change_probability import SCORE_NODATA, ScoreCounts, kept_scores
from false_core.change.class_tiles import classify_dates
from false_core.change.date_classes import (
    NOTHING_KNOWN_OF_CLASSES,
    DateClassifiers,
    FoundChange,
    check_tells_classes_apart,
    fit_date_classifiers,
)
from false_core.change.date_pair import DatePair, open_pair
from false_core.change.paired_encoder import PairedEncoder, SideBySide, looks_at_dates
from false_core.change.paired_samples import sample_pairs
from false_core.change.registration import measured_shift
from false_core.change.score_tiles import ScoreOfTiles, edges_of_dates
from false_core.change.two_dates_report import two_dates_report
from false_core.computing.device import choose_device
from false_core.errors import ModelFileError
from false_core.feedback import Feedback
from false_core.jobs import Change
from false_core.mapping.raster_for_model import bands_in_order, check_geotiffs
from false_core.models.encoder import build_encoder
from false_core.models.encoder_origin import (
    EncoderOrigin,
    check_has_encoder,
    encoders_of,
    encoders_section,
    pretrained_encoder,
)
from false_core.models.from_file import encoder_from, segmenter_from
from false_core.models.general import BACKBONE, GENERAL
from false_core.models.header import ENCODER, SEGMENTER
from false_core.models.model_file import ModelCard, read_card, wrong_bands
from false_core.models.weights import start_from
from false_core.outputs.publish import scratch_folder
from false_core.raster.areas import unit_in_words
from false_core.raster.map_file import RasterFile
from false_core.raster.same_bands import Remarks, ordered_as
from false_core.raster.source import RasterSource, Window
from false_core.raster.statistics import number_ranges
from false_core.reports.page import write_report
from false_core.training.heads.fit import FrozenEncoder, zooms_for


def find_change(job: Change, feedback: Feedback) -> dict[str, Any]:
    """Run a ``Change`` job: write the map and what else is asked for. Return its results by name.

    Raises:
        InputError: A raster cannot be used, or both have hardly any ground in common.
    """
    with_classes = bool(job.labels or job.model)
    with feedback.stage("Starting", 0.03):
        check_geotiffs(job.output, job.confidence)
        device = choose_device(job.device, feedback)
        card = read_card(job.encoder, ENCODER) if job.encoder else None
        model = read_card(job.model, SEGMENTER) if job.model else None
        pair = open_pair(job, card or model, feedback)
        if card and model:
            _check_same_bands(job, model, pair, feedback)
        encoders, origins = _encoders(job, card, pair, feedback)
    with feedback.stage("Getting used to both dates", 0.07):
        pair = _registered(pair, job, feedback)
        looks = list(looks_at_dates(pair, job.seed, feedback))
        encoder = PairedEncoder.adapted_to(pair, _network(encoders, pair), looks, device)
    with feedback.stage("Comparing samples", 0.1):
        samples = sample_pairs(encoder, LEAST_SAMPLES, job.seed, feedback)
        if held_out_score(samples.before, samples.after, encoder.widths, samples.positions) > LITTLE_IN_COMMON:
            feedback.warn(
                f"What {pair.before.name} shows hardly tells what {pair.after.source.name} shows: do not trust the map. "
                "Choose a larger extent, most of which has not changed, and check that both have the same bands in the same "
                "order and lie at the same place."
            )
        canonical = fit_canonical(samples.before, samples.after, encoder.widths, device)
        scores = ScoreOfTiles(canonical, edges_of_dates(samples, len(pair.before.bands), device), encoder.halo, job.shift)
    with scratch_folder(Path(job.output).parent, Path(job.output).name) as scratch:
        with feedback.stage("Comparing the dates", 0.3 if with_classes else 0.7):
            scored = _scored(scratch / "scores.tif", encoder, scores, feedback)
        found = FoundChange(scored.source, scored.counts.share_changed())
        probable = ProbableChange(found, job.threshold)
        if with_classes:
            probable = _with_classes(job, pair, encoders, found, scratch, device, feedback)
        with feedback.stage("Finding regions", 0.05):
            change = ChangeMap.of(probable, job.minimum_area, scratch, feedback)
        with feedback.stage("Writing", 0.05):
            summary = write_change_map(change, job, pair, feedback)
            if job.polygons:
                written = write_change_polygons(job.polygons, change, summary, job.before, feedback)
                feedback.info(f"Polygons: {written:,}. Areas are in {unit_in_words(change.codes.source)}.")
        if job.report:
            seen = [encoders_section(origins)]
            if model:
                seen.append(encoders_section(encoders_of(model), "The encoders of the model that tells the classes"))
            write_report(job.report, two_dates_report(summary, pair, seen, feedback.warnings))
    return summary.results()


def _with_classes(
    job: Change,
    pair: DatePair,
    encoders: Sequence[FrozenEncoder],
    found: FoundChange,
    scratch: Path,
    device: torch.device,
    feedback: Feedback,
) -> ProbableChange:
    """Return the change with the classes of both dates, by labels or by a model."""
    if job.model:
        card = read_card(job.model, SEGMENTER)
        if len(card.bands) != len(pair.before.bands):
            raise wrong_bands(card, job.model, len(pair.before.bands), pair.before.name)
        segmenter = segmenter_from(job.model, card)
        accuracy = float(card.provenance.get("scores", {}).get("oa", 0.0))
        if not accuracy:
            feedback.warn(NOTHING_KNOWN_OF_CLASSES)
        classifiers = DateClassifiers(card.classes, (segmenter, segmenter), accuracy**2)
        check_tells_classes_apart(card.classes, job.model)
    else:
        classifiers = fit_date_classifiers(job, pair, encoders, found, device, feedback)
    with feedback.stage("Classifying both dates", 0.2):
        dates = classify_dates(scratch, pair, classifiers, device, feedback)
    return ProbableChange(found, job.threshold, dates, classifiers)


def _check_same_bands(job: Change, model: ModelCard, pair: DatePair, feedback: Feedback) -> None:
    """Raise ModelFileError where a model wants other bands, or another order of them, than the encoder given too."""
    bands, named = pair.before.bands, bool(job.bands)
    every, remarks = RasterSource(job.before, job.bands), Remarks()
    meant = ordered_as(model.reference, every, bands_in_order(model, every, named), remarks, named)
    if meant is None:
        raise wrong_bands(model, str(job.model), len(every.bands), every.name)
    remarks.tell(feedback)
    if meant.bands != bands:
        raise ModelFileError(
            f"{job.encoder} takes bands {number_ranges(bands)} of {pair.before.name} in this order, {job.model} takes bands "
            f"{number_ranges(meant.bands)}.",
            "Use a model and an encoder of the same bands, or leave the encoder file out.",
        )


def _registered(pair: DatePair, job: Change, feedback: Feedback) -> DatePair:
    """Return the dates moved onto each other, as far as the job allows, and say by how much."""
    measured = measured_shift(looks_at_dates(pair, job.seed, feedback), job.shift)
    columns, rows = measured.allowed
    if measured.beyond:
        further, lower = measured.beyond
        feedback.warn(
            f"{pair.after.source.name} seems to lie {further} columns and {lower} rows beside {pair.before.name}, in "
            f"working pixels, further than the parameter Shift allows ({job.shift:g}). Edges will look like change. Allow "
            "more, or bring the rasters onto each other first."
        )
    elif columns or rows:
        feedback.info(
            f"{pair.after.source.name} lies {columns} columns and {rows} rows beside {pair.before.name}, and is moved back."
        )
    return replace(pair, shift=(0, 0) if measured.beyond else (columns, rows))


def _encoders(
    job: Change, card: ModelCard | None, pair: DatePair, feedback: Feedback
) -> tuple[list[FrozenEncoder], list[EncoderOrigin]]:
    """Return what looks at both dates, the general encoder, one from a file, or both, and where each comes from."""
    check_has_encoder(job.weights, card)
    source, found, origins = pair.before, [], []
    zooms = zooms_for(source.width, source.height)
    if job.weights == GENERAL:
        general = build_encoder(BACKBONE, len(source.bands))
        weights = start_from(GENERAL, general, BACKBONE, source.name, source.colours, feedback)
        found.append(FrozenEncoder(BACKBONE, general.state_dict(), zooms))
        origins.append(EncoderOrigin(BACKBONE, weights))
    if card and job.encoder:
        found.append(FrozenEncoder(card.encoder, encoder_from(job.encoder, card).state_dict(), zooms))
        origins.append(pretrained_encoder(card))
    return found, origins


def _network(encoders: Sequence[FrozenEncoder], pair: DatePair) -> nn.Module:
    """Return encoders side by side."""
    networks = []
    for one in encoders:
        network = build_encoder(one.backbone, len(pair.before.bands))
        network.load_state_dict(dict(one.weights))
        networks.append(network)
    return SideBySide(networks)


@dataclass(frozen=True)
class _ScoredRaster:
    """The scores of all pixels, as ``kept_scores`` gives them, in a file on the working grid; and how often each occurs."""

    source: RasterSource
    counts: ScoreCounts


def _scored(path: Path, encoder: PairedEncoder, scores: ScoreOfTiles, feedback: Feedback) -> _ScoredRaster:
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
    return _ScoredRaster(RasterSource(str(path)), counts)
