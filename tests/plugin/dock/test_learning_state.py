"""The state of what a session learns: a refusal is told of labels alone, and nothing is kept of what it has answered."""

from __future__ import annotations

from false_core.session_protocol import Learned
from qgis_false.dock.learning_state import LearningState


def test_of_a_session_that_goes_on_for_days_only_what_is_not_answered_is_kept():
    state = LearningState()
    for number in range(1, 5001):
        state.send(number, more=False)
        if number % 10 == 0:
            state.learn(Learned(number - 3, number, 0, 0))
    assert state._unanswered == {4998, 4999, 5000}


def test_labels_far_from_the_view_are_refused_after_those_in_it_were_learned_from():
    state = LearningState()
    state.send(5, more=False)
    state.learn(Learned(5, 4, 2, 0))
    state.refuse(5, "The server is gone.")
    assert state.words(True, None) == "The server is gone."
    state.learn(Learned(5, 4, 2, 0))
    assert state.words(True, None) == "The server is gone."
    state.learn(Learned(5, 6, 0, 0))  # The server is back.
    assert "Learned from 6 labels." in state.words(True, None)
    assert not state._unanswered


def test_labels_far_from_the_view_are_refused_for_classes_that_came_after_them():
    state = LearningState()
    state.send(5, more=False)
    state.send_classes(6)
    state.learn(Learned(6, 4, 2, 0))
    state.refuse(6, "The server is gone.")
    assert state.words(True, None) == "The server is gone."
    state.send_classes(7)
    state.learn(Learned(7, 4, 2, 0))
    assert state.words(True, None) == "The server is gone."
    state.learn(Learned(7, 6, 0, 0))  # The server is back.
    assert "Learned from 6 labels." in state.words(True, None)


def test_other_classes_do_not_silence_the_refusal_of_a_label():
    state = LearningState()
    state.send(5, more=False)
    state.refuse(5, "Label 1 has the class code 300.")
    state.send_classes(6)
    state.learn(Learned(6, 4, 0, 0))
    assert state.words(True, None) == "Label 1 has the class code 300."


def test_the_refusal_of_labels_is_told_and_that_of_anything_else_is_not():
    state = LearningState()
    state.send(7, more=False)
    state.refuse(8, "There is no map yet.")
    assert "There is no map yet." not in state.words(True, None)
    state.refuse(7, "Label 1 has the class code 300.")
    assert state.words(True, None) == "Label 1 has the class code 300."
    assert not state._unanswered and state.sent_by == 0
    state.send(9, more=False)
    assert "300" not in state.words(True, None)
