"""Fine-tuning with a decoder: it is trained on crops around labels, and the encoder with it unless that is frozen."""

from __future__ import annotations

from dataclasses import asdict, replace

from false_core.accuracy.cross_validated import accuracy_of_held_out
from false_core.computing.cost import is_worth_telling
from false_core.computing.device import tell_precision
from false_core.computing.distributed import ALONE, World
from false_core.computing.precision import of_training
from false_core.feedback import Feedback
from false_core.jobs import NETWORK_HEAD
from false_core.labels.split import split
from false_core.models.model_file import PRECISION
from false_core.models.weights import NONE
from false_core.presets import FINETUNE, FinetuneSettings, with_overrides
from false_core.sampling.cache import ChunkCache
from false_core.sampling.labelled import LabelledRaster
from false_core.settings import memory_for_pixels
from false_core.training.finetuning_cost import decoder_cost, decoder_precision
from false_core.training.reading_labels import labels_on_data, warn_of_labels
from false_core.training.segmenter_card import card_of
from false_core.training.segmenter_training import train_segmenter
from false_core.training.start import Start, measured, open_raster
from false_core.training.unwritten_model import UnwrittenModel


def train_decoder(start: Start, feedback: Feedback, world: World) -> UnwrittenModel:
    """Train a decoder, and the encoder with it unless that is frozen."""
    job, base = start.job, start.base
    settings = decoder_settings(start)
    if not base and job.weights == NONE:
        feedback.warn("No encoder given: the network learns from the labels alone.")
    with feedback.stage("Reading the labels", 0.03):
        source, normalisation = measured(job, base, open_raster(job, base, settings, feedback), feedback, world)
        cache = ChunkCache([source], normalisation, memory_for_pixels(), start.device)
        annotation = labels_on_data(job, source, cache, feedback)
        training, held_out = split(annotation, job.validation, source.width, source.height, job.seed)
        warn_of_labels(annotation, held_out, job.validation > 0, source, feedback)
    raster = LabelledRaster(source, normalisation, annotation)
    numbers = decoder_precision(job, settings, raster, start.device, feedback, world)
    told = of_training(start.device, numbers)
    tell_precision(told, start.device, feedback)
    if world is ALONE and is_worth_telling(settings.steps * settings.batch_size * settings.crop_size**2):
        feedback.info(decoder_cost(settings, raster, start.device, numbers, feedback).told())
    parts = (training, held_out)
    trained = train_segmenter(start, settings, raster, cache, parts, numbers, feedback, world)
    method = {"name": "finetune", "head": NETWORK_HEAD, "preset": start.preset, **asdict(settings), "seed": job.seed}
    method[PRECISION] = told
    accuracy = None
    if held_out is not None and trained.confusion is not None:
        accuracy = accuracy_of_held_out(trained.confusion, held_out.pixels, held_out.targets, job.validation)
    card = replace(
        card_of(start, source, normalisation, annotation, accuracy, trained.confusion, settings.encoder, method),
        decoder=settings.decoder,
        patch_size=settings.crop_size,
    )
    if trained.origin:
        card = replace(card, provenance={**card.provenance, "weights": trained.origin})
    return UnwrittenModel(card, trained.network, trained.confusion, trained.curves, trained.checkpoint, raster)


def decoder_settings(start: Start) -> FinetuneSettings:
    """Return the settings of a job that trains a decoder."""
    job, settings = start.job, with_overrides(FINETUNE[start.preset], start.job)
    if start.base:
        return replace(settings, encoder=start.base.encoder)
    if job.weights == NONE:
        # An untrained encoder has nothing to preserve, and nothing a decoder could build on.
        return replace(settings, freeze=bool(job.freeze), decoder_first=0.0, encoder_rate=1.0)
    return settings
