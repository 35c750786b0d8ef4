"""Where formulas divide by zero, saturate or lose digits: finite, as documented, also where Keras is not."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from lamella import function, ops
from lamella.errors import ShapeError
from lamella.frontend import GradientTape, Variable
from lamella.nn import activations, initializers, losses, metrics, optimizers, regularizers

RNG = np.random.default_rng(41)
EYE = np.eye(4, dtype=np.float32)
ZEROS, ONES = np.zeros((4, 4), np.float32), np.ones((4, 4), np.float32)
LOGITS = 1e4 * (2 * EYE - 1)
CLASSES = np.arange(4)


def value_and_gradient(loss, y_true, y_pred):
    variable = Variable(np.asarray(y_pred, np.float32))
    with GradientTape() as tape:
        value = loss(y_true, variable)
    return float(value), tape.gradient(value, variable).numpy()


EXTREMES = [
    *[(name, {"gamma": gamma}, t, p) for name in ("BinaryFocalCrossentropy", "CategoricalFocalCrossentropy")
      for gamma in (0, 0.5, 1, 2.5) for t, p in ((EYE, EYE), (EYE, 1 - EYE), (EYE, np.roll(EYE, 1, 1)))],
    *[(name, {"gamma": gamma, "from_logits": True}, EYE, z)
      for name in ("BinaryFocalCrossentropy", "CategoricalFocalCrossentropy")
      for gamma in (0, 0.5, 2) for z in (LOGITS, -LOGITS)],
    ("BinaryCrossentropy", {}, EYE, 1 - EYE), ("CategoricalCrossentropy", {}, EYE, np.roll(EYE, 1, 1)),
    ("BinaryCrossentropy", {"from_logits": True}, EYE, -LOGITS),
    ("CategoricalCrossentropy", {"from_logits": True}, EYE, -LOGITS),
    ("SparseCategoricalCrossentropy", {}, CLASSES, np.roll(EYE, 1, 1)),
    ("CategoricalGeneralizedCrossEntropy", {"q": 0.1}, CLASSES, np.roll(EYE, 1, 1)),
    ("KLDivergence", {}, EYE, np.roll(EYE, 1, 1)), ("Poisson", {}, ONES, ZEROS), ("CosineSimilarity", {}, ONES, ZEROS),
    ("CosineSimilarity", {}, ZEROS, ZEROS), ("MeanAbsolutePercentageError", {}, ZEROS, ONES),
    ("MeanSquaredLogarithmicError", {}, -ONES, -ONES), ("LogCosh", {}, ZEROS, 1e30 * ONES),
    ("Dice", {}, ZEROS, ZEROS), ("Tversky", {"alpha": 0.0, "beta": 0.0}, ZEROS, ONES),
    ("Circle", {}, np.zeros(4, int), EYE), ("Circle", {}, CLASSES, EYE), ("Circle", {"gamma": 1e6}, [0, 0, 1, 1], EYE),
    ("CTC", {}, np.array([[1, 1, 1]] * 2), np.zeros((2, 3, 4))),  # needs 5 frames: a blank between equal labels
    ("CTC", {}, np.zeros((2, 3), int), LOGITS[None, :3].repeat(2, 0)),
]


@pytest.mark.parametrize(("name", "kwargs", "y_true", "y_pred"), EXTREMES,
                         ids=[f"{case[0]}-{index}" for index, case in enumerate(EXTREMES)])
def test_losses_and_gradients_are_finite(name, kwargs, y_true, y_pred):
    value, gradient = value_and_gradient(getattr(losses, name)(**kwargs), y_true, y_pred)
    assert np.isfinite(value) and np.isfinite(gradient).all()


def test_focal_loss_from_logits_does_not_saturate():
    value, gradient = value_and_gradient(losses.BinaryFocalCrossentropy(from_logits=True), [[1.0]], [[-40.0]])
    assert value == pytest.approx(40) and gradient[0, 0] == pytest.approx(-1)


def test_ctc_is_the_sum_over_all_alignments():
    logits = RNG.standard_normal((1, 4, 3)).astype(np.float32)
    p = np.exp(logits[0]) / np.exp(logits[0]).sum(-1, keepdims=True)
    total = sum(np.prod([p[t, s] for t, s in enumerate(path)]) for path in itertools.product(range(3), repeat=4)
                if [s for s, _ in itertools.groupby(path) if s] == [2, 1])
    assert float(losses.ctc([[2, 1]], logits)[0]) == pytest.approx(-np.log(total), rel=1e-5)
    assert float(losses.ctc([[1, 1]], logits[:, :2])[0]) > 9e4  # impossible


def test_gradients_at_ties():
    mean = losses.MeanAbsoluteError(reduction="sum")
    assert value_and_gradient(mean, [[1.0]], [[1.0]])[1].item() == 0
    assert value_and_gradient(losses.Hinge(reduction="sum"), [[1.0]], [[1.0]])[1].item() == -0.5
    assert value_and_gradient(losses.Huber(reduction="sum"), [[0.0]], [[1.0]])[1].item() == 1
    assert value_and_gradient(losses.BinaryCrossentropy(), [[1.0]], [[0.0]])[1].item() == 0  # clipped


def test_means_lose_nothing_over_an_epoch():
    half = np.ones(1_000_000, np.float16)
    mean, total = metrics.Mean(), metrics.Sum()
    for metric in (mean, total):
        metric.update_state(half * np.float16(0.1))
    assert float(mean.result()) == pytest.approx(float(np.float16(0.1)), rel=1e-6)
    assert float(total.result()) == pytest.approx(1e6 * float(np.float16(0.1)), rel=1e-6)
    mean.total.assign(2.0**25)
    mean.count.assign(2.0**25)
    for _ in range(3):
        mean.update_state([1.0])
    assert float(mean.count) == 2**25 + 3
    precision = metrics.Precision()
    precision.variables[0].assign([2.0**24])
    precision.update_state([1.0], [1.0])
    assert precision.variables[0].numpy().item() == 2**24 + 1


def result(metric, *batches):
    for batch in batches:
        metric.update_state(*batch)
    return float(metric.result())


def test_metrics_without_anything_to_count():
    score = RNG.random(5)
    assert result(metrics.AUC(), (np.ones(5), score)) == 0 and result(metrics.AUC(), (np.zeros(5), score)) == 0
    assert result(metrics.AUC(curve="PR"), (np.zeros(5), score)) == 0
    for name in ("AUC", "R2Score", "F1Score", "PearsonCorrelation", "Precision", "Mean"):
        assert np.all(getattr(metrics, name)().result().numpy() == 0)
    assert result(metrics.F1Score("macro"), (ZEROS, ZEROS)) == 0
    assert result(metrics.MeanIoU(3), ([7, -1], [0, 0])) == 0
    assert result(metrics.PrecisionAtRecall(1.0), (np.zeros(5), score)) == 0


def test_macro_scores_skip_classes_that_never_occur():
    y_true = np.array([[1, 0, 0], [0, 1, 0]])
    assert result(metrics.F1Score("macro"), (y_true, y_true * 0.9)) == pytest.approx(1, rel=1e-5)


def test_iou_counts_float_weights_in_full():
    weights = np.array([0.5, 0.25, 0.25, 0.5])
    metric = metrics.IoU(2, [0])
    metric.update_state([0, 0, 1, 1], [0, 1, 0, 1], sample_weight=weights)
    assert float(metric.result()) == pytest.approx(0.5, rel=1e-5)


@pytest.mark.parametrize("shape", [(30,), (30, 1)])
def test_correlations_of_single_columns_are_over_all_samples(shape):
    t, p = (RNG.standard_normal(shape).astype(np.float32) + 1000 for _ in range(2))
    p = t + p / 2
    batches = [(t[i:i + 7], p[i:i + 7]) for i in range(0, 30, 7)]
    flat_t, flat_p = (np.ravel(x).astype(np.float64) for x in (t, p))
    r = np.corrcoef(flat_t, flat_p)[0, 1]
    assert result(metrics.PearsonCorrelation(), *batches) == pytest.approx(r, rel=1e-5)
    spread = flat_t.var() + flat_p.var() + (flat_t.mean() - flat_p.mean()) ** 2
    assert result(metrics.ConcordanceCorrelation(), *batches) == pytest.approx(
        2 * np.cov(flat_t, flat_p, bias=True)[0, 1] / spread, rel=1e-4)
    assert result(metrics.PearsonCorrelation(), (t, np.ones_like(t))) == 0


def test_r2_of_constant_targets_and_of_large_means():
    ones = np.ones((4, 1))
    assert result(metrics.R2Score(), (ones, ones)) == 1 and result(metrics.R2Score(), (ones, 2 * ones)) == 0
    t = RNG.standard_normal((50, 1)).astype(np.float32) + 1e4
    p = (t + RNG.standard_normal((50, 1))).astype(np.float32)
    t64, p64 = t.astype(np.float64), p.astype(np.float64)
    want = 1 - ((t64 - p64) ** 2).sum() / ((t64 - t64.mean()) ** 2).sum()
    assert result(metrics.R2Score(), (t[:20], p[:20]), (t[20:], p[20:])) == pytest.approx(want, abs=1e-5)


def bits(n):
    return RNG.integers(0, 2, (n, 4)).astype(np.float32)


METRICS = [
    ("AUC", {}, bits), ("AUC", {"multi_label": True, "curve": "PR"}, bits), ("AUC", {"thresholds": [0.2, 0.7]}, bits),
    ("F1Score", {"average": "macro"}, bits), ("PrecisionAtRecall", {"recall": 0.5}, bits),
    ("R2Score", {}, lambda n: RNG.random((n, 4))), ("PearsonCorrelation", {}, lambda n: RNG.random((n, 4))),
    ("PearsonCorrelation", {"axis": 0}, lambda n: RNG.random((n, 4))), ("BinaryIoU", {}, bits),
    ("ConcordanceCorrelation", {}, bits), ("Mean", {}, None), ("Precision", {"top_k": 2}, bits),
]


@pytest.mark.parametrize(("name", "kwargs", "truth"), METRICS, ids=[f"{m[0]}-{i}" for i, m in enumerate(METRICS)])
def test_metrics_run_inside_compiled_functions(name, kwargs, truth):
    eager, compiled = (getattr(metrics, name)(**kwargs) for _ in range(2))
    update = function(lambda *batch: compiled.update_state(*batch))
    for _ in range(3):
        p = RNG.random((6, 4)).astype(np.float32)
        batch = (p,) if truth is None else (truth(6).astype(np.float32), p)
        eager.update_state(*batch)
        update(*batch)
    np.testing.assert_allclose(compiled.result().numpy(), eager.result().numpy(), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(("name", "kwargs"), [
    ("Lamb", {}), ("Adafactor", {}), ("Ftrl", {"initial_accumulator_value": 0.0}), ("Muon", {}), ("Adam", {}),
    ("ScheduleFreeAdamW", {}), ("Nadam", {}), ("Adadelta", {}), ("RMSprop", {"centered": True})])
def test_zero_gradients_and_zero_weights_stay_finite(name, kwargs):
    optimizer = getattr(optimizers, name)(**kwargs)
    variables = [Variable(np.zeros(shape, np.float32), name=f"v{i}") for i, shape in enumerate([(3, 2), (4,), ()])]
    for _ in range(3):
        optimizer.apply([np.zeros(v.shape, np.float32) for v in variables], variables)
    assert all(np.isfinite(v.numpy()).all() for v in (*variables, *optimizer.variables))


def test_the_loss_scale_survives_long_runs_of_bad_and_of_good_steps():
    v = Variable(np.float32(1.0), name="v")
    optimizer = optimizers.LossScaleOptimizer(optimizers.SGD(0.0), initial_scale=1.0, dynamic_growth_steps=1)
    for gradient, bound in ((np.nan, 2.0**-60), (0.0, 2.0**60)):
        for _ in range(130):
            optimizer.apply([np.float32(gradient)], [v])
        assert float(optimizer.dynamic_scale) == bound
    assert float(v) == 1 and int(optimizer.iterations) == 130
    assert float(optimizer.scale_loss(ops.convert_to_tensor(2.0))) == 2.0**61


def test_sparsemax_is_a_distribution_with_the_right_gradient():
    x = 2 * RNG.standard_normal((5, 7))
    weights = RNG.standard_normal((5, 7))
    variable = Variable(x)
    with GradientTape() as tape:
        y = activations.sparsemax(variable)
        value = ops.sum(y * weights)
    gradient = tape.gradient(value, variable).numpy()
    np.testing.assert_allclose(y.numpy().sum(-1), 1, rtol=1e-9)
    step = 1e-6 * RNG.standard_normal(x.shape)
    up, down = ((activations.sparsemax(x + s).numpy() * weights).sum() for s in (step, -step))
    assert (up - down) / 2 == pytest.approx((gradient * step).sum(), rel=1e-5)
    np.testing.assert_allclose(activations.sparsemax(np.array([1e4, 1e4, 0.0], np.float32)).numpy(), [0.5, 0.5, 0])


@pytest.mark.parametrize(("call", "error", "text"), [
    (lambda: losses.BinaryFocalCrossentropy(alpha=1.5), ValueError, r"alpha must be a finite number in \[0, 1.0\]"),
    (lambda: losses.CategoricalFocalCrossentropy(gamma=-1), ValueError, "gamma must be"),
    (lambda: losses.CategoricalFocalCrossentropy()(CLASSES, EYE), ShapeError, "sparse_categorical_crossentropy"),
    (lambda: losses.CategoricalGeneralizedCrossEntropy(q=1), ValueError, r"q must be a number in \(0, 1\)"),
    (lambda: losses.CategoricalGeneralizedCrossEntropy()(CLASSES + 1, EYE), ValueError, r"is not in \[0, 4\)"),
    (lambda: losses.Tversky(alpha=float("nan")), ValueError, "alpha must be"),
    (lambda: losses.Dice()(ONES, ONES, sample_weight=np.ones(4)), ShapeError, "Sample weights"),
    (lambda: losses.CTC()(CLASSES, np.zeros((4, 3, 5))), ShapeError, "ctc needs labels"),
    (lambda: losses.CTC()(np.array([[7]]), np.zeros((1, 3, 5))), ValueError, r"Label 7 at \(0, 0\)"),
    (lambda: losses.Circle()(CLASSES, np.zeros((4, 3, 5))), ShapeError, "circle needs embeddings"),
    (lambda: metrics.AUC(curve="ROCK"), ValueError, "Unknown curve 'ROCK' of AUC. Did you mean 'ROC'"),
    (lambda: metrics.AUC(num_thresholds=1), ValueError, "num_thresholds of AUC"),
    (lambda: metrics.AUC(num_labels=3), ValueError, "multi_label=True"),
    (lambda: metrics.AUC(multi_label=True)(np.ones(3), np.ones(3)), ShapeError, r"\(batch, labels\)"),
    (lambda: metrics.AUC()(np.ones(3), np.ones((3, 2))), ShapeError, "needs targets of the shape"),
    (lambda: metrics.PrecisionAtRecall(1.5), ValueError, "recall of PrecisionAtRecall"),
    (lambda: metrics.RecallAtPrecision(0.5, class_id=9)(ONES, ONES), ShapeError, "looks at class 9"),
    (lambda: metrics.Precision(class_id=9)(ONES, ONES), ShapeError, "looks at class 9"),
    (lambda: metrics.F1Score(average="mean"), ValueError, "average must be one of"),
    (lambda: metrics.F1Score(threshold=0), ValueError, "threshold must be"),
    (lambda: metrics.F1Score()(np.ones(3), np.ones(3)), ShapeError, r"\(batch, classes\)"),
    (lambda: metrics.IoU(2, [2]), ValueError, "target_class_ids of IoU"),
    (lambda: metrics.MeanIoU(2)([0, 1], [0, 1, 1]), ShapeError, "as many targets as predictions"),
    (lambda: metrics.R2Score(num_regressors=-1), ValueError, "num_regressors"),
    (lambda: regularizers.OrthogonalRegularizer(mode="row"), ValueError, "mode must be"),
    (lambda: regularizers.OrthogonalRegularizer()(np.ones(3)), ShapeError, "is for matrices"),
    (lambda: initializers.STFT(window="han"), ValueError, "Did you mean 'hann'"),
    (lambda: activations.glu(np.ones(3, np.float32)), ValueError, "even size"),
])
def test_bad_input_names_the_cause(call, error, text):
    with pytest.raises(error, match=text):
        call()


def ctc_with_gradient(labels, dtype="float32"):
    @function
    def both(logits):
        with GradientTape() as tape:
            tape.watch(logits)
            loss = losses.CTC(dtype=dtype)(labels, logits)
        return loss, tape.gradient(loss, logits)
    return both


def test_ctc_on_500_frames_is_keras_and_its_code_does_not_grow():
    keras, jax = pytest.importorskip("keras"), pytest.importorskip("jax")
    rng = np.random.default_rng(0)
    labels = rng.integers(1, 20, (3, 30)).astype(np.int32)
    labels[1, 10:], labels[2, 25:] = 0, 0
    logits = rng.standard_normal((3, 500, 20)).astype(np.float32)
    loss, gradient = ctc_with_gradient(labels)(logits)
    want, wanted = jax.jit(jax.value_and_grad(lambda x: keras.losses.CTC()(labels, x)))(logits)
    assert float(loss) == pytest.approx(float(want), rel=1e-6)
    _, exact = ctc_with_gradient(labels, "float64")(logits.astype(np.float64))
    errors = [float(np.abs(np.asarray(g) - exact.numpy()).max()) for g in (gradient, wanted)]
    assert errors[0] < min(errors[1], 2e-4) and errors[1] < 2e-3  # the loss is 1450: Keras loses three digits of the gradient
    equations = [len(ctc_with_gradient(labels).trace(logits[:, :frames]).graph.eqns) for frames in (50, 500)]
    assert equations[0] == equations[1]


def test_an_ignored_class_counts_neither_in_the_loss_nor_in_the_metric():
    targets, probabilities = np.array([0, 2, 1, 2]), np.full((4, 3), [0.5, 0.25, 0.25])
    want = (np.log(2) + np.log(4)) / 2
    for make in (losses.SparseCategoricalCrossentropy, metrics.SparseCategoricalCrossentropy):
        assert float(make(ignore_class=2)(targets, probabilities)) == pytest.approx(want, rel=1e-6)
    metric = metrics.SparseCategoricalCrossentropy.from_config(metrics.SparseCategoricalCrossentropy(ignore_class=2).get_config())
    metric.update_state(targets, probabilities, sample_weight=[1.0, 1.0, 3.0, 1.0])
    assert float(metric.result()) == pytest.approx((np.log(2) + 3 * np.log(4)) / 4, rel=1e-6)
