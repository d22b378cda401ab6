"""With labels or a model, a map of change says from what to what the ground changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
import torch
from shapely.geometry import box
from small_world import CRS, FROM_NOTHING, Listener

from false_core.benchmark.two_dates import TwoDates, generate_two_dates
from false_core.change.change_scores import change_scores
from false_core.change.class_tiles import likeliest_pair, same_class
from false_core.change.date_classes import check_tells_classes_apart, moved_labels
from false_core.change.from_to import MOST_PAIRS_OF_CLASSES, NO_CHANGE_CODE, changes_between
from false_core.dispatch import run
from false_core.errors import InputError, ModelFileError, RequestError
from false_core.jobs import Change, Finetune, Pretrain, from_mapping
from false_core.labels.annotation import Annotation
from false_core.raster.classes import ClassTable, LandCoverClass
from false_core.synthetic.files import LAND_COVER, labels_of, write_image

SIDE, GSD = 256, 0.7
CLASSES = ClassTable(
    tuple(LandCoverClass(code, name, "#102030") for code, name in ((3, "field"), (5, "roof"), (9, "water")))
)


class TestPairsOfClasses:
    def test_they_are_those_of_a_plain_loop(self) -> None:
        chance = torch.Generator().manual_seed(0)
        before, after = (torch.rand(4, 5, 6, generator=chance).softmax(dim=0) for _ in range(2))
        before[:, 0] = after[:, 0]
        pairs, same = likeliest_pair(before, after), same_class(before, after)
        for row in range(5):
            for column in range(6):
                p, q = before[:, row, column], after[:, row, column]
                one, other = divmod(int(pairs[row, column]), 4)
                assert one != other
                best = max(p[i] * q[j] for i in range(4) for j in range(4) if i != j)
                assert (p[one] * q[other]).item() == pytest.approx(best.item())
                assert same[row, column].item() == pytest.approx(sum((p[k] * q[k]).item() for k in range(4)), rel=1e-5)

    def test_each_that_occurs_has_a_code_and_a_name(self) -> None:
        counts = np.zeros(9, np.int64)
        counts[[1, 5]] = 7, 2
        classes = changes_between(CLASSES, counts)
        assert [c.name for c in classes.table] == ["no change", "field → roof", "roof → water"]
        assert classes.codes_of(np.array([[1, 5]])).tolist() == [[2, 3]]
        assert classes.names == {2: ("field", "roof"), 3: ("roof", "water")}

    def test_where_there_are_too_many_the_smallest_share_a_code(self) -> None:
        many = ClassTable(tuple(LandCoverClass(code, f"class {code}", "#102030") for code in range(1, 21)))
        counts = np.arange(400)
        counts[::21] = 0
        classes = changes_between(many, counts)
        assert len(classes.pairs) == MOST_PAIRS_OF_CLASSES
        assert classes.table.classes[-1].name == "other change"
        assert classes.codes_of(np.array([1]))[0] == classes.table.classes[-1].code
        assert max(c.code for c in classes.table) <= 254

    def test_where_nothing_changed_there_is_change_and_no_change(self) -> None:
        assert [c.name for c in changes_between(CLASSES, np.zeros(9, np.int64)).table] == ["no change", "change"]


class World:
    """Two dates on the disk, with label polygons of the first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.dates: TwoDates = generate_two_dates(SIDE, SIDE, seed=7, changing=0.1, gsd=GSD)
        self.before, self.after = str(folder / "before.tif"), str(folder / "after.tif")
        write_image(Path(self.before), self.dates.before)
        write_image(Path(self.after), self.dates.after)
        self.labels = str(folder / "labels.gpkg")
        labels_of(self.dates.before, 0.02, 1).to_file(self.labels)

    @property
    def corner(self) -> str:
        """An extent of 70 m, where a test is not about what is found."""
        with rasterio.open(self.before) as file:
            return f"{file.bounds.left},{file.bounds.left + 70},{file.bounds.top - 70},{file.bounds.top}"

    def find(self, output: Path, listener: Listener | None = None, **more: Any) -> tuple[np.ndarray, dict[int, str]]:
        """Return the codes of a map of change, and their names."""
        given = {"before": self.before, "after": self.after, "output": str(output), **more}
        run(Change(**given), listener or Listener())
        with rasterio.open(output) as file:
            names = {c["code"]: c["name"] for c in json.loads(file.tags()["FALSE_CLASSES"])}
            return file.read(1), names


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("dates"))


@pytest.fixture
def light_head(monkeypatch: pytest.MonkeyPatch) -> None:
    """Classifiers of the dates that are fitted in a moment, where a test is about something else than how good they are."""
    monkeypatch.setattr("false_core.change.date_classes.HEAD_OF_DATES", "texture")


