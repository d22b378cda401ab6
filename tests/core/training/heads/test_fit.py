"""From a raster and a few labels to a model: the same each time, and better than chance with whatever is labelled."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
import torch
from small_world import (
    BORDER,
    CLASS_NAMES,
    HEIGHT,
    WIDTH,
    Listener,
    label_boxes,
    on_map,
    pixel_box,
    textured_land,
    write_labels,
    write_raster,
)

from false_core.dispatch import run
from false_core.errors import Cancelled, ModelFileError, RequestError
from false_core.events import Event, Progress
from false_core.feedback import Feedback
from false_core.inference import tiles
from false_core.inference.folding import for_inference
from false_core.jobs import Classify, Embed, Finetune, SuggestLabels
from false_core.labels.reading import read_annotation
from false_core.models.encoder import build_encoder
from false_core.models.from_file import segmenter_from
from false_core.models.fused import CURVES, ZOOMS, FusedSegmenter, FusedSpec
from false_core.models.header import SEGMENTER
from false_core.models.model_file import LEANS_TO, read_card
from false_core.models.model_report import leaning_in_words
from false_core.raster.source import RasterSource
from false_core.raster.statistics import measure
from false_core.sampling.labelled import LabelledRaster
from false_core.training.heads import choice
from false_core.training.heads import fit as fit_module
from false_core.training.heads.fit import Fitted, FrozenEncoder, HeadRequest, fit_head, put_in, zooms_for
from false_core.training.heads.fits import LEAST_PRIOR_SHARE, PRIOR_ADJUSTMENT, answers_of, designs

BACKBONE = "resnet10t"


def encoder(bands: int) -> FrozenEncoder:
    """Return an encoder that was never trained: its features are random, but features all the same."""
    torch.manual_seed(1)
    return FrozenEncoder(BACKBONE, build_encoder(BACKBONE, bands).state_dict(), (1, 2))


def fitted(raster: str, labels: str, head: str = "auto", encoders: int = 1, may_learn_from_raster: bool = True) -> Fitted:
    source, feedback = RasterSource(raster), Listener().feedback
    annotation = read_annotation(labels, "cover", source, [], feedback)
    normalisation = measure([source], [source.window_of(None)], feedback)
    given = [encoder(len(source.bands))] * encoders
    device = torch.device("cpu")
    labelled = LabelledRaster(source, normalisation, annotation)
    return fit_head(HeadRequest(head, 0.0, 0, may_learn_from_raster), given, labelled, device, feedback)


def share_right(fitted: Fitted, raster: str) -> float:
    """Return how much of the land is shown as what it is."""
    source = RasterSource(raster)
    pixels = measure([source], [source.window_of(None)], Listener().feedback).apply(source.read(source.window_of(None)))
    image = torch.nn.functional.pad(torch.from_numpy(pixels)[None], (0, -WIDTH % 64, 0, -HEIGHT % 64))
    with torch.inference_mode():
        shown = fitted.segmenter(image)[0, :, :HEIGHT, :WIDTH].argmax(dim=0).numpy()
    return right(shown)


def right(shown: np.ndarray) -> float:
    truth = np.broadcast_to(np.arange(WIDTH) * 3 // WIDTH, (HEIGHT, WIDTH))
    inside = (slice(BORDER, -BORDER), slice(BORDER, -BORDER))
    return float((shown == truth)[inside].mean())


@pytest.mark.thorough
@pytest.mark.parametrize("head", ["auto", "linear", "texture"])
def test_a_map_is_far_better_than_chance(land: str, labels: str, head: str) -> None:
    made = fitted(land, labels, head)
    assert share_right(made, land) > 0.8
    assert made.confusion is not None and made.confusion.shape == (3, 3)
    assert np.diag(made.confusion).sum() > 0.8 * made.confusion.sum()


@pytest.mark.thorough
@pytest.mark.parametrize("bands", [1, 3, 9])
def test_any_number_of_bands_will_do(tmp_path: Path, labels: str, bands: int) -> None:
    raster = write_raster(tmp_path / "land.tif", textured_land(bands=bands), nodata=0)
    assert share_right(fitted(raster, labels), raster) > 0.8


@pytest.mark.thorough
def test_curves_of_many_bands_are_the_same_on_a_map_as_in_the_fit(tmp_path: Path, labels: str) -> None:
    """They are made of a few components of the bands, on the map anew."""
    raster = write_raster(tmp_path / "land.tif", textured_land(bands=9), nodata=0)
    made = fitted(raster, labels, encoders=0)
    (curves,) = [one for one in made.comparison.candidates if one.name == CURVES]
    parts = made.classifiers.parts
    network = FusedSegmenter(FusedSpec((), (), curves.members), 9, made.classifiers.classes, parts)
    put_in(network, made.classifiers.of(curves), made.classifiers.spaces)
    image = torch.randn(1, 9, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        (values,) = parts.levels(image, CURVES)
        found = network(image)[0].flatten(1).T.numpy()
    assert values.shape[1] < 9
    wanted = made.classifiers.log_probabilities(curves, {CURVES: values[0].flatten(1).T.numpy()})
    np.testing.assert_allclose(found, wanted, atol=1e-3)
    assert len(np.unique(wanted.argmax(axis=1))) > 1


@pytest.mark.thorough
def test_points_will_do(tmp_path: Path, land: str) -> None:
    names, boxes = label_boxes()
    points = write_labels(tmp_path / "points.gpkg", names, [on_map(box.centroid) for box in boxes])
    assert share_right(fitted(land, points), land) > 0.6


@pytest.mark.thorough
def test_two_polygons_will_do(tmp_path: Path, land: str) -> None:
    """One of each class: nothing can be held out, so nothing is scored."""
    boxes = [pixel_box(20, 40, 20, 20), pixel_box(80, 40, 20, 20)]
    two = write_labels(tmp_path / "two.gpkg", ["field", "forest"], [on_map(box) for box in boxes])
    made = fitted(land, two)
    assert made.confusion is None and made.comparison.chosen == made.comparison.candidates[0]
    assert share_right(made, land) > 0.5


@pytest.mark.thorough
def test_two_encoders_are_both_looked_at(land: str, labels: str) -> None:
    made = fitted(land, labels, "linear", encoders=2)
    assert {part.partition(" at")[0] for part in made.segmenter.spec.parts} == {"encoder 0", "encoder 1"}
    assert share_right(made, land) > 0.7


@pytest.mark.thorough
def test_what_the_segmenter_says_at_labels_is_what_the_classifiers_say(land: str, labels: str) -> None:
    """Weights on standardised features are folded into weights on features: labels that were learned are recognised."""
    made = fitted(land, labels)
    source = RasterSource(land)
    annotation = read_annotation(labels, "cover", source, [], Listener().feedback)
    numbers = annotation.burn(rasterio.Affine.identity(), HEIGHT, WIDTH)
    pixels = measure([source], [source.window_of(None)], Listener().feedback).apply(source.read(source.window_of(None)))
    image = torch.nn.functional.pad(torch.from_numpy(pixels)[None], (0, -WIDTH % 64, 0, -HEIGHT % 64))
    folded = for_inference(made.segmenter, len(source.bands))
    with torch.inference_mode():
        for network in (made.segmenter, folded):
            shown = network(image)[0, :, :HEIGHT, :WIDTH].argmax(dim=0).numpy()
            assert (shown == numbers)[numbers < 3].mean() > 0.97


@pytest.mark.thorough
@pytest.mark.parametrize(("head", "most_apart"), [("texture", 0.51), ("auto", 6.0)])
def test_what_the_classifiers_say_at_labelled_points_is_what_the_map_shows_there(
    encoder: str, land: str, labels: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: str, most_apart: float
) -> None:
    """A head is scored at points, in tiles of their own; those of the map are others, smaller here, and blended.

    The confidence, in whole percent, is that of the classifiers where texture alone counts. What an encoder sees depends a
    little on the borders of a tile.
    """
    monkeypatch.setattr(tiles, "MAX_STRIDE_PX", 64)
    monkeypatch.setattr(tiles, "MIN_STRIDE_PX", 64)
    kept: list[Fitted] = []

    def fit_and_keep(*given: Any, **named: Any) -> Fitted:
        kept.append(fit_head(*given, **named))
        return kept[-1]

    monkeypatch.setattr("false_core.training.head_model.fit_head", fit_and_keep)
    model, output, sureness = (str(tmp_path / name) for name in ("model.safetensors", "map.tif", "confidence.tif"))
    run(Finetune(land, labels, "cover", model, encoder, head=head, weights="none", preset="quick", device="cpu"))
    run(Classify(land, model, output, confidence=sureness, device="cpu"))
    (made,) = kept
    classifiers, chosen = made.classifiers, made.comparison.chosen
    inputs = designs(chosen.members, classifiers.spaces, classifiers.features)
    said = answers_of(chosen.members, classifiers.of(chosen), inputs)
    columns, rows = classifiers.points.positions.astype(int).T
    with rasterio.open(output) as shown, rasterio.open(sureness) as shown_sureness:
        codes, percent = shown.read(1)[rows, columns], shown_sureness.read(1)[rows, columns]
    assert len(codes) > 500 and (codes == said.argmax(axis=1) + 1).mean() > 0.99
    assert abs(100 * np.exp(said.max(axis=1)) - percent).max() <= most_apart


@pytest.mark.thorough
def test_the_same_job_gives_the_same_file_and_a_map(land: str, labels: str, tmp_path: Path) -> None:
    """With the general encoder, as it is by default."""
    written: list[bytes] = []
    told: list[str] = []
    for folder in (tmp_path / "first", tmp_path / "second"):
        folder.mkdir()
        path = folder / "model.safetensors"
        report = folder / "report.html"
        job = Finetune(land, labels, "cover", str(path), device="cpu", preset="quick", report=str(report))
        run(job, lambda event: told.append(getattr(event, "text", "")))
        written.append(path.read_bytes())
        assert max(read_card(str(path), SEGMENTER).method["compared"].values()) > 0.8
    assert written[0] == written[1]
    output = tmp_path / "map.tif"
    run(Classify(land, str(path), str(output), device="cpu"))
    card = read_card(str(path), SEGMENTER)
    assert card.method[LEANS_TO].keys() == {str(c.code) for c in card.classes}
    assert leaning_in_words(card) in told and leaning_in_words(card) in report.read_text(encoding="utf-8")
    with rasterio.open(output) as file:
        codes = file.read(1)
    order = {c.code: CLASS_NAMES.index(c.name) for c in card.classes}
    assert right(np.vectorize(lambda code: order.get(code, -1))(codes)) > 0.9
    assert not codes[:, : BORDER - 1].any(), "nodata stays nodata"
    assert segmenter_from(str(path), card).spec == card.head


@pytest.mark.thorough
def test_two_polygons_make_a_model_file_with_nothing_said_of_its_scores(land: str, tmp_path: Path) -> None:
    boxes = [pixel_box(20, 40, 20, 20), pixel_box(80, 40, 20, 20)]
    two = write_labels(tmp_path / "two.gpkg", ["field", "forest"], [on_map(box) for box in boxes])
    path, report = str(tmp_path / "model.safetensors"), tmp_path / "report.html"
    told = run(Finetune(land, two, "cover", path, device="cpu", preset="quick", report=str(report)))
    unknown = "unknown; known with so many label shapes more: 9 of field, 9 of forest"
    assert told == {"model": path, "report": str(report), "accuracy": unknown}
    assert read_card(path, SEGMENTER).provenance["scores"] == {"shapes": 0}
    assert "nan" not in report.read_text(encoding="utf-8").lower().split("<style")[0]


@pytest.mark.thorough
def test_a_raster_smaller_than_what_an_encoder_sees_will_do(tmp_path: Path) -> None:
    raster = write_raster(tmp_path / "small.tif", textured_land(50, 40), nodata=0)
    shapes = [shapely.box(11, 12, 15, 30), shapely.box(20, 12, 28, 30), shapely.box(36, 12, 40, 30)]
    labels = write_labels(tmp_path / "labels.gpkg", CLASS_NAMES, [on_map(shape) for shape in shapes])
    path = str(tmp_path / "model.safetensors")
    run(Finetune(raster, labels, "cover", path, device="cpu", preset="quick"))
    run(Classify(raster, path, str(tmp_path / "map.tif"), device="cpu"))
    with rasterio.open(tmp_path / "map.tif") as file:
        codes = file.read(1)
    assert set(np.unique(codes[BORDER:-BORDER, BORDER:-BORDER])) <= {1, 2, 3}, "wherever there is data, there is a class"


@pytest.mark.parametrize(
    ("size", "zooms"),
    [((40, 50), ZOOMS[:1]), ((255, 9000), ZOOMS[:1]), ((300, 256), ZOOMS), ((9000, 511), ZOOMS)],
)
def test_an_encoder_looks_only_from_where_it_sees_several_coarse_pixels(
    size: tuple[int, int], zooms: tuple[int, ...]
) -> None:
    assert zooms_for(*size) == zooms_for(*size[::-1]) == zooms


class TestWithoutAnyEncoder:
    @pytest.mark.thorough
    @pytest.mark.parametrize("head", ["auto", "texture"])
    def test_colours_and_texture_tell_classes_apart(self, land: str, labels: str, tmp_path: Path, head: str) -> None:
        model, map_file = str(tmp_path / "m.safetensors"), tmp_path / "map.tif"
        run(Finetune(land, labels, "cover", model, head=head, weights="none", device="cpu"))
        card = read_card(model, SEGMENTER)
        assert card.head is not None and card.head.encoders == () and card.encoder == ""
        run(Classify(land, model, str(map_file), device="cpu"))
        with rasterio.open(map_file) as file:
            assert len(np.unique(file.read(1))) > len(CLASS_NAMES) / 2

    def test_the_head_linear_has_nothing_to_fit(self, land: str, labels: str, tmp_path: Path) -> None:
        job = Finetune(land, labels, "cover", str(tmp_path / "m.safetensors"), head="linear", weights="none", device="cpu")
        with pytest.raises(RequestError, match="The head linear has no encoder to build on"):
            run(job)

    @pytest.mark.thorough
    def test_places_to_digitise_are_found_by_their_colours_and_nothing_is_embedded(
        self, land: str, labels: str, tmp_path: Path
    ) -> None:
        model = str(tmp_path / "m.safetensors")
        run(Finetune(land, labels, "cover", model, weights="none", device="cpu"))
        job = SuggestLabels(land, model, str(tmp_path / "next.gpkg"), count=5, size=8.0, device="cpu")
        assert run(job)["suggested"] == 5
        with pytest.raises(ModelFileError, match="holds no encoder: it tells classes apart by colours and texture alone"):
            run(Embed(land, model, str(tmp_path / "features.tif"), device="cpu"))


@pytest.mark.thorough
@pytest.mark.parametrize("wanted", [True, False])
def test_pixels_without_a_label_are_learned_from_only_where_that_is_wanted(land: str, labels: str, wanted: bool) -> None:
    made = fitted(land, labels, "texture", may_learn_from_raster=wanted)
    assert made.comparison.learns_from_raster == wanted
    assert share_right(made, land) > 0.8


@pytest.mark.thorough
def test_a_map_leans_to_the_shares_of_the_raster(land: str, labels: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the held-out labels do that its accuracy is told by: all that was fitted has another bias for each class."""
    made = fitted(land, labels, "texture")
    monkeypatch.setattr(choice, "_does_harm", lambda answer, before, *more: len(before) > 1)
    alike = fitted(land, labels, "texture")
    assert made.comparison.prior_adjusted.all() and made.prior_shares.keys() == {0, 1, 2}
    assert sum(made.prior_shares.values()) == pytest.approx(1)
    assert not alike.comparison.prior_adjusted.any() and not alike.prior_shares
    shares = np.array([made.prior_shares[number] for number in range(3)])
    gains = PRIOR_ADJUSTMENT * np.log((3 * shares).clip(min=LEAST_PRIOR_SHARE))
    wanted = gains - shares @ gains
    assert np.ptp(wanted) > 1e-3
    np.testing.assert_allclose((made.segmenter.bias - alike.segmenter.bias).numpy()[0], wanted, atol=1e-4)
    assert not np.array_equal(made.comparison.log_probabilities, alike.comparison.log_probabilities)


