"""The grid of an experiment: one cell per run, with a name that stays the same as long as its result does."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from false_core import jobs
from false_core.experiments.config import (
    BASELINES,
    COORDINATES,
    FOREST,
    PATCHES,
    SCENE,
    SCORE_MAP,
    SUPERVISED,
    TILES_ALONE,
    TILES_LEFT_OUT,
    VALUES,
    WITH_FNCC,
    DatasetSpec,
    Experiment,
)

PROTOCOL_TITLES = {SCENE: "", PATCHES: "", TILES_ALONE: "each tile alone", TILES_LEFT_OUT: "tiles left out"}
_OTHER_TITLES = {
    SUPERVISED: "without pretraining",
    COORDINATES: "coordinates alone",
    FOREST: "texture, trees",
    VALUES: "pixel values, trees",
}


@dataclass(frozen=True)
class Variant:
    """One of the variants that are compared: a row of a table.

    Attributes:
        method: One of ``config.RUN_METHODS`` or ``config.BASELINES``.
        confidence: Confidence weight of FALSE; None for the other methods.
        backbone, weights: Backbone and weights of the encoder; None: the preset's.
        settings: Parameters of pretraining of which several values are compared, with the one taken.
        head: One of ``jobs.HEADS``.
    """

    method: str
    confidence: float | str | None = None
    backbone: str | None = None
    weights: str | None = None
    settings: tuple[tuple[str, Any], ...] = ()
    head: str = "auto"


@dataclass(frozen=True)
class Cell:
    """One run: pretrain, fine-tune, classify, score.

    Attributes:
        dataset: Name of the dataset.
        variant: Variant that is compared.
        seed: The seed of everything that is random in it.
        fraction: Share of the labels it learns from.
        protocol: One of ``config.PROTOCOLS``.
        frozen: True where a network's encoder stays as pretrained. False without pretraining: there is nothing to preserve.
            Under the other heads encoders always stay as they are, and it is False.
    """

    dataset: str
    variant: Variant
    seed: int
    fraction: float
    protocol: str = SCENE
    frozen: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return what a result keeps."""
        return asdict(self)

    @classmethod
    def from_dict(cls, body: dict[str, Any]) -> Cell:
        """Read what ``to_dict`` gave, after it has been JSON.

        Raises:
            TypeError, KeyError, ValueError: It is no cell.
        """
        variant = dict(body["variant"])
        variant["settings"] = tuple((str(name), value) for name, value in variant["settings"])
        return cls(**{**body, "variant": Variant(**variant)})


def cell_title(cell: Cell, experiment: Experiment) -> str:
    """Return a few words that tell a cell from the others of its experiment."""
    words = [cell.dataset, variant_title(cell.variant, experiment), PROTOCOL_TITLES[cell.protocol]]
    words += [f"{100 * cell.fraction:.3g} % of labels", "frozen" if cell.frozen else "", f"seed {cell.seed}"]
    return ", ".join(filter(None, words))


def variant_title(variant: Variant, experiment: Experiment) -> str:
    """Return what a row is called: its method, and what else is not the same in all rows."""
    words = [method_title(variant.method, variant.confidence)]
    if variant.head == jobs.TEXTURE_HEAD:
        words.append(variant.head)
    elif variant.method not in BASELINES:
        words += [str(variant.backbone or "preset's backbone")] if len(experiment.backbones) > 1 else []
        words += [f"weights {variant.weights or 'of the preset'}"] if len(experiment.weights) > 1 else []
        words += [f"{name} {value}" for name, value in variant.settings]
        words += [variant.head] if len(experiment.heads) > 1 else []
    return ", ".join(words)


def method_title(method: str, confidence: float | str | None) -> str:
    """Return what a method is called in tables, with its confidence weight where it has one."""
    plain = method.removesuffix(WITH_FNCC)
    title = {**jobs.METHODS, **_OTHER_TITLES}[plain] + (" + FNCC" if plain != method else "")
    return title if confidence is None else f"{title} (α {confidence_title(confidence)})"


def confidence_title(confidence: float | str) -> str:
    """Return a confidence weight as the paper writes it."""
    return confidence if isinstance(confidence, str) else f"{confidence:g}"


def variants(experiment: Experiment) -> list[Variant]:
    """Return the rows of every table once, in the order of the config; baselines come first."""
    found: dict[Variant, None] = {Variant(method, head=""): None for method in experiment.baselines}
    settings = list(itertools.product(*([(name, value) for value in values] for name, values in experiment.varied)))
    grid = itertools.product(experiment.heads, experiment.backbones, experiment.weights, settings, experiment.methods)
    for head, backbone, weights, setting, method in grid:
        for confidence in experiment.confidences if method == "false" else (None,):
            if head == jobs.TEXTURE_HEAD:
                # It looks at no encoder.
                found[Variant(SUPERVISED, head=head)] = None
            elif method == SUPERVISED:
                found[Variant(method, None, backbone, weights, (), head)] = None
            else:
                found[Variant(method, confidence, backbone, weights, setting, head)] = None
    return list(found)