@pytest.mark.thorough
class TestLabels:
    def test_say_from_what_to_what(self, world: World, tmp_path: Path) -> None:
        listener = Listener()
        codes, names = world.find(tmp_path / "c.tif", listener, labels=world.labels, field=LAND_COVER)
        scores = change_scores(codes, world.dates.changed)
        assert scores.f1 > 0.8
        assert scores.false_alarm_share < 0.03
        assert names[NO_CHANGE_CODE] == "no change"
        truth = [dict(enumerate(("", "field", "meadow", "road", "roof", "tree", "water")))] * 2
        hits = total = 0
        for code, name in names.items():
            if " → " in name:
                shown = (codes == code) & world.dates.changed
                for kind, said, of in zip(truth, name.split(" → "), (world.dates.before.truth, world.dates.after.truth)):
                    hits += int(sum(kind[int(one)] == said for one in of[shown]))
                    total += int(shown.sum())
        assert hits / total > 0.5
        assert "lie where the ground changed" in listener.infos

    @pytest.mark.usefixtures("light_head")
    def test_may_be_of_the_later_date(self, world: World, tmp_path: Path) -> None:
        labels = str(tmp_path / "labels.gpkg")
        labels_of(world.dates.after, 0.02, 1).to_file(labels)
        codes, _ = world.find(tmp_path / "c.tif", labels=labels, field=LAND_COVER, labelled="after")
        assert change_scores(codes, world.dates.changed).f1 > 0.75

    def test_under_which_a_date_has_no_data_are_left_out(self, world: World, tmp_path: Path) -> None:
        with rasterio.open(world.before) as file:
            left, top = file.transform * (0, 0)
        shapes = [box(left + x, top - 1.5, left + x + 1, top - 0.5) for x in (0, 1.5)]
        labels = geopandas.GeoDataFrame({LAND_COVER: ["field", "roof"]}, geometry=shapes, crs=CRS)
        labels.to_file(tmp_path / "labels.gpkg")
        with pytest.raises(InputError, match="where both dates have data"):
            world.find(tmp_path / "c.tif", labels=str(tmp_path / "labels.gpkg"), field=LAND_COVER)

    @pytest.mark.usefixtures("light_head")
    def test_of_a_part_count_where_they_lie(self, world: World, tmp_path: Path) -> None:
        with rasterio.open(world.before) as file:
            left, bottom, right, top = file.bounds
        middle = (left + right) / 2, (bottom + top) / 2
        extent = f"{middle[0] - 40},{right},{bottom},{middle[1] + 40}"
        codes, names = world.find(tmp_path / "c.tif", labels=world.labels, field=LAND_COVER, extent=extent)
        rows, columns = codes.shape
        assert max(codes.shape) < SIDE
        assert change_scores(codes, world.dates.changed[-rows:, -columns:]).f1 > 0.6
        assert any(" → " in name for name in names.values())

    @pytest.mark.usefixtures("light_head")
    def test_that_all_lie_where_the_ground_changed_cannot_be_used(self, world: World, tmp_path: Path) -> None:
        changed = labels_of(world.dates.before, 0.02, 1)
        with rasterio.open(world.before) as file:
            transform = file.transform
        columns, rows = (~transform * (changed.geometry.centroid.x.to_numpy(), changed.geometry.centroid.y.to_numpy()))[:2]
        on_changed = world.dates.changed[rows.astype(int), columns.astype(int)]
        changed[on_changed].to_file(tmp_path / "labels.gpkg")
        with pytest.raises(InputError, match="two classes have labels"):
            world.find(tmp_path / "c.tif", labels=str(tmp_path / "labels.gpkg"), field=LAND_COVER)

    @pytest.mark.usefixtures("light_head")
    def test_that_are_few_name_the_changes_and_it_is_said_that_they_decide_nothing(
        self, world: World, tmp_path: Path
    ) -> None:
        every = labels_of(world.dates.before, 0.02, 1)
        every.groupby(LAND_COVER).head(1).to_file(tmp_path / "labels.gpkg")
        listener = Listener()
        world.find(tmp_path / "c.tif", listener, labels=str(tmp_path / "labels.gpkg"), field=LAND_COVER, threshold=0.9)
        assert "have no say in what counts as one" in listener.warnings


def test_labels_of_the_later_date_move_with_it() -> None:
    shapes = np.array([box(10, 20, 14, 26), box(0, 0, 2, 2)])
    moved = moved_labels(Annotation(CLASSES, shapes, np.array([0, 1]), shapely.STRtree(shapes)), (3, -2))
    assert moved.shapes[0].bounds == (7, 22, 11, 28)
    assert moved.tree.query(box(7, 22, 8, 23)).tolist() == [0]


@pytest.fixture(scope="module")
def model(world: World) -> str:
    path = str(world.folder / "model.safetensors")
    run(Finetune(world.before, world.labels, LAND_COVER, path, head="texture"))
    return path


