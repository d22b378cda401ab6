"""Which head is kept: by cross-validation, in favour of those that do well elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from small_world import Listener

from false_core import feedback as feedback_module
from false_core.errors import Cancelled
from false_core.events import Progress
from false_core.feedback import Feedback
from false_core.models.fused import CURVES, SPECTRUM, TEXTURE, ZOOMS, FusedSpec, Member
from false_core.training.heads import choice
from false_core.training.heads.choice import (
    HeadCandidate,
    HeadComparison,
    HeadSamples,
    candidates_for,
    compare,
    is_clearly_better,
)
from false_core.training.heads.fits import balanced_counts, shape_counts
from false_core.training.heads.folds import ALWAYS_LEARNED, FOLDS
from false_core.training.heads.regression import Linear
from false_core.training.heads.samples import LabelledPoints
from false_core.training.heads.spaces import plain_space


def points(owners: Sequence[int], target_of: Sequence[int]) -> LabelledPoints:
    owner = np.array(owners)
    return LabelledPoints(np.zeros((len(owner), 2)), owner, np.array(target_of)[owner])


def test_shapes_count_alike_and_classes_too() -> None:
    labelled = points([0] * 6 + [1] * 2 + [2] * 3 + [3], target_of=[0, 0, 1, 0])
    for_shapes, for_classes = shape_counts(labelled), balanced_counts(labelled, 3)
    np.testing.assert_allclose(np.bincount(labelled.owners, for_shapes), 1)
    np.testing.assert_allclose(np.bincount(labelled.targets, for_classes), 1)
    of_first_class = np.bincount(labelled.owners, for_classes)[[0, 1, 3]]
    np.testing.assert_allclose(of_first_class, 1 / 3)


@pytest.mark.parametrize("head", ["auto", "linear", "texture"])
@pytest.mark.parametrize("encoders", [1, 2])
def test_weights_of_each_candidate_add_up_to_1_and_a_file_may_hold_it(head: str, encoders: int) -> None:
    candidates = candidates_for(head, (ZOOMS,) * encoders)
    assert len({candidate.name for candidate in candidates}) == len(candidates)
    for candidate in candidates:
        assert sum(member.weight for member in candidate.members) == pytest.approx(1)
        assert len({member.parts for member in candidate.members}) == len(candidate.members)
        spec = FusedSpec(("resnet10t",) * encoders, (ZOOMS,) * encoders, candidate.members)
        assert FusedSpec.from_dict(spec.to_dict()) == spec


def test_a_head_that_was_asked_for_is_the_only_candidate() -> None:
    assert [candidate.name for candidate in candidates_for("linear", (ZOOMS,))] == ["linear"]
    assert [candidate.name for candidate in candidates_for("texture", (ZOOMS,))] == ["texture"]
    parts = {part for member in candidates_for("linear", (ZOOMS, ZOOMS[:1]))[0].members for part in member.parts}
    assert parts == {"encoder 0 at 1", "encoder 0 at 2", "encoder 1 at 1"}


@pytest.mark.parametrize("encoders", [0, 1, 2])
def test_auto_compares_texture_and_the_pixels_own_values_alone_and_together(encoders: int) -> None:
    seen = [{part for member in one.members for part in member.parts} for one in candidates_for("auto", (ZOOMS,) * encoders)]
    for wanted in ({TEXTURE}, {SPECTRUM}, {CURVES}, {TEXTURE, SPECTRUM, CURVES}):
        assert wanted in seen
    if encoders:
        # With the encoders too, each with a weight that an image may need: none of them is best everywhere.
        everything = [one for one in candidates_for("auto", (ZOOMS,) * encoders) if {"encoder 0 at 1", CURVES} <= {
            part for member in one.members for part in member.parts}]  # fmt: skip
        assert len({tuple(member.weight for member in one.members) for one in everything}) == 3


A, B = (HeadCandidate(name, (Member((name,), 1.0),)) for name in (TEXTURE, SPECTRUM))
BOTH = HeadCandidate("both", (Member((TEXTURE, SPECTRUM), 0.5), Member((TEXTURE,), 0.25), Member((SPECTRUM,), 0.25)))
SHAPES = 40


def compared(
    candidates: Sequence[HeadCandidate],
    shown: Mapping[str, float],
    fold_of: np.ndarray | None = None,
    classes: int = 2,
    may_learn_from_raster: bool = True,
    feedback: Feedback | None = None,
    others: Mapping[str, np.ndarray] | None = None,
) -> tuple[HeadComparison, LabelledPoints]:
    """Compare candidates where a part shows the class this clearly: 0 not at all, 5 without any doubt."""
    chance = np.random.default_rng(0)
    target_of = np.arange(SHAPES) % classes
    labelled = points(np.repeat(np.arange(SHAPES), 10).tolist(), target_of.tolist())
    features = {
        part: (clear * np.eye(classes)[labelled.targets] + chance.normal(size=(len(labelled.owners), classes))).astype(
            np.float32
        )
        for part, clear in shown.items()
    }
    spaces = {part: plain_space(classes, 1.0, 0.5) for part in shown}
    folds = np.arange(SHAPES) // classes % FOLDS if fold_of is None else fold_of
    feedback = feedback or Listener().feedback
    unlabelled = features if may_learn_from_raster else {}
    other_pixels = features if others is None else others
    samples = HeadSamples(spaces, labelled, features, folds, classes, unlabelled, other_pixels)
    found = compare(candidates, samples, feedback, at_step=feedback.stop_if_cancelled)
    return found, labelled


def test_the_one_that_is_clearly_better_is_chosen() -> None:
    for better, shown in ((A, {TEXTURE: 4.0, SPECTRUM: 0.0}), (B, {TEXTURE: 0.0, SPECTRUM: 4.0})):
        for order in ((A, B), (B, A)):
            found, _ = compared(order, shown)
            assert found.chosen == better
            assert found.scores[order.index(better)] > 0.9 and found.scores[1 - order.index(better)] < 0.5


def test_of_those_as_good_the_first_is_chosen() -> None:
    again = HeadCandidate("again", A.members)
    for order in ((A, again), (again, A)):
        found, _ = compared(order, {TEXTURE: 2.0})
        assert found.scores[0] == found.scores[1] and found.chosen == order[0]


def test_one_that_is_worse_by_little_is_not_chosen() -> None:
    found, _ = compared((A, B), {TEXTURE: 2.0, SPECTRUM: 1.8})
    assert found.chosen == A


def of_shapes(number: int, each: int = 5) -> LabelledPoints:
    owners = np.repeat(np.arange(number), each)
    return LabelledPoints(np.zeros((number * each, 2)), owners, owners % 2)


def test_a_gain_counts_shapes_and_not_their_pixels() -> None:
    one_shape = np.zeros(200)
    one_shape[:5] = 1
    assert not is_clearly_better(one_shape, np.zeros(200), of_shapes(40), 2, 1.5)
    half_of_them = (np.repeat(np.arange(40) % 4 < 2, 5)).astype(float)
    assert is_clearly_better(half_of_them, np.zeros(200), of_shapes(40), 2, 2.0)


def test_few_shapes_do_not_choose() -> None:
    assert not is_clearly_better(np.ones(55), np.zeros(55), of_shapes(11), 2, 1.0)
    assert is_clearly_better(np.ones(60), np.zeros(60), of_shapes(12), 2, 1.0)


@pytest.mark.parametrize(
    ("held", "for_few", "is_chosen"),
    [(11, True, True), (11, False, False), (12, True, False), (12, False, True), (3, True, False), (0, True, False)],
)
def test_few_shapes_choose_one_that_is_meant_for_them_and_no_other(held: int, for_few: bool, is_chosen: bool) -> None:
    folds = np.arange(SHAPES) // 2 % FOLDS
    folds[held:] = ALWAYS_LEARNED
    better = HeadCandidate("better", B.members, for_few=for_few)
    found, _ = compared((A, better), {TEXTURE: 0.0, SPECTRUM: 4.0}, folds)
    assert (found.chosen == better) == is_chosen


def test_one_that_is_more_probable_and_no_more_often_right_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    surer, shown = HeadCandidate("surer", BOTH.members), {TEXTURE: 4.0, SPECTRUM: 4.0}
    assert compared((A, surer), shown)[0].chosen == A
    monkeypatch.setattr(choice, "ACCURACY_GAINED", -1.0)
    assert compared((A, surer), shown)[0].chosen == surer


def test_auto_asks_more_of_candidates_that_drop_the_encoders_than_of_those_that_add_to_them() -> None:
    first, *others = candidates_for("auto", (ZOOMS,))
    seen = {one.name: {part for member in one.members for part in member.parts} for one in others}
    adds = [one for one in others if "encoder 0 at 1" in seen[one.name]]
    drops = [one for one in others if one not in adds]
    assert len(adds) > 2 and drops
    assert max(one.standard_errors for one in adds if not one.for_few) < min(one.standard_errors for one in drops)
    (near,) = [one for one in others if one.for_few]
    assert near.members[-1] == Member((CURVES,), pytest.approx(1 / 6)) and len(near.members) == len(first.members) + 1
    assert {part for member in first.members for part in member.parts} == {"encoder 0 at 1", "encoder 0 at 2", TEXTURE}


@pytest.mark.parametrize(("classes", "judged"), [(2, True), (3, False), (4, False)])
def test_where_many_classes_cannot_be_held_out_nothing_is_judged(classes: int, judged: bool) -> None:
    """What is best for two classes may take a third one, of a single polygon and half of the raster, for one of them."""
    assert is_clearly_better(np.ones(200), np.zeros(200), of_shapes(40), classes, 1.0) == judged


def test_the_first_is_kept_where_many_classes_cannot_be_held_out() -> None:
    folds = np.arange(SHAPES) // 3 % FOLDS
    folds[np.arange(SHAPES) % 3 == 2] = ALWAYS_LEARNED
    found, _ = compared((A, B), {TEXTURE: 0.0, SPECTRUM: 4.0}, folds, classes=3)
    assert found.chosen == A and found.scores[1] > found.scores[0] and not found.was_checked
    assert compared((A, B), {TEXTURE: 0.0, SPECTRUM: 4.0}, classes=3)[0].chosen == B


def test_a_candidate_that_is_too_sure_of_itself_is_not_worse_for_that() -> None:
    labelled = of_shapes(40)
    chance = np.random.default_rng(0)
    modest = (np.eye(2)[labelled.targets] + chance.normal(0, 1, (200, 2))).astype(np.float32)
    told, of_sure = (choice._log_likelihood(answer, labelled, 2) for answer in (modest, 4 * modest))
    assert np.abs(told.mean() - of_sure.mean()) < 0.03
    ignorant = choice._log_likelihood(chance.normal(0, 1, (200, 2)).astype(np.float32), labelled, 2)
    assert told.mean() > ignorant.mean() + 0.1
    np.testing.assert_allclose(choice._log_likelihood(modest + 7, labelled, 2), told, atol=1e-5)


def test_probabilities_choose_where_hits_are_too_few_to() -> None:
    """Both are right as often, but one of them is nearer to the truth where it is wrong."""
    labelled = of_shapes(14)
    right = np.arange(14) % 3 > 0
    told = np.where(np.repeat(right, 5), 0.9, 0.45)
    near, far = (np.stack([told, 1 - told], axis=1) for told in (told, np.where(told < 0.5, 0.05, told)))
    answers = [np.log(np.where(labelled.targets[:, None] == 0, one, one[:, ::-1])).astype(np.float32) for one in (near, far)]
    values = [choice._log_likelihood(answer, labelled, 2) for answer in answers]
    assert is_clearly_better(values[0], values[1], labelled, 2, 1.0)
    assert not is_clearly_better(values[1], values[0], labelled, 2, 1.0)


def test_a_fusion_is_better_than_either_where_both_know_something() -> None:
    found, _ = compared((A, B, BOTH), {TEXTURE: 1.2, SPECTRUM: 1.2})
    assert found.chosen == BOTH and found.scores[2] > max(found.scores[:2]) + 0.05


def test_a_sample_is_asked_of_classifiers_that_have_not_learned_from_its_fold() -> None:
    """Where the class is nowhere to be seen, what is answered is no better than guessed."""
    found, labelled = compared((A,), {TEXTURE: 0.0})
    right = (found.log_probabilities.argmax(axis=1) == labelled.targets[found.held_out]).mean()
    assert 0.35 < right < 0.6
    np.testing.assert_array_equal(found.held_out, np.arange(len(labelled.targets)))


def test_what_is_always_learned_is_never_asked() -> None:
    folds = np.arange(SHAPES) // 2 % FOLDS
    folds[:7] = ALWAYS_LEARNED
    found, labelled = compared((A, B), {TEXTURE: 4.0, SPECTRUM: 0.0}, folds)
    np.testing.assert_array_equal(np.unique(labelled.owners[found.held_out]), np.arange(7, SHAPES))
    assert len(found.log_probabilities) == len(found.held_out)


def test_where_nothing_can_be_held_out_the_first_is_taken_unseen() -> None:
    found, _ = compared((A, B), {TEXTURE: 0.0, SPECTRUM: 4.0}, np.full(SHAPES, ALWAYS_LEARNED))
    assert found.chosen == A and np.isnan(found.scores).all() and not len(found.held_out)


def test_answers_are_logarithms_of_probabilities_of_all_classes() -> None:
    found, _ = compared((A,), {TEXTURE: 2.0}, classes=4)
    assert found.log_probabilities.shape[1] == 4
    np.testing.assert_allclose(np.exp(found.log_probabilities).sum(axis=1), 1, rtol=1e-4)


def test_what_was_chosen_learns_from_the_raster_too_and_is_asked_as_it_will_be() -> None:
    alone, labelled = compared((A,), {TEXTURE: 1.0}, may_learn_from_raster=False)
    both, _ = compared((A,), {TEXTURE: 1.0})
    assert both.learns_from_raster and not alone.learns_from_raster
    assert alone.scores == both.scores
    assert not np.allclose(alone.log_probabilities, both.log_probabilities)
    assert not np.allclose(alone.on_raster, both.on_raster)
    right = [(one.log_probabilities.argmax(axis=1) == labelled.targets[one.held_out]).mean() for one in (alone, both)]
    assert right[1] > right[0] - 0.05


def test_a_raster_that_misleads_is_not_learned_from(monkeypatch: pytest.MonkeyPatch) -> None:
    def misled(members, fitted, *more, **others):  # type: ignore[no-untyped-def]
        return {parts: Linear(-own.weights, -own.bias) for parts, own in fitted.items()}

    shown = {TEXTURE: 4.0}
    alone, _ = compared((A,), shown, may_learn_from_raster=False)
    monkeypatch.setattr(choice, "learn_from_raster", misled)
    found, _ = compared((A,), shown)
    assert not found.learns_from_raster
    np.testing.assert_array_equal(found.log_probabilities, alone.log_probabilities)
    np.testing.assert_array_equal(found.on_raster, alone.on_raster)


def test_pixels_that_say_how_sure_it_is_of_the_raster_are_not_those_that_it_learned_from() -> None:
    doubtful = {TEXTURE: np.zeros((30, 2), np.float32)}
    found, labelled = compared((A,), {TEXTURE: 4.0}, others=doubtful)
    again, _ = compared((A,), {TEXTURE: 4.0})
    assert found.on_raster.shape == (FOLDS * 30, 2) and again.on_raster.shape == (FOLDS * len(labelled.owners), 2)
    assert np.exp(found.on_raster.max(axis=1)).mean() < 0.75 < np.exp(again.on_raster.max(axis=1)).mean()
    # They say how far to lean to a class, which is the same for all labels of a fold, and nothing else.
    first, second = (one.log_probabilities[:, 0] - one.log_probabilities[:, 1] for one in (found, again))
    fold = (np.arange(SHAPES) // 2 % FOLDS)[labelled.owners[found.held_out]]
    assert max(np.ptp((first - second)[fold == number]) for number in range(FOLDS)) < 1e-3


@pytest.mark.parametrize(("held", "learns", "leans"), [(SHAPES, True, True), (SHAPES, False, False), (11, True, False)])
def test_what_was_chosen_leans_to_what_covers_the_raster(held: int, learns: bool, leans: bool) -> None:
    """Not where it learns from labels alone, nor where too few are held out to say what its probabilities are worth."""
    folds = np.arange(SHAPES) // 2 % FOLDS
    folds[held:] = ALWAYS_LEARNED
    first = {TEXTURE: np.tile(np.array([[4.0, 0.0]], np.float32), (30, 1))}
    shares = []
    for others in (None, first):
        found, _ = compared((A,), {TEXTURE: 0.3}, folds, may_learn_from_raster=learns, others=others)
        assert found.learns_from_raster == learns
        shares.append((found.log_probabilities.argmax(axis=1) == 0).mean())
    assert (shares[1] > shares[0] + 0.1) if leans else shares[1] == shares[0]


def test_leaning_that_makes_held_out_labels_clearly_worse_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all of the raster seems to be of one class, but the labels of all four are told apart nearly without a doubt."""
    first = {TEXTURE: np.tile(np.array([[9.0, 0.0, 0.0, 0.0]], np.float32), (30, 1))}
    found, _ = compared((A,), {TEXTURE: 3.0}, classes=4, others=first)
    monkeypatch.setattr(choice, "with_adjusted_prior", lambda shares, prior_adjusted, fitted: fitted)
    as_before, _ = compared((A,), {TEXTURE: 3.0}, classes=4, others=first)
    assert found.learns_from_raster and not found.prior_adjusted.any()
    np.testing.assert_array_equal(found.log_probabilities, as_before.log_probabilities)
    np.testing.assert_array_equal(found.on_raster, as_before.on_raster)