def cells_of(
    variant: Variant, dataset: str, protocol: str, fraction: float, frozen: bool, experiment: Experiment
) -> list[Cell]:
    """Return the cells of a row of a table, one for each seed."""
    stays = frozen and variant.head == jobs.NETWORK_HEAD and variant.method != SUPERVISED
    return [Cell(dataset, variant, seed, fraction, protocol, stays) for seed in experiment.seeds]


def expand(experiment: Experiment) -> list[Cell]:
    """Return every cell of the grid once. All rows come before the next seed, so that half a run compares them too."""
    cells: dict[Cell, None] = {}
    names = [dataset.name for dataset in experiment.datasets]
    grid = itertools.product(
        range(len(experiment.seeds)),
        names,
        experiment.protocols,
        experiment.fractions,
        experiment.frozen,
        variants(experiment),
    )
    for number, dataset, protocol, fraction, frozen, variant in grid:
        cells[cells_of(variant, dataset, protocol, fraction, frozen, experiment)[number]] = None
    return [cell for cell in cells if not _is_labels_alone_again(cell, experiment)]


def _is_labels_alone_again(cell: Cell, experiment: Experiment) -> bool:
    """Return whether a cell trains through an encoder that was random, where the grid has that under another name."""
    untrained = cell.variant.method == jobs.UNTRAINED and cell.variant.head == jobs.NETWORK_HEAD
    return untrained and not cell.frozen and SUPERVISED in experiment.methods


def scored_on_map(cell: Cell, experiment: Experiment) -> bool:
    """Return whether a whole map is made of a cell and scored."""
    if cell.variant.method in BASELINES:
        return False
    return experiment.score == SCORE_MAP or cell.variant.head == jobs.NETWORK_HEAD


def cell_key(cell: Cell, experiment: Experiment) -> str:
    """Return the name of a cell's result: readable, and different where anything in the config makes the result differ."""
    decisive: dict[str, Any] = {**_pretraining(cell, experiment), "protocol": cell.protocol, "fraction": cell.fraction}
    decisive |= {"frozen": cell.frozen, "head": cell.variant.head, "finetune": dict(experiment.finetune or {})}
    if experiment.on_patches:
        decisive["patch_size"] = experiment.patch_size
    if not scored_on_map(cell, experiment):
        decisive["scored_pixels"] = experiment.scored_pixels
    how = ("frozen" if cell.frozen else "trained") if cell.variant.head == jobs.NETWORK_HEAD else cell.variant.head
    protocol = () if cell.protocol in (SCENE, PATCHES) else (cell.protocol,)
    return "-".join(filter(None, [*_stem(cell), *protocol, f"{cell.fraction:g}", how, _mark(decisive)]))


def encoder_key(cell: Cell, experiment: Experiment, inputs: dict[str, Any]) -> str:
    """Return the name of the encoder a cell uses. Cells that differ only in what comes after pretraining share it.

    Args:
        cell, experiment: The cell and the experiment that the encoder is a part of.
        inputs: Signatures of the inputs that tell the dataset from others of its name.
    """
    return "-".join([*_stem(cell), _mark({**_pretraining(cell, experiment), "files": inputs["files"]})])


def spec_of(cell: Cell, experiment: Experiment) -> DatasetSpec:
    """Return the dataset of a cell."""
    return next(spec for spec in experiment.datasets if spec.name == cell.dataset)


def _pretraining(cell: Cell, experiment: Experiment) -> dict[str, Any]:
    variant = cell.variant
    overrides = {} if variant.method in (SUPERVISED, *BASELINES) else dict(experiment.pretrain or {})
    return {
        "dataset": spec_of(cell, experiment).as_written,
        "method": variant.method,
        "confidence": variant.confidence,
        "seed": cell.seed,
        "preset": experiment.preset,
        "pretrain": {**overrides, **dict(variant.settings)},
        "backbone": variant.backbone,
        "weights": variant.weights,
    }


def _stem(cell: Cell) -> Iterator[str]:
    variant = cell.variant
    yield cell.dataset
    yield variant.method
    if variant.confidence is not None:
        yield confidence_title(variant.confidence)
    for word in (variant.backbone, variant.weights, *(f"{name}{value}" for name, value in variant.settings)):
        if word is not None:
            yield re.sub(r"[^\w.]+", "_", str(word).rpartition("/")[2])
    yield f"seed{cell.seed}"


def _mark(decisive: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:8]
