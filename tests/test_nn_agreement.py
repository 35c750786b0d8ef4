"""Every loss, metric, optimizer, schedule and small part against Keras (JAX): the cases behind docs/agreement.md."""

from __future__ import annotations

import os
import pathlib
import sys

import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")
pytest.importorskip("keras")

ROOT = pathlib.Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import agreement  # noqa: E402
from agreement_losses import CASES as LOSSES  # noqa: E402
from agreement_losses import differences  # noqa: E402
from agreement_metrics import CASES as METRICS  # noqa: E402
from agreement_metrics import VALUES, difference, value_difference  # noqa: E402

optimizer_cases, part_cases = agreement.optimizer_cases, agreement.part_cases

# Keras takes the covariance from uncentred targets; Lamella's is the exact one.
LOOSE = {"ConcordanceCorrelation": 1e-4}


def ids(cases):
    return [f"{case.name}-{index}" for index, case in enumerate(cases)]


@pytest.mark.parametrize("case", LOSSES, ids=ids(LOSSES))
def test_losses(case):
    value, gradient = differences(case)
    assert value < 2e-6
    assert gradient is None or gradient < 5e-6


@pytest.mark.filterwarnings("ignore:Explicitly requested dtype int64")
@pytest.mark.parametrize("case", METRICS, ids=ids(METRICS))
def test_metrics(case):
    assert difference(case) < LOOSE.get(case.name, 1e-5)


@pytest.mark.parametrize("name", VALUES)
def test_metrics_of_values(name):
    assert value_difference(name) < 1e-6


@pytest.mark.parametrize("case", optimizer_cases.CASES, ids=ids(optimizer_cases.CASES))
def test_optimizers(case):
    assert optimizer_cases.difference(case) < 5e-6


def test_wrapping_optimizers():
    assert optimizer_cases.loss_scale_difference() < 1e-6
    assert optimizer_cases.multi_difference() < 5e-6


@pytest.mark.parametrize("case", optimizer_cases.SCHEDULES, ids=ids(optimizer_cases.SCHEDULES))
def test_schedules(case):
    assert optimizer_cases.schedule_difference(case) < 1e-6


@pytest.mark.parametrize("name", part_cases.ACTIVATIONS)
def test_activations(name):
    value, gradient = part_cases.activation_differences(name)
    assert value < 1e-6 and (gradient is None or gradient < 1e-5)


@pytest.mark.parametrize("name", part_cases.RANDOM)
def test_random_initializers_have_the_distribution_of_keras(name):
    distance, bound = part_cases.distribution_distance(name)
    assert distance < bound


def test_fixed_initializers_penalties_and_projections():
    assert max(part_cases.fixed_difference(name) for name in part_cases.FIXED) < 2e-6
    assert max(part_cases.penalty_difference(name) for name in part_cases.PENALTIES) < 1e-6
    assert max(part_cases.projection_difference(name) for name in part_cases.PROJECTIONS) < 1e-6


@pytest.mark.parametrize("module", agreement.MODULES)
def test_nothing_is_missing_silently(module):
    assert all((module, name) in agreement.MISSING for name in agreement.missing(module))
    assert {name for m, name in agreement.MISSING if m == module} == set(agreement.missing(module))
    page = agreement.PAGE.read_text(encoding="utf-8")
    covered = {case.name for case in (*LOSSES, *METRICS, *optimizer_cases.CASES, *optimizer_cases.SCHEDULES)}
    covered |= {*VALUES, "LossScaleOptimizer", "MultiOptimizer"}
    for table in ("ACTIVATIONS", "RANDOM", "FIXED", "PENALTIES", "PROJECTIONS"):
        covered |= set(getattr(part_cases, table))
    for name in agreement.classes(module):
        assert name in covered and f"| {name} |" in page
