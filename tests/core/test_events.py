"""What a job says back: one JSON object per line, and nothing else passes for one."""

from __future__ import annotations

import contextlib
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from false_core.events import (
    LONGEST_LINE,
    Artifact,
    Event,
    Failed,
    Finished,
    Message,
    Metric,
    Progress,
    Started,
    decode,
    encode,
)
from false_core.line_protocol import ProtocolError

EVENTS = [
    Started("pretrain", "0.1.0", 4711),
    Progress(0.5, "Training"),
    Progress(1, "Training", 12.5, "212 crops/s"),
    Metric(10, "loss", 1.25),
    Message("warning", 'Zwei Zeilen\nund "Zitat" – 地図 🌍'),
    Artifact("report", "/tmp/with space/r.html"),
    Finished(),
    Finished({"model": "m.safetensors", "oa": 0.9, "pixels": 10**12, "nothing": None, "nested": {"a": [1, "b"]}}),
    Failed("It broke."),
    Failed("It broke.", "Mend it.", "input", "Traceback\n  ..."),
]

text = st.text(max_size=40)
finite = st.floats(allow_nan=False, allow_infinity=False)
results = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | finite | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)
any_event = st.one_of(
    st.builds(Started, text, text, st.integers(0, 2**31)),
    st.builds(Progress, st.floats(0, 1), text, st.none() | finite, text),
    st.builds(Metric, st.integers(0, 10**9), text, finite),
    st.builds(Message, st.sampled_from(["info", "warning"]), text),
    st.builds(Artifact, text, text),
    st.builds(Finished, st.dictionaries(text, results, max_size=4)),
    st.builds(Failed, text, text, text, text),
)


class TestAnEvent:
    @pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
    def test_comes_back_as_it_was(self, event: Event) -> None:
        assert decode(encode(event)) == event

    @pytest.mark.thorough
    @given(any_event)
    def test_any_event_survives_a_line_of_json(self, event: Event) -> None:
        line = encode(event)
        assert len(line.splitlines()) == 1
        assert line.isascii()
        assert decode(line) == event

    def test_is_named_in_its_line(self) -> None:
        assert json.loads(encode(Progress(0.25, "Reading"))) == {
            "event": "progress",
            "fraction": 0.25,
            "stage": "Reading",
            "eta_s": None,
            "rate": "",
        }

    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
    def test_holds_a_metric_that_is_no_number_as_a_gap(self, value: float) -> None:
        line = encode(Metric(3, "loss", value))
        assert json.loads(line)["value"] is None
        back = decode(line)
        assert isinstance(back, Metric)
        assert math.isnan(back.value)
        assert (back.step, back.name) == (3, "loss")

    def test_hands_over_results_that_are_no_number_as_null(self) -> None:
        assert decode(encode(Finished({"oa": math.nan, "all": [1.0, math.inf]}))) == Finished(
            {"oa": None, "all": [1.0, None]}
        )


class TestWhatIsNoEvent:
    @pytest.mark.parametrize(
        "line",
        [
            "",
            "Epoch 1/10",
            "null",
            "[]",
            "{}",
            "{",
            '"progress"',
            '{"event": "explode"}',
            '{"event": ["progress"]}',
            '{"event": "__class__"}',
            '{"event": "progress"}',
            '{"event": "progress", "fraction": 0.5}',
            '{"event": "progress", "fraction": "0.5", "stage": "x"}',
            '{"event": "progress", "fraction": true, "stage": "x"}',
            '{"event": "progress", "fraction": null, "stage": "x"}',
            '{"event": "progress", "fraction": NaN, "stage": "x"}',
            '{"event": "progress", "fraction": 1e999, "stage": "x"}',
            '{"event": "progress", "fraction": 1' + "0" * 400 + ', "stage": "x"}',
            '{"event": "progress", "fraction": 0.5, "stage": "x", "eta_s": -Infinity}',
            '{"event": "progress", "fraction": 0.5, "stage": "x", "colour": "red"}',
            '{"event": "metric", "step": 1.5, "name": "loss", "value": 1}',
            '{"event": "metric", "step": 1, "name": "loss"}',
            '{"event": "finished", "outputs": []}',
            '{"event": "finished", "outputs": {"oa": NaN}}',
            '{"event": "failed", "what": null}',
            '{"event": "message", "level": "info", "text": 1}',
            "[" * 100_000,
            "9" * 5_000,
            '{"event": "message", "level": "info", "text": "' + "x" * LONGEST_LINE + '"}',
        ],
        ids=lambda line: line[:70],
    )
    def test_is_refused(self, line: str) -> None:
        with pytest.raises(ProtocolError):
            decode(line)

    @pytest.mark.thorough
    @given(st.text())
    def test_is_refused_whatever_it_is(self, line: str) -> None:
        with pytest.raises(ProtocolError):
            decode(line)

    @pytest.mark.thorough
    @given(st.dictionaries(st.sampled_from(["event", "fraction", "stage", "step", "value", "what", "outputs"]), results))
    def test_never_raises_anything_but_a_protocol_error(self, body: dict[str, object]) -> None:
        with contextlib.suppress(ProtocolError):
            decode(json.dumps(body))
