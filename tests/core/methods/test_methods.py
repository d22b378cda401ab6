"""Every method pretrains an encoder from the same views, goes on where it was interrupted, and says what it saw."""

from __future__ import annotations

import dataclasses
import inspect
import math
import threading
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from small_world import FROM_NOTHING, Listener
from torch import Tensor

from false_core import jobs
from false_core.dispatch import run
from false_core.errors import Cancelled, RequestError
from false_core.events import Event, Metric
from false_core.jobs import Pretrain
from false_core.methods import method
from false_core.methods.method import Method, Outcome, PairMethod, Views, average
from false_core.methods.registry import METHOD_CLASSES, build_method
from false_core.methods.untrained import Untrained
from false_core.models.encoder import build_encoder
from false_core.models.model_file import read_card
from false_core.presets import BOTH, IMAGE, POINTS, PRETRAIN, PretrainSettings

SETTINGS = replace(PRETRAIN["quick"], encoder="test_resnet", hidden=16, dimensions=8, outputs=32, threshold=0.0)
ROOT = Path(__file__).resolve().parents[3]
each_method = pytest.mark.parametrize("name", jobs.METHODS)


def some_views(pairs: int = 4, bands: int = 2, size: int = 32, points: int = 6, seed: int = 0) -> Views:
    """Return a batch of noise. All points but the first of each patch were seen by both views."""
    chance = torch.Generator().manual_seed(seed)
    positions = 2 * torch.rand(2 * pairs, points, 2, generator=chance) - 1
    seen = [row for row in range(pairs * points) if row % max(1, points)]
    kept = torch.tensor(seen + [row + pairs * points for row in seen], dtype=torch.long)
    pixels = torch.randn(2 * pairs, bands, size, size, generator=chance)
    ground = 3 * torch.rand(pairs, 1 + points, 3, generator=chance)
    numbers, local = torch.rand(2 * pairs, 9, generator=chance), torch.randn(4 * pairs, bands, 32, 32, generator=chance)
    return Views(pixels, positions, kept, ground, numbers, local)


def views_for(name: str, **more: int) -> Views:
    """Return views as large as a method wants them: those of jigsaw have four cells."""
    return some_views(size=64 if name == "jigsaw" else 32, **more)


def new(name: str, **changes: Any) -> Method:
    torch.manual_seed(0)
    settings: PretrainSettings = METHOD_CLASSES[name].adapted(replace(SETTINGS, method=name, **changes))
    return build_method(build_encoder(settings.encoder, 2), settings)


def pretraining(land: str, folder: Path, name: str, **more: Any) -> Pretrain:
    settings = {**FROM_NOTHING, "batch_size": 4, **more}
    return Pretrain((land,), str(folder / "encoder.safetensors"), method=name, **settings)


class TestTheRegistry:
    def test_holds_the_methods_that_can_be_asked_for(self) -> None:
        for name in METHOD_CLASSES.keys() - jobs.METHODS.keys():
            pytest.fail(f'Add "{name}": "what tables call it" to METHODS of false_core/jobs/declarations/choices.py.')
        for name in jobs.METHODS.keys() - METHOD_CLASSES.keys():
            pytest.fail(f'Add the line "{name}": its class to METHOD_CLASSES of false_core/methods/registry.py.')

    @pytest.mark.parametrize("file", sorted(Path(method.__file__).parent.glob("*.py")), ids=lambda file: file.stem)
    def test_forgets_no_method_that_has_a_file(self, file: Path) -> None:
        module = import_module(f"false_core.methods.{file.stem}")
        written = {one for one in vars(module).values() if isinstance(one, type) and one.__module__ == module.__name__}
        for one in written - set(METHOD_CLASSES.values()):
            # What has an abstract method is what others derive from.
            if issubclass(one, Method) and not inspect.isabstract(one):
                pytest.fail(f"Add a line with {one.__name__} to METHOD_CLASSES of false_core/methods/registry.py.")

    @each_method
    def test_says_of_each_what_it_learns_from(self, name: str) -> None:
        paradigm, signal = METHOD_CLASSES[name].paradigm, METHOD_CLASSES[name].signal
        assert paradigm.split(",")[0] in ("self-supervised", "unsupervised", "none")
        assert signal
        rows = (ROOT / "docs" / "methods.md").read_text("utf-8").splitlines()
        assert f"| `{name}` | {paradigm} | {signal} |" in rows, "Add its row to the table in docs/methods.md."

    @pytest.mark.thorough
    @each_method
    def test_gives_the_method_that_was_named(self, name: str) -> None:
        assert type(new(name)) is METHOD_CLASSES[name]


