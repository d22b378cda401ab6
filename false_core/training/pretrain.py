"""Pretraining: from rasters without labels to an encoder file. ``stages`` has several of it follow one another."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from typing import Any

from torch import Tensor

from false_core.computing.cost import is_worth_telling
from false_core.computing.device import tell_precision
from false_core.computing.distributed import ALONE, World
from false_core.computing.precision import of_training
from false_core.feedback import Feedback
from false_core.jobs import Pretrain
from false_core.methods.method import Outcome, named_after_level
from false_core.methods.registry import METHOD_CLASSES
from false_core.models.header import ENCODER
from false_core.models.model_file import MADE_BY, PRECISION, STAGES, ModelCard, facts_of_raster, save_model
from false_core.raster.georeference import ground_facts
from false_core.raster.source import first_names
from false_core.reports.page import write_report
from false_core.sampling.loading import loaded_ahead
from false_core.sampling.views import PatchSampler, ViewPairs
from false_core.training.checkpoint import Checkpoint
from false_core.training.curves import LOG_EVERY, Curves
from false_core.training.embedding_map import map_embedding
from false_core.training.flatness import are_flat
from false_core.training.gallery import collect_galleries
from false_core.training.guard import TrainingGuard
from false_core.training.method_pictures import Drawn, method_sections
from false_core.training.preparation import Pretraining
from false_core.training.pretraining_cost import pretraining_cost, pretraining_precision
from false_core.training.pretraining_report import pretraining_report
from false_core.training.purity import Truth
from false_core.training.trainer import LocalBatch, Trainer

MAX_RASTER_NAMES = 20
"""The most names of rasters that the file of an encoder holds."""
PRETRAIN_REMEDY = "Try a higher temperature or another seed, and look for extreme values in the raster."
"""The advice to give where the numbers run away."""
GALLERY_BATCHES = 4
"""Batches that are looked at after the training, to choose what the report shows."""


@dataclass(frozen=True)
class EarlierStage:
    """A stage that a pretraining goes on from.

    Attributes:
        title: Its title.
        method, rasters, loss: Method, rasters and loss that its encoder file names.
        inputs: The fingerprints of what it read, by path, likewise.
        origin: Origin of its weights, likewise; nothing where they were random.
        curves: The state of its curves.
    """

    title: str
    method: dict[str, Any]
    rasters: Sequence[str]
    loss: float
    inputs: dict[str, str]
    origin: dict[str, Any]
    curves: dict[str, Any]

    @property
    def steps(self) -> int:
        """Steps that were done."""
        return int(self.method["steps"])


@dataclass(frozen=True)
class Trained:
    """The outcome of a pretraining: its results by name, and its curves."""

    results: dict[str, Any]
    curves: Curves


def pretrain_stage(
    job: Pretrain,
    feedback: Feedback,
    world: World = ALONE,
    before: Sequence[EarlierStage] = (),
    asked: Pretrain | None = None,
    title: str = "",
) -> Trained:
    """Run a ``Pretrain`` job of one stage: write the encoder file and, if asked for, the report.

    Args:
        before: Stages that it follows.
        asked: The job that it is a stage of.
        title: Title of the stage.
    """
    start = Pretraining.of(job, feedback, world, asked)
    settings, steps, rasters = start.settings, start.steps, start.rasters
    numbers = pretraining_precision(start, job, feedback, world)
    trainer, sampler = start.trainer(settings, job.seed, feedback, world, numbers), start.sampler(settings, job.seed)
    checkpoint = Checkpoint(job, settings, start.device, numbers, feedback, world)
    curves = Curves(feedback, sum(stage.steps for stage in before))
    guard = TrainingGuard(
        checkpoint, lambda: {**trainer.state(), "curves": curves.state()}, rasters.sources, start.device, PRETRAIN_REMEDY
    )
    with guard.checkpoint_on_exit():
        with feedback.stage("Pretraining", 0.92):
            state = checkpoint.load()
            if state:
                trainer.restore(state)
                curves.restore(state["curves"])
            tell_precision(of_training(start.device, numbers), start.device, feedback)
            if world is ALONE and is_worth_telling(2 * settings.crop_size**2 * settings.batch_size * (steps - trainer.step)):
                feedback.info(pretraining_cost(start, trainer.step, job, numbers, feedback).told())
            _train(trainer, sampler, start.truth, curves, guard, feedback, world)
        results = {"loss": curves.last("loss"), "steps": trainer.step}
        if not world.share.is_main:
            return Trained(results, curves)
        card = _card(job, start, trainer, curves)
        if title:
            card = _with_stages(card, before, title)
        backbone = settings.encoder if start.general else ""
        card = replace(card, decoder=settings.decoder if trainer.decoder else "", general=backbone)
        with feedback.stage("Looking at what it learned", 0.03):
            report = _report(start, trainer, sampler, card, curves, before, feedback) if job.report else ""
    with feedback.stage("Writing", 0.01):
        save_model(job.encoder, card, trainer.encoder, trainer.decoder, start.general)
        if job.report:
            write_report(job.report, report)
    checkpoint.remove()
    return Trained(results, curves)


def _with_stages(card: ModelCard, before: Sequence[EarlierStage], title: str) -> ModelCard:
    """Return a card that lists all stages, the last one included, and what all of them read."""
    provenance = card.provenance
    told = [(stage.title, stage.method, stage.rasters, stage.loss) for stage in before]
    told.append((title, card.method, provenance["rasters"], provenance["loss"]))
    stages = [dict(zip(("title", "method", "rasters", "loss"), one)) for one in told]
    inputs = {path: found for stage in before for path, found in stage.inputs.items()}
    made_by = {**provenance[MADE_BY], "inputs": {**inputs, **provenance[MADE_BY]["inputs"]}}
    # The stage before is in the list. As what this one started from it would hold the one before it, and so on.
    origin = before[0].origin if before else provenance.get("weights")
    own = {name: value for name, value in provenance.items() if name != "weights"}
    started = {"weights": origin} if origin else {}
    return replace(card, provenance={**own, **started, STAGES: stages, MADE_BY: made_by})


def _train(
    trainer: Trainer,
    sampler: PatchSampler,
    truth: Truth | None,
    curves: Curves,
    guard: TrainingGuard,
    feedback: Feedback,
    world: World,
) -> None:
    batch_size, began, schedule = trainer.settings.batch_size, trainer.step, trainer.schedule

    def make(step: int) -> LocalBatch:
        pairs = sampler.batch(step, world.share)
        return LocalBatch(pairs, trainer.prepare(pairs, step))

    with closing(loaded_ahead(make, range(trainer.step, schedule.last_step), trainer.device)) as batches:
        for batch in batches:
            feedback.advance(trainer.step * batch_size, schedule.last_step * batch_size, "patches")
            rate = trainer.learning_rate
            with guard.errors_at_step(trainer.step + 1):
                outcome = trainer.train_on(batch.views)
                guard.record(trainer.step, outcome.loss, outcome.collapsed)
            if trainer.step % LOG_EVERY == 0 or trainer.step in (1, schedule.last_step):
                loss, *values = guard.read(outcome.loss, *outcome.curves.values())
                for name, value in {"loss": loss, "learning rate": rate, **dict(zip(outcome.curves, values))}.items():
                    curves.add(trainer.step, name, value)
                if truth and world.share.is_main:
                    pairs = sampler.batch(trainer.step - 1) if world.is_shared else batch.pairs
                    _log_purity(curves, trainer.step, outcome, pairs, truth)
                if trainer.settings.until_flat and schedule.could_end_early(trainer.step):
                    _end_where_flat(trainer, curves, feedback, world)
            guard.save_when_due()
            if trainer.step >= schedule.last_step:
                break
    if trainer.step > began:
        # What is still to come may fail too, for example where the disk has no room for the encoder.
        guard.save()


def _end_where_flat(trainer: Trainer, curves: Curves, feedback: Feedback, world: World) -> None:
    """Have the training end soon, in all processes alike, where the first process sees that it gains little more."""
    losses = [points for name, points in curves.series.items() if name.partition(" ")[0] == "loss"]
    if world.broadcast_object(lambda: are_flat(losses)):
        schedule = trainer.schedule
        schedule.flat_at = trainer.step
        feedback.info(
            f"Pretraining ends at step {schedule.last_step} of {trainer.steps}, as its loss hardly falls any more. Where "
            "Training steps says how many, it does them all."
        )


def _log_purity(curves: Curves, step: int, outcome: Outcome, batch: ViewPairs, truth: Truth) -> None:
    found = {
        level: truth.purity(batch.positions(level), one.found)
        for level, one in outcome.levels.items()
        if one.found is not None
    }
    for name, value in named_after_level(found).items():
        curves.add(step, name, value)


def _report(
    start: Pretraining,
    trainer: Trainer,
    sampler: PatchSampler,
    card: ModelCard,
    curves: Curves,
    before: Sequence[EarlierStage],
    feedback: Feedback,
) -> str:
    """Look at batches that did not train and at the first raster, and return the report."""
    truth, source, area = start.truth, start.rasters.sources[0], start.rasters.areas[0]

    def look(number: int) -> tuple[ViewPairs, dict[str, Tensor]]:
        batch = sampler.batch(number)
        return batch, trainer.embed(batch)

    numbers = range(trainer.steps, trainer.steps + GALLERY_BATCHES)
    galleries = collect_galleries(look, numbers, trainer.settings, truth, trainer.seed, feedback)
    embedding = map_embedding(trainer.encoder, source, area, card.normalisation, trainer.device, trainer.seed, feedback)
    batch = sampler.batch(trainer.steps)
    drawn = Drawn(batch, sampler.ground, trainer.settings, truth)
    of_method = method_sections(*trainer.look_into(batch), drawn)
    method = METHOD_CLASSES[trainer.settings.method]
    about = [("Paradigm", method.paradigm), ("Learns from", method.signal), *ground_facts(source)]
    earlier = [(stage.title, stage.method, stage.curves) for stage in before]
    return pretraining_report(card, curves, galleries, embedding, of_method, method.curve_captions, about, earlier)


def _card(job: Pretrain, start: Pretraining, trainer: Trainer, curves: Curves) -> ModelCard:
    rasters, settings = start.rasters, start.settings
    first = rasters.sources[0]
    # Where the weights came from stands in the provenance; a path of this computer need not.
    kept = {name: value for name, value in asdict(settings).items() if name != "weights"}
    return ModelCard(
        kind=ENCODER,
        encoder=settings.encoder,
        **facts_of_raster(first),
        normalisation=rasters.normalisation,
        patch_size=settings.crop_size,
        method={
            "name": settings.method,
            "preset": start.preset,
            **kept,
            "steps": trainer.step,
            "seed": job.seed,
            PRECISION: of_training(start.device, trainer.numbers),
        },
        provenance={
            "rasters": first_names(rasters.sources, MAX_RASTER_NAMES),
            "extent": job.extent,
            **({"weights": start.origin} if start.origin else {}),
            "loss": curves.last("loss"),
            MADE_BY: start.made_by,
        },
    )
