"""Where to digitise next: squares where the model is not sure and which look new; none with nodata, none with labels."""

from __future__ import annotations

import itertools
import sqlite3
import xml.etree.ElementTree as ET
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import shapely
import torch
from small_world import (
    BORDER,
    GRID,
    HEIGHT,
    LEFT,
    TOP,
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
from false_core.errors import FalseError, InputError, ModelFileError, OutputError
from false_core.jobs import Finetune, SuggestLabels
from false_core.labels.reading import read_labelled_ground
from false_core.mapping import candidates
from false_core.mapping.candidates import Candidates, Grid, find_candidates
from false_core.mapping.selection import distances_to
from false_core.mapping.suggest_labels import reason
from false_core.models.model_file import load_weights, read_card, save_model
from false_core.models.segmenter import build_segmenter, class_probabilities
from false_core.raster.classes import ClassTable, LandCoverClass
from false_core.raster.source import RasterSource, Window

pytestmark = pytest.mark.thorough

CPU = torch.device("cpu")


def suggest(raster: str, model: str, folder: Path, **more: Any) -> geopandas.GeoDataFrame:
    """Run the job with squares of 12 m, if nothing else is asked for, and read its layer."""
    path = str(folder / "next.gpkg")
    results = run(SuggestLabels(raster, model, path, **{"size": 12.0, "device": "cpu", **more}))
    table = geopandas.read_file(path, layer="suggestions")
    assert results == {"output": path, "suggested": len(table)}
    return table


def look(raster: str, model: str, side: int, labels: str | None = None, seed: int = 0) -> Candidates:
    """Return all candidates on the whole of a raster."""
    card, source, listener = read_card(model), RasterSource(raster), Listener()
    network = build_segmenter(card.encoder, card.decoder, len(card.bands), len(card.classes))
    load_weights(model, network)
    ground = read_labelled_ground(labels, source, listener.feedback) if labels else None
    grid = Grid(source.window_of(None), side)
    return find_candidates(network.eval(), card, source, grid, ground, CPU, seed, listener.feedback)


class TestTheSquares:
    @pytest.fixture(scope="class")
    def table(self, land: str, model: str, labels: str, tmp_path_factory: pytest.TempPathFactory) -> geopandas.GeoDataFrame:
        return suggest(land, model, tmp_path_factory.mktemp("next"), labels=labels, count=8)

    def test_are_ranked_and_say_why(self, table: geopandas.GeoDataFrame) -> None:
        assert list(table["rank"]) == list(range(1, 9))
        assert (table["score"] > 0).all() and table["uncertainty"].between(0, 1).all()
        assert table["reason"].str.contains("field|forest|water").all()

    def test_are_drawn_as_outlines_with_number_and_reason(self, land: str, model: str, tmp_path: Path) -> None:
        suggest(land, model, tmp_path, count=2)
        (package,) = tmp_path.glob("*.gpkg")
        with closing(sqlite3.connect(package)) as database:
            ((style,),) = database.execute("SELECT styleQML FROM layer_styles WHERE useAsDefault").fetchall()
        root = ET.fromstring(style)
        assert root.get("labelsEnabled") == "1"
        shown = root.find("labeling/settings/text-style")
        assert shown is not None and shown.get("fieldName") == '"rank" || \'. \' || "reason"'
        drawn = {prop.get("k"): prop.get("v") for prop in root.iter("prop")}
        assert drawn["style"] == "no" and drawn["outline_style"] == "solid"

    def test_are_squares_in_the_raster_s_crs_of_the_size_asked_for(self, table: geopandas.GeoDataFrame) -> None:
        assert table.crs.to_epsg() == 32633
        for square in table.geometry:
            xmin, ymin, xmax, ymax = square.bounds
            assert (xmax - xmin, ymax - ymin) == (12, 12)
            assert square.area == 144

    def test_lie_on_data_and_touch_no_label(self, table: geopandas.GeoDataFrame, labels: str) -> None:
        data = on_map(pixel_box(BORDER, BORDER, WIDTH - 2 * BORDER, HEIGHT - 2 * BORDER))
        taken = geopandas.read_file(labels).union_all()
        for square in table.geometry:
            assert data.intersection(square).area >= 0.9 * square.area
            assert not square.intersects(taken)

    def test_keep_a_distance(self, table: geopandas.GeoDataFrame) -> None:
        for one, two in itertools.combinations(table.geometry, 2):
            assert one.distance(two) >= 12

    def test_are_the_same_every_time(
        self, table: geopandas.GeoDataFrame, land: str, model: str, labels: str, tmp_path: Path
    ) -> None:
        again = suggest(land, model, tmp_path, labels=labels, count=8)
        assert table.equals(again)

    def test_of_a_part_lie_in_that_part(self, land: str, model: str, tmp_path: Path) -> None:
        part = shapely.box(LEFT + 30, TOP - 90, LEFT + 100, TOP - 20)
        table = suggest(land, model, tmp_path, extent=f"{LEFT + 30},{LEFT + 100},{TOP - 90},{TOP - 20} [EPSG:32633]")
        assert len(table) and table.within(part).all()

    def test_are_half_a_patch_long_where_nobody_says_how_long(self, land: str, model: str, tmp_path: Path) -> None:
        (square,) = suggest(land, model, tmp_path, size=None, count=1).geometry
        assert square.area == (read_card(model).patch_size / 2) ** 2

    def test_are_measured_in_map_units_on_a_finer_raster_too(self, model: str, tmp_path: Path) -> None:
        fine = textured_land().repeat(2, axis=1).repeat(2, axis=2)
        raster = write_raster(tmp_path / "r.tif", fine, nodata=0, transform=GRID @ GRID.scale(0.5))
        table = suggest(raster, model, tmp_path, count=3)
        assert (table.area == 144).all()

    def test_can_be_written_as_geojson(self, land: str, model: str, tmp_path: Path) -> None:
        run(SuggestLabels(land, model, str(tmp_path / "next.geojson"), size=12.0, count=2, device="cpu"))
        assert len(geopandas.read_file(tmp_path / "next.geojson")) == 2
        assert {path.name for path in tmp_path.iterdir()} == {"next.geojson", "next.qml"}


class TestLabelsSoFar:
    def test_in_another_crs_keep_their_places_free(self, land: str, model: str, labels: str, tmp_path: Path) -> None:
        moved = str(tmp_path / "moved.gpkg")
        geopandas.read_file(labels).to_crs(4326).to_file(moved, layer="labels", engine="pyogrio")
        table = suggest(land, model, tmp_path, labels=moved, count=30)
        taken = geopandas.read_file(labels).geometry.buffer(-0.5).union_all()
        assert not table.intersects(taken).any()

    @pytest.mark.parametrize(
        "drawn", [shapely.Point(85.5, 60.5), shapely.LineString([(20, 20), (150, 100)]), pixel_box(60, 40, 30, 30)]
    )
    def test_may_be_points_lines_or_a_single_class(
        self, land: str, model: str, tmp_path: Path, drawn: shapely.Geometry
    ) -> None:
        labels = write_labels(tmp_path / "l.gpkg", ["one"], [on_map(drawn)])
        table = suggest(land, model, tmp_path, labels=labels, count=40)
        assert not table.intersects(on_map(drawn)).any()

    @pytest.mark.parametrize("shapes", [[], [pixel_box(9000, 9000, 10, 10)]], ids=["empty", "elsewhere"])
    def test_that_lie_nowhere_here_are_said_to(
        self, land: str, model: str, tmp_path: Path, listener: Listener, shapes: list[shapely.Geometry]
    ) -> None:
        labels = write_labels(tmp_path / "l.gpkg", ["a"] * len(shapes), [on_map(shape) for shape in shapes])
        run(SuggestLabels(land, model, str(tmp_path / "n.gpkg"), labels, size=12.0, device="cpu"), listener)
        assert "No label lies over land.tif" in listener.warnings


class TestWhatIsKnownOfASquare:
    """Against one look at the whole raster, which is small enough for that, and plain loops over its squares."""

    SIDE = 12

    @pytest.fixture(scope="class")
    def whole(self, land: str, model: str) -> tuple[np.ndarray, np.ndarray]:
        """The probabilities (classes, height, width) of the whole raster, and which pixels are valid."""
        card, source = read_card(model), RasterSource(land)
        network = build_segmenter(card.encoder, card.decoder, len(card.bands), len(card.classes))
        load_weights(model, network)
        raw = source.read(Window(-48, -48, 264, 264))  # As the only tile sees it.
        pixels = torch.from_numpy(card.normalisation.apply(raw))[None]
        probabilities = class_probabilities(network.eval(), pixels)[0].numpy()
        inner = (slice(48, 48 + HEIGHT), slice(48, 48 + WIDTH))
        return probabilities[(slice(None), *inner)], np.isfinite(raw).any(axis=0)[inner]

    def test_uncertainty_is_the_mean_margin_and_chances_are_weighted_by_it(
        self, whole: tuple[np.ndarray, np.ndarray], land: str, model: str
    ) -> None:
        probabilities, valid = whole
        found = look(land, model, self.SIDE)
        assert len(found.positions) == found.seen > 80
        for place, uncertainty, mean in zip(found.positions, found.uncertainty, found.probabilities):
            column, row = place * self.SIDE
            square = (slice(row, row + self.SIDE), slice(column, column + self.SIDE))
            inside = valid[square]
            assert inside.mean() >= 0.9
            ordered = np.sort(probabilities[(slice(None), *square)][:, inside], axis=0)
            doubt = 1 - (ordered[-1] - ordered[-2])
            assert uncertainty == pytest.approx(doubt.mean(), abs=1e-4)
            wanted = (probabilities[(slice(None), *square)][:, inside] * doubt).sum(axis=1) / doubt.sum()
            np.testing.assert_allclose(mean, wanted, atol=1e-4)
            assert mean.sum() == pytest.approx(1, abs=1e-4)

    def test_every_square_on_data_without_labels_is_one(self, land: str, model: str, labels: str) -> None:
        found = look(land, model, self.SIDE, labels)
        drawn = shapely.union_all(label_boxes()[1])
        data = pixel_box(BORDER, BORDER, WIDTH - 2 * BORDER, HEIGHT - 2 * BORDER)
        wanted = {
            (column, row)
            for column, row in itertools.product(range(WIDTH // self.SIDE), range(HEIGHT // self.SIDE))
            if (square := pixel_box(column * self.SIDE, row * self.SIDE, self.SIDE, self.SIDE)).intersection(data).area
            >= 0.9 * square.area
            and not square.intersects(drawn)
        }
        assert {(int(column), int(row)) for column, row in found.positions} == wanted
        assert len(found.labelled) > 0

    def test_tiles_do_not_show(self, land: str, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
        one = look(land, model, self.SIDE)
        monkeypatch.setattr("false_core.mapping.candidates._LAYOUTS", ((64, 64),))
        many = look(land, model, self.SIDE)
        order = np.lexsort(many.positions.T[::-1])
        reference = np.lexsort(one.positions.T[::-1])
        np.testing.assert_array_equal(many.positions[order], one.positions[reference])
        # Tiles that see less around them differ a little.
        assert np.abs(many.uncertainty[order] - one.uncertainty[reference]).mean() < 0.05

    def test_squares_drawn_at_random_are_about_1_apart(self, land: str, model: str) -> None:
        features = look(land, model, self.SIDE).features.astype(float)
        squared = np.square(features[:, None] - features[None]).sum(axis=-1)
        assert np.sqrt(squared[~np.eye(len(features), dtype=bool)].mean()) == pytest.approx(1, abs=0.05)

    def test_of_too_many_a_sample_is_kept_in_which_uncertain_ones_are_likelier(
        self, land: str, model: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        every = look(land, model, 4)
        monkeypatch.setattr(candidates, "MAX_CANDIDATES", 40)
        samples = [look(land, model, 4, seed=seed) for seed in (0, 0, 1, 2)]
        assert all(len(sample.positions) == 40 and sample.seen == every.seen for sample in samples)
        np.testing.assert_array_equal(samples[0].positions, samples[1].positions)
        assert not np.array_equal(samples[0].positions, samples[2].positions)
        monkeypatch.setattr(candidates, "MAX_CANDIDATES", every.seen // 4)
        kept = look(land, model, 4)
        left_out = set(map(tuple, every.positions)) - set(map(tuple, kept.positions))
        others = [u for place, u in zip(every.positions, every.uncertainty) if tuple(place) in left_out]
        assert kept.uncertainty.mean() > np.mean(others)


class TestTheReason:
    def test_names_the_two_classes_and_what_it_is_unlike(self) -> None:
        probabilities = np.array([0.05, 0.48, 0.06, 0.41])
        names = ["water", "agriculture", "urban", "rangeland"]
        assert reason(0.8, probabilities, names, "anything labelled so far") == (
            "uncertain between agriculture and rangeland (0.48 / 0.41); unlike anything labelled so far"
        )
        assert reason(0.05, probabilities, names, "") == "taken for agriculture (0.48)"
        assert reason(0.9, np.array([1.0]), ["water"], "") == "taken for water (1.00)"


class TestWhatCannotBeDone:
    @pytest.mark.parametrize(
        ("changes", "error", "said"),
        [
            ({"output": "next.shp"}, OutputError, "must end in .gpkg or .geojson"),
            ({"extent": f"{LEFT},{LEFT + 5},{TOP - 5},{TOP}"}, InputError, "smaller than one square of 12"),
            ({"extent": f"{LEFT},{LEFT + 170},{TOP - 8},{TOP}", "size": 4.0}, InputError, "nothing to suggest"),
            ({"labels": "nowhere.gpkg"}, InputError, "does not exist"),
        ],
    )
    def test_is_said(
        self, land: str, model: str, tmp_path: Path, changes: dict[str, Any], error: type[FalseError], said: str
    ) -> None:
        output = str(tmp_path / changes.pop("output", "next.gpkg"))
        with pytest.raises(error, match=said):
            run(SuggestLabels(land, model, output, **{"size": 12.0, "device": "cpu", **changes}))
        assert not list(tmp_path.iterdir())

    def test_an_encoder_knows_no_classes(self, land: str, encoder: str, tmp_path: Path) -> None:
        with pytest.raises(ModelFileError, match="holds an encoder"):
            run(SuggestLabels(land, encoder, str(tmp_path / "next.gpkg")))

    def test_fewer_than_asked_for_are_said_to_be_fewer(
        self, land: str, model: str, tmp_path: Path, listener: Listener
    ) -> None:
        run(SuggestLabels(land, model, str(tmp_path / "n.gpkg"), size=40.0, count=50, device="cpu"), listener)
        assert "of 50 places are suggested" in listener.warnings

    def test_a_model_of_one_class_still_finds_what_looks_new(self, land: str, model: str, tmp_path: Path) -> None:
        card = read_card(model)
        path = str(tmp_path / "one.safetensors")
        classes = ClassTable((LandCoverClass(7, "all", "#123456"),))
        save_model(path, replace(card, classes=classes), build_segmenter(card.encoder, card.decoder, 4, 1))
        table = suggest(land, path, tmp_path, count=4)
        assert len(table) == 4
        assert (table["reason"].str.startswith("taken for all (1.00)")).all()


class TestOnASceneWithAClassTheModelNeverSaw:
    """Two textures that the model learned, and islands of a third that nobody labelled, on a tenth of the land."""

    SIDE, ISLAND, PLACES = 288, 24, 8

    @pytest.fixture(scope="class")
    def world(self, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, str, np.ndarray]:
        """The raster, the labels, a model, and where the islands are."""
        folder = tmp_path_factory.mktemp("islands")
        generator = np.random.default_rng(3)
        row, column = np.mgrid[: self.SIDE, : self.SIDE]
        stripes, speckle = 90 + 60 * ((row // 3) % 2), 60 + generator.integers(0, 90, row.shape)
        pixels = np.where((column // 48 + row // 72) % 2, stripes, speckle)
        islands = np.zeros(row.shape, bool)
        for cell in generator.permutation(36)[:14]:
            y, x = cell // 6 * 48 + 12, cell % 6 * 48 + 12
            islands[y : y + self.ISLAND, x : x + self.ISLAND] = True
        pixels = np.where(islands, 150 + 40 * ((column // 6 + row // 6) % 2), pixels)
        pixels = pixels[None] + generator.integers(0, 12, (3, *row.shape)) + 4 * np.arange(3)[:, None, None]
        raster = write_raster(folder / "r.tif", pixels.astype("uint8"))
        names, boxes = [], []
        for x, y in itertools.product(range(6), range(4)):
            box = pixel_box(x * 48 + 2, y * 72 + 30, 9, 9)
            if not islands[y * 72 + 30 : y * 72 + 39, x * 48 + 2 : x * 48 + 11].any():
                names.append("stripes" if (x + y) % 2 else "speckle")
                boxes.append(on_map(box))
        labels = write_labels(folder / "l.gpkg", names, boxes)
        path = str(folder / "m.safetensors")
        run(
            Finetune(
                raster,
                labels,
                "cover",
                path,
                preset="quick",
                backbone="resnet10t",
                weights="none",
                device="cpu",
                head="network",
                steps=25,
                validation=0,
            )
        )
        return raster, labels, path, islands

    def test_it_is_suggested_far_more_often_than_by_chance_and_at_once(
        self, world: tuple[str, str, str, np.ndarray], tmp_path: Path
    ) -> None:
        raster, labels, path, islands = world
        table = suggest(raster, path, tmp_path, labels=labels, count=self.PLACES)
        found = [share_of(islands, square) for square in table.geometry]
        chance = islands.mean()
        assert 0.05 < chance < 0.15
        assert np.mean(found) > 3 * chance
        assert max(found[:2]) > 0.25

    def test_suggestions_differ_more_than_places_drawn_at_random(
        self, world: tuple[str, str, str, np.ndarray], tmp_path: Path
    ) -> None:
        raster, labels, path, _ = world
        table = suggest(raster, path, tmp_path, labels=labels, count=self.PLACES)
        every = look(raster, path, 12, labels)
        number = {tuple(place): index for index, place in enumerate(every.positions)}
        chosen = [number[(int(x - LEFT) // 12, int(TOP - y) // 12)] for x, _, _, y in (s.bounds for s in table.geometry)]
        generator = np.random.default_rng(0)
        drawn = [generator.choice(len(every.positions), self.PLACES, replace=False) for _ in range(50)]
        assert apart(every.features[chosen]) > np.mean([apart(every.features[some]) for some in drawn])


def share_of(mask: np.ndarray, square: shapely.Polygon) -> float:
    xmin, ymin, xmax, ymax = square.bounds
    return float(mask[int(TOP - ymax) : int(TOP - ymin), int(xmin - LEFT) : int(xmax - LEFT)].mean())


def apart(features: np.ndarray) -> float:
    """Return how far each is from the nearest other one, on average."""
    others = (np.delete(features, number, axis=0) for number in range(len(features)))
    return float(np.mean([distances_to(one[None], rest)[0] for one, rest in zip(features, others)]))
