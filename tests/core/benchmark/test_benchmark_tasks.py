"""Tasks are what a TOML file says, or what the files of a folder are called."""

from __future__ import annotations

from pathlib import Path

import geopandas
import numpy as np
import pytest
import shapely
from small_world import write_labels, write_raster

from false_core.benchmark.encoders import check_encoders, encoder_called
from false_core.benchmark.ready_tasks import tasks_of_data
from false_core.benchmark.tasks import AREAS, CHANGE, LIKENESS, SEGMENTATION, lead_to_server, read_tasks
from false_core.errors import InputError, ModelFileError, RequestError

BOX = shapely.box(500_000, 5_599_990, 500_005, 5_600_000)
SEGMENTATION_OF_LAND = 'name = "land"\nkind = "segmentation"\nraster = "r.tif"\n'


def toml(folder: Path, *tables: str) -> str:
    file = folder / "tasks.toml"
    file.write_text("".join(f"[[tasks]]\n{table}\n" for table in tables), encoding="utf-8")
    return str(file)


def raster(path: Path) -> str:
    path.parent.mkdir(exist_ok=True)
    return write_raster(path, np.ones((1, 8, 8), np.uint8))


def layer(path: Path, **fields: str) -> None:
    table = geopandas.GeoDataFrame({name: [value] for name, value in fields.items()}, geometry=[BOX], crs="EPSG:32633")
    table.to_file(path, driver="GPKG", engine="pyogrio")


class TestAFile:
    def test_names_tasks_with_paths_from_its_own_folder(self, tmp_path: Path) -> None:
        places = 'name = "places"\nkind = ["areas", "likeness"]\nraster = "m.vrt"\n'
        places += 'labels = "c.gpkg|layername=c"\nfield = "kind"\n'
        tasks = read_tasks([toml(tmp_path, SEGMENTATION_OF_LAND + 'truth = "t.tif"', places + 'split = "use"')])
        assert [(task.name, task.kind) for task in tasks] == [
            ("land", SEGMENTATION), ("places, areas", AREAS), ("places, likeness", LIKENESS),
        ]  # fmt: skip
        assert tasks[0].truth == str(tmp_path / "t.tif")
        assert tasks[1].labels == f"{tmp_path / 'c.gpkg'}|layername=c"
        assert (tasks[2].field, tasks[2].split) == ("kind", "use")

    @pytest.mark.parametrize(
        ("table", "said"),
        [
            (SEGMENTATION_OF_LAND, "needs truth or labels"),
            (SEGMENTATION_OF_LAND + 'labels = "l.gpkg"', "needs field"),
            (SEGMENTATION_OF_LAND.replace("segmentation", "areas"), "needs labels"),
            (SEGMENTATION_OF_LAND.replace("segmentation", "change") + 'truth = "t.tif"', "needs after and truth"),
            (
                SEGMENTATION_OF_LAND + 'truth = "t.tif"\nunseen_raster = "u.tif"',
                "unseen_raster and unseen_truth go together",
            ),
            (SEGMENTATION_OF_LAND + 'truth = "t.tif"\nsplit = "use"', "has no split"),
        ],
    )
    def test_is_refused_where_a_task_lacks_something(self, tmp_path: Path, table: str, said: str) -> None:
        with pytest.raises(RequestError, match=said):
            read_tasks([toml(tmp_path, table)])

    def test_is_refused_where_two_tasks_have_one_name(self, tmp_path: Path) -> None:
        with pytest.raises(RequestError, match="Several tasks are called land"):
            read_tasks([toml(tmp_path, *[SEGMENTATION_OF_LAND + 'truth = "t.tif"'] * 2)])

    def test_that_is_not_there_is_said(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="The file of tasks .* cannot be read"):
            read_tasks([str(tmp_path / "no.toml")])
        with pytest.raises(InputError, match="is no folder and no file"):
            read_tasks([str(tmp_path / "nowhere")])