def test_only_classes_of_which_labels_were_held_out_lean() -> None:
    folds = np.arange(SHAPES) // 4 % FOLDS
    folds[np.arange(SHAPES) % 4 == 3] = ALWAYS_LEARNED
    found, _ = compared((A,), {TEXTURE: 4.0}, folds, classes=4)
    assert found.prior_adjusted.tolist() == [True, True, True, False]
    assert compared((A,), {TEXTURE: 4.0}, classes=4)[0].prior_adjusted.all()


@pytest.mark.parametrize(("held", "checked"), [(0, False), (11, False), (12, True), (SHAPES, True)])
def test_learning_from_the_raster_is_checked_where_enough_shapes_are_held_out(held: int, checked: bool) -> None:
    folds = np.arange(SHAPES) // 2 % FOLDS
    folds[held:] = ALWAYS_LEARNED
    assert compared((A,), {TEXTURE: 4.0}, folds)[0].was_checked == checked
    assert not compared((A,), {TEXTURE: 4.0}, folds, may_learn_from_raster=False)[0].was_checked


def test_the_fits_to_the_raster_are_followed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feedback_module, "SHORTEST_INTERVAL_S", 0.0)
    listener = Listener()
    feedback = listener.feedback
    with feedback.stage("Comparing heads", 1.0):
        compared((BOTH,), {TEXTURE: 1.0, SPECTRUM: 1.0}, feedback=feedback)
    told = [event.fraction for event in listener.all(Progress)]
    fits = 2 * FOLDS * len(BOTH.members)
    np.testing.assert_allclose(told, [0, *(np.arange(fits) / fits), 1])


def test_the_fits_to_the_raster_end_at_a_step_where_the_job_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    cancel = threading.Event()
    steps = 0

    class Cancelling(Feedback):
        def stop_if_cancelled(self) -> None:
            nonlocal steps
            steps += cancel.is_set()
            super().stop_if_cancelled()

    learn = choice.learn_from_raster

    def cancelled_before(members, fitted, labelled, own, unlabelled, classes, at_step, before_fit):  # type: ignore[no-untyped-def]
        # Within a fit, after it was told of.
        return learn(members, fitted, labelled, own, unlabelled, classes, at_step, before_fit=cancel.set)

    monkeypatch.setattr(choice, "learn_from_raster", cancelled_before)
    with pytest.raises(Cancelled):
        compared((A,), {TEXTURE: 1.0}, feedback=Cancelling(cancel=cancel))
    assert steps == 1