@pytest.mark.thorough
def test_its_sureness_of_the_raster_is_asked_of_pixels_that_it_did_not_learn_from(
    land: str, labels: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare, given = fit_module.compare, []

    def seen(candidates, samples, *more, **named):  # type: ignore[no-untyped-def]
        given.append((samples.unlabelled, samples.others))
        return compare(candidates, samples, *more, **named)

    monkeypatch.setattr(fit_module, "compare", seen)
    made = fitted(land, labels, "texture")
    (((_, learned),), ((_, asked),)) = (one.items() for one in given[0])
    assert len(learned) == len(asked) == fit_module.SAMPLED_PIXELS_SEEN
    assert not {row.tobytes() for row in learned} & {row.tobytes() for row in asked}
    assert made.classifiers.sample is given[0][0]


@pytest.mark.thorough
def test_a_fine_tuning_is_followed_to_its_end_and_not_done_before(land: str, labels: str, tmp_path: Path) -> None:
    told: list[Progress] = []

    def keep(event: Event) -> None:
        if isinstance(event, Progress):
            told.append(event)

    run(Finetune(land, labels, "cover", str(tmp_path / "m.safetensors"), head="texture", device="cpu"), keep)
    begun = {stage: min(event.fraction for event in told if event.stage == stage) for stage in {e.stage for e in told}}
    assert begun["Looking at the raster"] < 0.1 < begun["Looking at the labels"] < 0.4 < begun["Comparing heads"] < 0.7
    assert max(event.fraction for event in told if event.stage == "Fitting the best") < 0.98


@pytest.mark.thorough
@pytest.mark.parametrize("learns", [True, False])
def test_the_last_fits_end_where_the_job_is_cancelled(
    land: str, labels: str, learns: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = fitted(land, labels, "texture", may_learn_from_raster=learns)
    classifiers = replace(made.classifiers, alone={}, fitted={})
    cancel = threading.Event()
    fit = fit_module.learn_from_raster if learns else fit_module.fit_member

    def cancelled_before(*given, **named):  # type: ignore[no-untyped-def]
        cancel.set()
        return fit(*given, **{name: value for name, value in named.items() if name != "before_fit"})

    monkeypatch.setattr(fit_module, fit.__name__, cancelled_before)
    with pytest.raises(Cancelled):
        classifiers.of(made.comparison.chosen, Feedback(cancel=cancel))