@pytest.mark.thorough
@each_method
@pytest.mark.parametrize("level", [IMAGE, POINTS, BOTH])
class TestAMethod:
    @pytest.mark.thorough
    def test_gives_a_loss_that_can_be_differentiated(self, name: str, level: str) -> None:
        method = new(name, level=level)
        outcome = method(views_for(name, points=0 if method.settings.level == IMAGE else 6))
        assert outcome.loss.shape == ()
        assert outcome.loss.isfinite()
        assert not any(value.requires_grad for value in outcome.curves.values())
        torch.autograd.backward(outcome.loss)
        learns = [p for p in method.encoder.parameters() if p.grad is not None and p.grad.abs().max() > 0]
        assert bool(learns) == METHOD_CLASSES[name].by_gradients

    @pytest.mark.thorough
    def test_keeps_all_it_knows_in_its_state(self, name: str, level: str) -> None:
        one, two = new(name, level=level), new(name, level=level)
        one(views_for(name))
        one.after_step(1, 2)
        two.load_state_dict(one.state_dict())
        assert one(views_for(name, seed=1)).loss.equal(two(views_for(name, seed=1)).loss)


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["false", "simclr", "pcl", "moco", "sticl", *jobs.CALIBRATED])
def test_a_contrastive_method_plots_how_similar_positives_and_negatives_are(name: str) -> None:
    curves = {curve.partition(" (")[0] for curve in new(name)(some_views()).curves}
    assert {"similarity of positives", "similarity of negatives"} <= curves


class TestLevels:
    class Shapes(PairMethod):
        """Takes the number of embeddings for a loss."""

        def compare(self, embeddings: Tensor) -> Outcome:
            return Outcome(torch.tensor(float(len(embeddings))), {"dimensions": torch.tensor(embeddings.shape[1])})

    @pytest.mark.parametrize(("level", "wanted"), [(IMAGE, 8), (POINTS, 40), (BOTH, 24)])
    def test_embeddings_stand_for_patches_or_for_points_both_views_see_or_the_losses_are_averaged(
        self, level: str, wanted: int
    ) -> None:
        # 2 * 4 patches; 2 * 4 * 5 of the points.
        method = self.Shapes(build_encoder("test_resnet", 2), replace(SETTINGS, level=level))
        assert method(some_views()).loss.item() == wanted

    def test_curves_are_named_after_their_level_where_there_are_several(self) -> None:
        one, two = (Outcome(torch.tensor(loss), {"similarity": torch.tensor(loss)}) for loss in (1.0, 3.0))
        assert average({POINTS: one}).curves == {"similarity": torch.tensor(1.0)}
        both = average({IMAGE: one, POINTS: two})
        assert both.loss.item() == 2.0
        assert both.curves == {"similarity (image)": torch.tensor(1.0), "similarity (points)": torch.tensor(3.0)}

    def test_a_point_keeps_its_embedding_wherever_the_others_lie(self) -> None:
        method = new("simclr")
        assert isinstance(method, PairMethod)
        method.eval()
        views = some_views()
        features = method.encoder(views.pixels)
        embeddings = method.heads(features, views.points, views.kept)[POINTS]
        fewer = method.heads(features, views.points, views.kept[[3, 17]])[POINTS]
        torch.testing.assert_close(fewer, embeddings[[3, 17]])


class TestUntrained:
    def test_leaves_the_weights_and_lets_the_batch_norms_see_their_inputs(self) -> None:
        method = new("random")
        before = {key: value.clone() for key, value in method.state_dict().items()}
        method(some_views())
        changed = {key for key, value in method.state_dict().items() if not value.equal(before[key])}
        assert changed
        assert all(key.endswith(("running_mean", "running_var", "num_batches_tracked")) for key in changed)

    @pytest.mark.thorough
    def test_is_done_after_a_few_steps_however_many_are_asked_for(self, land: str, tmp_path: Path) -> None:
        outputs = run(pretraining(land, tmp_path, "random", steps=1000, batch_size=2))
        assert outputs["steps"] == Untrained.most_steps


# A method keeps all it knows in its state, see above. PCL keeps most. The others show the same once more.
INTERRUPTED = [pytest.param(name, marks=[] if name in ("false", "pcl") else pytest.mark.slow) for name in jobs.METHODS]


