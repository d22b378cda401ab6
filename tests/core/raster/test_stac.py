"""A STAC file on disk names rasters. It may be a stranger's: what it can ask for is bounded, and what is wrong is said."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from false_core.dispatch import run
from false_core.errors import FalseError, InputError
from false_core.jobs import ClassifyMany, Pretrain
from false_core.models.model_file import read_card
from false_core.raster.imagery import find_rasters

COG = "image/tiff; application=geotiff; profile=cloud-optimized"


def item(name: str, assets: Any, **more: Any) -> dict[str, Any]:
    """Return an item of STAC 1.0. Assets are addresses by name, or whole assets."""
    described = {
        key: {"href": value, "type": COG, "roles": ["data"]} if isinstance(value, str) else value
        for key, value in assets.items()
    }
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": name, "geometry": None, "links": [], "assets": described,
        "properties": {"datetime": "2024-05-01T00:00:00Z"}, **more,
    }  # fmt: skip


def collection_of(*items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": list(items)}


def catalog(*links: tuple[str, str], kind: str = "Catalog") -> dict[str, Any]:
    listed = [{"rel": relation, "href": href} for relation, href in links]
    return {"type": kind, "stac_version": "1.0.0", "id": "root", "description": "All.", "links": listed}


@pytest.fixture
def write(tmp_path: Path) -> Any:
    """Return a function that writes a document into the folder and returns its path; another one for files in it."""

    def write_document(document: Any, name: str = "items.json") -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
        return str(path)

    return write_document


@pytest.fixture
def there(tmp_path: Path) -> Any:
    def make(*names: str) -> list[str]:
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        return [str(tmp_path / name) for name in names]

    return make


class TestWhereTheRastersAre:
    def test_in_an_item_beside_it(self, write: Any, there: Any) -> None:
        wanted = there("scene/image.tif")
        assert find_rasters([write(item("s", {"image": "./image.tif"}), "scene/s.json")]) == wanted

    def test_in_an_item_collection_in_its_order(self, write: Any, there: Any) -> None:
        wanted = there("z.tif", "a.tif", "sub dir/m.tif")
        items = [item(str(n), {"image": href}) for n, href in enumerate(("z.tif", "./a.tif", "sub%20dir/m.tif"))]
        assert find_rasters([write(collection_of(*items), "search.geojson")]) == wanted

    def test_in_a_catalog_by_its_links(self, write: Any, there: Any) -> None:
        wanted = there("2023/a/a.tif", "2023/b/b.tif", "2024/c.tif")
        write(item("a", {"data": "a.tif"}), "2023/a/a.json")
        write(item("b", {"data": "b.tif"}), "2023/b/b.json")
        write(item("c", {"data": "../2024/c.tif"}), "2024/c.json")
        year = catalog(("root", "../catalog.json"), ("item", "./a/a.json"), ("item", "b/b.json"), kind="Collection")
        write(year, "2023/collection.json")
        top = catalog(("self", "https://far/catalog.json"), ("child", "2023/collection.json"), ("item", "2024/c.json"))
        assert find_rasters([write(top, "catalog.json")]) == wanted

    def test_by_whole_addresses(self, write: Any, there: Any, tmp_path: Path) -> None:
        (one, other) = there("one.tif", "the other.tif")
        items = [item("1", {"x": one}), item("2", {"x": Path(other).as_uri()})]
        assert find_rasters([write(collection_of(*items))]) == [one, other]

    def test_on_the_network_where_they_are_read_in_place(self, write: Any) -> None:
        items = [
            item("1", {"x": "https://host/a b.tif?sig=1"}),
            item("2", {"x": "s3://bucket/deep/b.tif"}),
            item("3", {"x": "gs://bucket/c.tif"}),
            item("4", {"x": "/vsiaz/container/d.tif"}),
        ]
        assert find_rasters([write(collection_of(*items))]) == [
            "/vsicurl/https://host/a b.tif?sig=1",
            "/vsis3/bucket/deep/b.tif",
            "/vsigs/bucket/c.tif",
            "/vsiaz/container/d.tif",
        ]

    def test_relative_to_the_item_itself_where_it_was_saved_without_them(self, write: Any, there: Any) -> None:
        there("here.tif")
        own = {"links": [{"rel": "self", "href": "https://host/stac/scenes/s.json"}]}
        items = [item("1", {"x": "../images/s.tif"}, **own), item("2", {"x": "here.tif"}, **own)]
        found = find_rasters([write(collection_of(*items))])
        assert found[0] == "/vsicurl/https://host/stac/images/s.tif"
        assert Path(found[1]).name == "here.tif", "what lies beside it comes first"
        bucket = {"links": [{"rel": "self", "href": "s3://bucket/stac/s.json"}]}
        assert find_rasters([write(item("1", {"x": "./s.tif"}, **bucket))]) == ["/vsis3/bucket/stac/s.tif"]


class TestWhichAsset:
    SHOWN = {"href": "t.png", "type": "image/png", "roles": ["thumbnail"]}  # noqa: RUF012
    ABOUT = {"href": "m.xml", "type": "application/xml", "roles": ["metadata"]}  # noqa: RUF012

    def test_is_the_only_raster_that_is_not_just_to_look_at(self, write: Any, there: Any) -> None:
        wanted = there("i.tif")
        assets = {"thumb": self.SHOWN, "about": self.ABOUT, "image": {"href": "i.tif", "type": COG}}
        assert find_rasters([write(item("s", assets))]) == wanted

    def test_is_the_only_one_with_the_role_data(self, write: Any, there: Any) -> None:
        wanted = there("i.tif")
        mask = {"href": "cloud.tif", "type": COG, "roles": ["cloud-mask"]}
        assert find_rasters([write(item("s", {"mask": mask, "image": "i.tif"}))]) == wanted

    def test_without_a_media_type_is_told_by_its_ending(self, write: Any, there: Any) -> None:
        wanted = there("i.TIF")
        assert find_rasters([write(item("s", {"image": {"href": "i.TIF"}, "readme": {"href": "r.md"}}))]) == wanted

    def test_can_be_chosen_by_name(self, write: Any, there: Any) -> None:
        wanted = there("red.tif")
        there("nir.tif")
        path = write(item("s", {"red": "red.tif", "nir": "nir.tif"}))
        assert find_rasters([f"{path}|asset=red"]) == wanted
        with pytest.raises(InputError, match=r"item 's' has 2 rasters: 'red', 'nir'.*items\.json\|asset=red.*VRT"):
            find_rasters([path])
        with pytest.raises(InputError, match=r"has no asset 'blue'. It has 'red', 'nir'"):
            find_rasters([f"{path}|asset=blue"])

    def test_that_is_no_raster_is_refused(self, write: Any) -> None:
        path = write(item("s", {"about": self.ABOUT, "thumb": self.SHOWN}))
        with pytest.raises(InputError, match=r"item 's' has no asset that is a raster. It has 'about', 'thumb'"):
            find_rasters([path])
        with pytest.raises(InputError, match=r"the asset 'about' is no raster but 'application/xml'"):
            find_rasters([f"{path}|asset=about"])


class TestWhatIsWrong:
    @pytest.mark.parametrize(
        ("document", "what"),
        [
            ("{", "not valid JSON"),
            ("[" * 100_000, "not valid JSON: it is nested more than 32 levels deep"),
            ('{"type": "Feature", "type": "Catalog"}', "not valid JSON: 'type' is given twice"),
            (collection_of(), "leads to no item"),
            ({"type": "FeatureCollection", "features": "none"}, "leads to no item"),
            (collection_of({"type": "Feature", "geometry": None, "properties": {}}), "features without assets"),
            (item("s", {}), "no asset that is a raster. It has none at all"),
            ({**item("s", {}), "assets": [1]}, "has no assets"),
            (item("s", {"x": {"type": COG}}), "the asset 'x' has no address"),
            (item("s", {"x": "gone.tif"}), "the asset 'x' is .*gone.tif, which does not exist"),
            (item("s", {"x": "ftp://host/a.tif"}), "is at 'ftp://host/a.tif'. Read are files, and addresses of http"),
            (item("s", {"x": "http://[bad/a.tif"}), "is at 'http://"),
            (item("\x1b[31m" + 500 * "s", {"x": "gone.tif"}), r"item '\\x1b\[31msss"),
            (catalog(), "leads to no item"),
            (catalog(("item", "https://far/item.json")), "not on this computer"),
            (catalog(("item", "gone.json")), "links to .*gone.json, which does not exist"),
        ],
    )
    def test_is_said(self, write: Any, document: Any, what: str) -> None:
        with pytest.raises(InputError, match=what):
            find_rasters([write(document)])

    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="does not exist"):
            find_rasters([str(tmp_path / "none.json")])

    def test_a_file_that_may_not_be_read(self, write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        def denied(path: Path, **_: Any) -> None:
            # Permissions do not bind whoever runs tests as root, and Windows has others.
            raise PermissionError(13, "Permission denied", str(path))

        path = write(item("s", {"x": "a.tif"}))
        monkeypatch.setattr(Path, "read_text", denied)
        with pytest.raises(InputError, match=r"The file .*items\.json cannot be read: Permission denied"):
            find_rasters([path])

    def test_a_link_to_something_else(self, write: Any) -> None:
        write(["no", "stac"], "list.json")
        with pytest.raises(InputError, match="to which .*catalog.json leads, is no STAC file"):
            find_rasters([write(catalog(("item", "list.json")), "catalog.json")])

    def test_links_in_a_circle_are_followed_once(self, write: Any, there: Any) -> None:
        wanted = there("a.tif")
        write(item("a", {"x": "a.tif"}), "a.json")
        write(catalog(("child", "one.json"), ("item", "a.json")), "two.json")
        assert find_rasters([write(catalog(("child", "two.json"), ("item", "a.json")), "one.json")]) == wanted

    def test_catalogs_without_end(self, write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        for number in range(40):
            write(catalog(("child", f"{number + 1}.json")), f"{number}.json")
        with pytest.raises(InputError, match="deeper than 32 links"):
            find_rasters([write(catalog(("child", "0.json")), "root.json")])
        monkeypatch.setattr("false_core.raster.stac.MAX_STAC_FILES", 10)
        with pytest.raises(InputError, match="more than 10 files"):
            find_rasters([write(catalog(("child", "0.json")), "root.json")])

    def test_a_file_of_any_size(self, write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("false_core.raster.stac.LARGEST_FILE", 100)
        with pytest.raises(InputError, match="is larger than"):
            find_rasters([write(item("s", {"x": "a.tif"}))])

    @pytest.mark.thorough
    @given(
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.text(max_size=12)
            | st.sampled_from(["Feature", "Catalog", "a.tif"]),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["type", "features", "assets", "href", "links", "rel", "roles", "id", "x"]),
                    inner,
                    max_size=5,
                )
            ),
            max_leaves=20,
        )
    )
    def test_whatever_a_file_holds_the_answer_is_rasters_or_an_error_of_ours(
        self, tmp_path_factory: pytest.TempPathFactory, document: Any
    ) -> None:
        path = tmp_path_factory.mktemp("any") / "any.json"
        path.write_text(json.dumps(document))
        with contextlib.suppress(FalseError):
            assert all(find_rasters([str(path)]))

    def test_json_of_another_kind_is_left_to_gdal(self, write: Any) -> None:
        path = write({"type": "gdal_something"})
        assert find_rasters([path]) == [path]


@pytest.mark.thorough
def test_a_job_learns_from_a_collection_and_maps_it(land: str, model: str, tmp_path: Path) -> None:
    items = []
    for name in ("n", "s"):
        (tmp_path / name).mkdir()
        shutil.copy(land, tmp_path / name / "image.tif")
        items.append(item(name, {"image": f"{name}/image.tif"}))
    path = tmp_path / "items.json"
    path.write_text(json.dumps(collection_of(*items)))
    encoder = str(tmp_path / "e.safetensors")
    run(Pretrain(rasters=(str(path),), encoder=encoder, preset="quick", device="cpu", steps=1, batch_size=4))
    assert read_card(encoder).provenance["rasters"] == ["image.tif", "image.tif"]
    run(ClassifyMany((str(path),), model, str(tmp_path / "maps"), device="cpu"))
    maps = sorted(file.name for file in (tmp_path / "maps").glob("*.tif"))
    assert maps == ["n_image_classified.tif", "s_image_classified.tif"]