@pytest.mark.thorough
class TestModel:
    def test_tells_the_classes_in_place_of_labels(self, world: World, model: str, tmp_path: Path) -> None:
        codes, names = world.find(tmp_path / "c.tif", model=model)
        assert change_scores(codes, world.dates.changed).f1 > 0.75
        assert any(" → " in name for name in names.values())

    def test_gets_the_bands_and_the_pixels_that_it_was_made_for(self, world: World, model: str, tmp_path: Path) -> None:
        mixed = []
        for path in (world.before, world.after):
            with rasterio.open(path) as file:
                pixels, profile, names = file.read(), file.profile, file.descriptions
            mixed.append(str(tmp_path / Path(path).name))
            with rasterio.open(mixed[-1], "w", **profile) as file:
                file.write(pixels[::-1])
                file.descriptions = names[::-1]
        codes, _ = world.find(tmp_path / "c.tif", before=mixed[0], after=mixed[1], model=model, extent=world.corner)
        same, _ = world.find(tmp_path / "same.tif", model=model, extent=world.corner)
        assert (codes == same).mean() > 0.99

    def test_takes_the_bands_in_the_order_of_an_encoder_given_too(self, world: World, model: str, tmp_path: Path) -> None:
        """The general look and the model see one list of bands: another order would feed the model infrared for red."""
        with rasterio.open(world.before) as file:
            pixels, profile, names = file.read(), file.profile, file.descriptions
        with rasterio.open(tmp_path / "mixed.tif", "w", **profile) as file:
            file.write(pixels[::-1])
            file.descriptions = names[::-1]
        for number, raster in enumerate((world.before, str(tmp_path / "mixed.tif"))):
            run(Pretrain((raster,), str(tmp_path / f"encoder_{number}.safetensors"), method="random", **FROM_NOTHING))
        world.find(tmp_path / "c.tif", model=model, encoder=str(tmp_path / "encoder_0.safetensors"), extent=world.corner)
        with pytest.raises(ModelFileError, match=r"takes bands 4, 3, 2, 1 .* takes bands 1 to 4"):
            world.find(tmp_path / "c.tif", model=model, encoder=str(tmp_path / "encoder_1.safetensors"), extent=world.corner)

    def test_that_takes_other_bands_than_an_encoder_given_too_is_refused(self, world: World, tmp_path: Path) -> None:
        """As many of them would pass by their number alone, and give wrong classes."""
        encoder, model, turned = (str(tmp_path / f"{name}.safetensors") for name in ("encoder", "model", "turned"))
        run(Pretrain((world.before,), encoder, method="random", bands=(1, 2, 3), **FROM_NOTHING))
        for path, bands in ((model, (4, 1, 2)), (turned, (3, 2, 1))):
            run(Finetune(world.before, world.labels, LAND_COVER, path, head="texture", bands=bands))
        with pytest.raises(ModelFileError, match=r"takes bands 1 to 3 .* takes bands 4, 1, 2"):
            world.find(tmp_path / "c.tif", model=model, encoder=encoder, extent=world.corner)
        listener = Listener()
        world.find(tmp_path / "c.tif", listener, model=turned, encoder=encoder, bands=(1, 2, 3), extent=world.corner)
        assert "are 3, 2, 1 here. Those asked for are used." in listener.warnings

    def test_and_labels_are_not_given_both(self, world: World, model: str, tmp_path: Path) -> None:
        given = {"job": "change", "before": world.before, "after": world.after, "output": str(tmp_path / "c.tif")}
        with pytest.raises(RequestError, match="were both given"):
            from_mapping({**given, "model": model, "labels": world.labels, "field": LAND_COVER})

    def test_that_knows_one_class_knows_no_change(self) -> None:
        with pytest.raises(InputError, match="knows one class alone"):
            check_tells_classes_apart(ClassTable(CLASSES.classes[:1]), "model.safetensors")

    def test_of_other_bands_is_refused(self, world: World, model: str, tmp_path: Path) -> None:
        with pytest.raises(ModelFileError, match="3 bands|4 bands"):
            world.find(tmp_path / "c.tif", model=model, bands=(1, 2, 3))


@pytest.mark.thorough
@pytest.mark.usefixtures("light_head")
def test_a_report_and_polygons_tell_how_much_and_where(world: World, tmp_path: Path) -> None:
    given = {"before": world.before, "after": world.after, "output": str(tmp_path / "c.tif")}
    more = {"polygons": str(tmp_path / "changes.gpkg"), "report": str(tmp_path / "report.html")}
    results = run(Change(**given, **more, labels=world.labels, field=LAND_COVER))
    assert results["changed_low"] <= results["changed"] <= results["changed_high"]
    table = geopandas.read_file(more["polygons"])
    with rasterio.open(given["output"]) as file:
        codes = file.read(1)
    changed = codes > NO_CHANGE_CODE
    assert table["area"].sum() == pytest.approx(changed.sum() * GSD**2, rel=1e-6)
    assert (table["area"] >= 256 * GSD**2 * 0.999).all()
    assert table["confidence"].between(40, 100).all()
    assert (table["before"] != table["after"]).all()
    assert (table["name"] == table["before"] + " → " + table["after"]).all()
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "How much changed" in page
    assert table["name"].iloc[0] in page
    assert "<svg" in page