@pytest.mark.thorough
class TestPretraining:
    @pytest.mark.thorough
    @each_method
    def test_ends_with_an_encoder_that_says_how_it_was_made(
        self, land: str, tmp_path: Path, listener: Listener, name: str
    ) -> None:
        job = pretraining(land, tmp_path, name, steps=2, report=str(tmp_path / "report.html"))
        outputs = run(job, listener)
        assert math.isfinite(outputs["loss"])
        assert read_card(job.encoder, "encoder").method["name"] == name
        shown = {event.name for event in listener.all(Metric)}
        assert {"loss", "learning rate"} <= shown
        own = {curve.partition(" (")[0] for curve in new(name)(views_for(name)).curves}
        # Of two levels each has curves of its own.
        assert own <= {curve.partition(" (")[0] for curve in shown}

    @pytest.mark.thorough
    @pytest.mark.parametrize("name", INTERRUPTED)
    def test_goes_on_where_it_was_interrupted_and_ends_as_if_nothing_had_happened(
        self, land: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        # With 7 steps of 4 patches, prototypes have appeared before step 5.
        job = pretraining(land, tmp_path, name, steps=7)
        monkeypatch.setenv("FALSE_CACHE", str(tmp_path / "one cache"))
        run(dataclasses.replace(job, encoder=str(tmp_path / "undisturbed.safetensors")))
        monkeypatch.setenv("FALSE_CACHE", str(tmp_path / "another cache"))
        cancel, steps = threading.Event(), []

        def watch(event: Event) -> None:
            if isinstance(event, Metric):
                steps.append(event.step)
                if event.step == 5:
                    cancel.set()

        with pytest.raises(Cancelled):
            run(job, watch, cancel)
        assert max(steps) == 5
        steps.clear()
        cancel.clear()
        run(job, lambda event: steps.append(event.step) if isinstance(event, Metric) else None)
        assert min(steps) > 5
        one, two = (safetensors.torch.load_file(tmp_path / f"{made}.safetensors") for made in ("undisturbed", "encoder"))
        assert one.keys() == two.keys()
        assert all(one[key].equal(two[key]) for key in one)


class TestFalseNegatives:
    """FNSD and FNCC in methods other than FALSE."""

    @pytest.mark.thorough
    @pytest.mark.parametrize("name", jobs.CALIBRATED)
    def test_are_found_and_change_what_is_learned(self, land: str, tmp_path: Path, listener: Listener, name: str) -> None:
        job = pretraining(land, tmp_path, name, steps=2, threshold=-1.0)
        run(job)
        plain = Path(job.encoder).read_bytes()
        run(dataclasses.replace(job, false_negatives=True), listener)
        assert Path(job.encoder).read_bytes() != plain
        assert read_card(job.encoder).method["false_negatives"]
        assert any(event.name.startswith("similarity of false negatives") for event in listener.all(Metric))

    @pytest.mark.thorough
    @pytest.mark.parametrize("name", jobs.CALIBRATED)
    def test_that_nobody_trusts_leave_the_loss_as_it_is(self, name: str) -> None:
        plain = new(name, level=POINTS, threshold=-1.0)
        untrusting = new(name, level=POINTS, threshold=-1.0, false_negatives=True, confidence=0.0)
        one, other = (method(some_views()).loss.item() for method in (plain, untrusting))
        assert other == pytest.approx(one, rel=1e-5)

    @pytest.mark.parametrize("name", [name for name in jobs.METHODS if name not in (*jobs.CALIBRATED, "false")])
    def test_are_refused_where_there_is_nothing_to_find_them_in(self, land: str, tmp_path: Path, name: str) -> None:
        with pytest.raises(RequestError, match=f"method {name} takes no false_negatives"):
            run(pretraining(land, tmp_path, name, false_negatives=True))

    @pytest.mark.thorough
    def test_are_always_looked_for_by_false(self, land: str, tmp_path: Path) -> None:
        run(pretraining(land, tmp_path, "false", steps=1, false_negatives=True))


@pytest.mark.thorough
class TestAdaptiveConfidence:
    def test_can_be_asked_for_by_its_name_and_is_plotted(self, land: str, tmp_path: Path, listener: Listener) -> None:
        job = pretraining(land, tmp_path, "false", steps=3, confidence="adaptive", threshold=-1.0)
        run(job, listener)
        assert read_card(job.encoder).method["confidence"] == "adaptive"
        trusted = [event.value for event in listener.all(Metric) if event.name == "confidence"]
        assert trusted
        assert all(0 <= value <= 1 for value in trusted)