class TestAFolder:
    def test_is_what_its_files_are_called(self, tmp_path: Path) -> None:
        image, truth = raster(tmp_path / "fields" / "photo.tif"), raster(tmp_path / "fields" / "truth.tif")
        write_labels(tmp_path / "fields" / "labels.gpkg", ["corn"], [BOX], field="crop")
        layer(tmp_path / "fields" / "areas.gpkg", number="7", scene="farm", split="train")
        segmentation, areas, likeness = read_tasks([str(tmp_path / "fields")])
        assert (segmentation.name, segmentation.raster, segmentation.truth) == ("fields", image, truth)
        assert segmentation.field == "crop"
        assert (areas.kind, areas.field, areas.split) == (AREAS, "scene", "split")
        assert likeness.kind == LIKENESS

    def test_with_two_dates_and_known_change_is_one_of_change(self, tmp_path: Path) -> None:
        files = [raster(tmp_path / "valley" / f"{name}.tif") for name in ("before", "after", "truth")]
        (task,) = read_tasks([str(tmp_path / "valley")])
        assert (task.kind, [task.raster, task.after, task.truth]) == (CHANGE, files)
        assert (task.labels, task.land_cover) == ("", "")

    def test_of_change_may_have_labels_of_the_earlier_date(self, tmp_path: Path) -> None:
        for name in ("before", "after", "truth", "land_cover"):
            raster(tmp_path / "valley" / f"{name}.tif")
        layer(tmp_path / "valley" / "labels.gpkg", crop="corn")
        (task,) = read_tasks([str(tmp_path / "valley")])
        assert (task.kind, task.field) == (CHANGE, "crop")
        assert (Path(task.labels).name, Path(task.land_cover).name) == ("labels.gpkg", "land_cover.tif")
        table = SEGMENTATION_OF_LAND.replace("segmentation", "change") + 'truth = "t.tif"\nafter = "a.tif"\n'
        (task,) = read_tasks([toml(tmp_path, table + 'labels = "l.gpkg"\nfield = "kind"\nland_cover = "c.tif"')])
        assert (task.labels, task.field, task.land_cover) == (str(tmp_path / "l.gpkg"), "kind", str(tmp_path / "c.tif"))

    def test_may_say_in_a_file_what_it_is(self, tmp_path: Path) -> None:
        body = 'kind = "segmentation"\nraster = "a.tif"\ntruth = "b.tif"\n'
        (tmp_path / "task.toml").write_text(body, encoding="utf-8")
        (task,) = read_tasks([str(tmp_path)])
        assert (task.name, task.truth) == (tmp_path.name, str(tmp_path / "b.tif"))

    def test_is_told_nothing_of_the_environment(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SECRET", "hidden")
        table = 'name = "a"\nkind = "segmentation"\nraster = "$SECRET.tif"\ntruth = "b.tif"\n'
        (tmp_path / "task.toml").write_text(table, encoding="utf-8")
        assert read_tasks([str(tmp_path)])[0].raster == str(tmp_path / "$SECRET.tif")
        assert read_tasks([toml(tmp_path, table)])[0].raster == str(tmp_path / "hidden.tif")

    def test_does_not_open_the_network_as_a_file_does_that_was_named(self, tmp_path: Path) -> None:
        table = 'name = "a"\nkind = "segmentation"\nraster = "/vsis3/archive/a.tif"\ntruth = "b.tif"\n'
        (tmp_path / "task.toml").write_text(table, encoding="utf-8")
        assert not lead_to_server([str(tmp_path)])
        assert lead_to_server([toml(tmp_path, table)])
        assert not lead_to_server([])

    def test_has_the_same_mark_wherever_it_lies_and_another_one_with_other_files(self, tmp_path: Path) -> None:
        marks = []
        for name in ("here", "there", "other"):
            (tmp_path / name).mkdir()
            raster(tmp_path / name / "photo.tif")
            write_raster(tmp_path / name / "truth.tif", np.ones((1, 8, 80 if name == "other" else 8), np.uint8))
            marks.append(read_tasks([str(tmp_path / name)])[0].mark)
        assert marks[0] == marks[1] != marks[2]

    def test_that_holds_no_task_is_said(self, tmp_path: Path) -> None:
        raster(tmp_path / "photo.tif")
        with pytest.raises(InputError, match=r"is no task: it holds 1 rasters beside the truth, and no truth\.tif"):
            read_tasks([str(tmp_path)])

    def test_with_a_layer_whose_class_field_is_not_clear_is_said(self, tmp_path: Path) -> None:
        raster(tmp_path / "photo.tif")
        layer(tmp_path / "areas.gpkg", one="a", other="b")
        with pytest.raises(InputError, match="Which field of .* holds the class. It has one, other"):
            read_tasks([str(tmp_path)])

    def test_of_known_data_gives_the_tasks_whose_files_are_there(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="holds no task that is known"):
            tasks_of_data(tmp_path)
        for name in ("scene", "scene_truth", "unseen", "unseen_truth"):
            raster(tmp_path / "deepglobe" / f"{name}.tif")
        assert [task.name for task in tasks_of_data(tmp_path)] == ["DeepGlobe", "DeepGlobe, unseen tile"]


class TestAnEncoder:
    def test_is_called_by_a_word(self) -> None:
        none, general, untrained, of_timm, chosen = map(
            encoder_called, ("none", "general", "random", "resnet10t", "resnet10t.c3_in1k")
        )
        assert not none.members
        assert general.members[0].weights == "general"
        assert untrained.members[0].backbone == general.members[0].backbone
        assert untrained.members[0].weights == "none"
        assert (of_timm.members[0].backbone, of_timm.members[0].weights) == ("resnet10t", "imagenet")
        assert chosen.members[0].weights == "resnet10t.c3_in1k"

    def test_of_components_has_no_weights_but_those_of_a_file(self) -> None:
        with pytest.raises(RequestError, match="no weights of pca.* Pretrain with the method pca and name its encoder file"):
            encoder_called("pca")

    @pytest.mark.thorough
    def test_may_be_a_file_and_stand_beside_the_general_one(self, encoder: str) -> None:
        alone, both = encoder_called(encoder), encoder_called(f"general+{encoder}")
        assert (alone.name, both.name) == ("encoder", "general+encoder")
        assert both.file == alone.file == encoder
        assert [member.backbone for member in both.members] == ["tf_efficientnet_lite0", "test_resnet"]

    def test_of_which_there_is_none_is_said(self, tmp_path: Path) -> None:
        with pytest.raises(RequestError, match="There is no encoder 'resnet_of_mine'"):
            encoder_called("resnet_of_mine")
        with pytest.raises(ModelFileError, match="does not exist"):
            encoder_called(str(tmp_path / "gone.safetensors"))

    def test_is_asked_for_once(self) -> None:
        with pytest.raises(RequestError, match="Several encoders are called none"):
            check_encoders([encoder_called("none")] * 2)
        with pytest.raises(RequestError, match="There is no encoder to compare"):
            check_encoders([])
