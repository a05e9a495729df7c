"""The benchmarks' parts: peers, models, one measurement, limits and the page."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import kernel_costs
import kernel_page
import kernel_tables as tables
import kernels
import numpy as np
import pytest
import qat
from cores import CORES
from cost_model import random_shapes
from kernel_costs import Choice, Cost, is_available, measure
from kernel_fit import fit, formula, terms
from kernel_limits import MEASURED_TARGETS, RANDOM_SHAPES, RATIO_LIMITS, all_checks, ratio, unkept
from kernel_models import LSTMS, NATIVES, PUBLISHED_SHAPES, benchmark, shape_of
from kernel_natives import natives
from kernel_peers import best_cmsis_nn, read_peers
from kernel_results import Prediction, merge_costs, read_costs, read_predictions, write_rows

from edgelstm.errors import MismatchError
from edgelstm.numerics.contracts import Contract
from edgelstm.pipeline.finetuned import FineTuned
from edgelstm.report.metrics import Accuracy
from edgelstm.training.qat.tune import Tuned
from edgelstm.verification.trace import simulator_trace

COST = Cost(
    "lstm_6_16", "cortex-m4", "speed", "", "arm-none-eabi-gcc 12.2.1",
    1400, 13056, 64, 2048, 48, 0, 168, 3516, 3400, 3900, 3400, 5200, 723, 1673,
)  # fmt: skip


def test_peers_cover_every_shape_of_every_core_with_a_limit() -> None:
    for target, _ in RATIO_LIMITS:
        for shape in PUBLISHED_SHAPES:
            assert best_cmsis_nn(read_peers(), target, *shape) is not None


def test_the_better_compiler_is_the_peer() -> None:
    peer = best_cmsis_nn(read_peers(), "cortex-m4", 40, 128)
    assert peer is not None
    assert (peer.compiler, peer.instructions) == ("arm-none-eabi-gcc 12.2.1", 233_686)
    peer = best_cmsis_nn(read_peers(), "cortex-m4", 6, 16)
    assert peer is not None
    assert (peer.compiler, peer.instructions) == ("clang 16", 12_878)
    assert best_cmsis_nn(read_peers(), "rv32imc", 6, 16) is None


def test_models_are_the_same_every_time() -> None:
    first = benchmark("stacked_3_5_4")
    benchmark.cache_clear()
    again = benchmark("stacked_3_5_4")
    assert np.array_equal(first.realistic, again.realistic)
    for one, other in zip(first.model.ops[0].gates, again.model.ops[0].gates, strict=True):  # type: ignore[attr-defined]
        assert np.array_equal(one.kernel, other.kernel)


def test_realistic_inputs_do_not_saturate_and_stress_inputs_do() -> None:
    fed = benchmark("lstm_6_16")
    assert np.mean(np.abs(fed.realistic.astype(int)) >= 127) < 0.02
    assert np.mean(np.abs(fed.stress[0].astype(int)) >= 127) == 1.0


@pytest.mark.parametrize("name", ["elman_3_4", "gru", "lstm", "lstm_3_x"])
def test_a_model_name_without_meaning_is_refused(name: str) -> None:
    with pytest.raises(ValueError):
        benchmark(name)


@pytest.mark.parametrize("name", NATIVES)
def test_layers_of_our_own_arithmetic_are_natives(name: str) -> None:
    model = benchmark(name).model
    assert model.contract is Contract.NATIVE
    assert (model.input.size, model.ops[0].output.size) == shape_of(name)


def test_natives_are_compared_with_an_lstm_of_their_shape() -> None:
    gru = replace(COST, model="gru_6_16", instructions_per_step=1758)
    hard = replace(COST, model="hardlstm_6_16", instructions_per_step=3200)
    assert "| GRU | cortex-m4 | speed | our LSTM | 1758 (0.500) |" in natives([COST, gru])
    assert "| LSTM, hard_sigmoid | cortex-m4 | speed | CMSIS-NN's LSTM | 3200 (0.248) |" in natives([hard])
    assert "| GRU | cortex-m4 | speed | our LSTM | 1758 |" in natives([gru])


def test_a_measurement_adds_up(require_tool: Callable[[str], None]) -> None:
    require_tool("arm-none-eabi-gcc")
    require_tool("qemu-system-arm")
    fed = benchmark("lstm_3_5")
    plain = measure("lstm_3_5", fed.model, fed.realistic, fed.stress, Choice("cortex-m4", "size", "", "gcc"))
    assert plain.best_step <= plain.instructions_per_step <= plain.worst_step
    assert plain.tables_bytes == 0 < plain.code_bytes < 4096
    assert plain.state_bytes == 3 * 5
    assert 0 < plain.loads < plain.loaded_words < plain.instructions_per_step
    rows = measure("lstm_3_5", fed.model, fed.realistic, None, Choice("cortex-m4", "size", "rows", "gcc"))
    assert plain.instructions_per_step < rows.instructions_per_step
    assert (rows.best_stress_step, rows.worst_stress_step) == (rows.best_step, rows.worst_step)


def test_firmware_that_differs_from_the_simulator_is_an_error(
    monkeypatch: pytest.MonkeyPatch, require_tool: Callable[[str], None]
) -> None:
    require_tool("arm-none-eabi-gcc")
    require_tool("qemu-system-arm")
    fed = benchmark("lstm_3_5")
    wrong = simulator_trace(fed.model, np.zeros_like(fed.realistic))
    monkeypatch.setattr(kernel_costs, "simulator_trace", lambda model, inputs: wrong)
    with pytest.raises(MismatchError, match="values differ"):
        measure("lstm_3_5", fed.model, fed.realistic, None, Choice("cortex-m4", "size", "", "gcc"))


def test_variants_exist_where_the_instruction_set_has_them() -> None:
    assert is_available(Choice("cortex-m4", "speed", "wide-weights", "gcc"))
    assert not is_available(Choice("cortex-m0", "speed", "wide-weights", "gcc"))
    assert not is_available(Choice("host", "speed", "rows", "gcc"))


def test_a_limit_passes_fails_or_was_not_measured() -> None:
    slow = replace(COST, instructions_per_step=12_878)
    verdicts = {
        cost: {check.subject: check.verdict for check in all_checks([cost], [])}["cortex-m4 speed gcc (6, 16)"]
        for cost in (COST, slow, replace(COST, target="cortex-m0"))
    }
    assert list(verdicts.values()) == ["pass", "FAIL", "not measured"]
    assert ratio(slow) == 1.0


def test_a_cost_model_that_deviates_fails() -> None:
    near = Prediction("cortex-m4", "speed", "gcc", "test", 3, 4, 1099, 1000)
    far = replace(near, measured=1101)
    others = [near] * (RANDOM_SHAPES - 1)
    assert _cost_model_verdict([*others, near]) == "pass"
    assert _cost_model_verdict([*others, far]) == "FAIL"
    assert _cost_model_verdict([*others, replace(near, role="fit")]) == "not measured"
    assert _cost_model_verdict([]) == "not measured"


def _cost_model_verdict(predictions: list[Prediction]) -> str:
    subject = "cortex-m4 speed gcc, random shapes to cost model"
    return {check.subject: check.verdict for check in all_checks([], predictions)}[subject]


def test_every_required_limit_of_the_committed_results_is_kept() -> None:
    assert [tables.verdict(check) for check in unkept(all_checks(read_costs(), read_predictions()))] == []


def test_nothing_measured_keeps_no_limit() -> None:
    checks = all_checks([], [])
    assert unkept(checks) == checks
    assert {check.verdict for check in checks} == {"not measured"}
    subjects = {check.subject for check in checks}
    assert len(subjects) == len(checks)
    for target, mode in RATIO_LIMITS:
        assert {f"{target} {mode} gcc {shape}" for shape in PUBLISHED_SHAPES} < subjects
    assert set(MEASURED_TARGETS) == {*CORES} - {"esp8266"}, "only the esp8266 has no limits"


@pytest.mark.parametrize(
    ("labels", "subject"),
    [
        (("lstm_40_64", "cortex-m7", "speed", ""), "cortex-m7 speed gcc (40, 64)"),
        (("lstm_28_20", "cortex-m4", "balanced", ""), "cortex-m4 balanced gcc tables"),
        (("classifier_16_32", "cortex-m4", "size", ""), "cortex-m4 size gcc classifier: code, tables, constants"),
        (("lstm_40_128", "cortex-m4", "balanced", ""), "cortex-m4 any gcc (40, 128): RAM"),
        (("lstm_6_16", "rv32imc", "speed", "rows"), "rv32imc speed gcc (6, 16), to rows in C"),
        (
            ("lstm_6_16", "cortex-m0", "size", "constant-time"),
            "cortex-m0 any gcc constant-time: slowest - fastest step",
        ),
    ],
)
def test_a_missing_row_is_not_measured(labels: tuple[str, ...], subject: str) -> None:
    costs = read_costs()
    left = [c for c in costs if (c.model, c.target, c.optimize, c.variant, c.family) != (*labels, "gcc")]
    assert len(left) == len(costs) - 1
    assert subject not in _not_measured(costs)
    assert subject in _not_measured(left)


def _not_measured(costs: Sequence[Cost]) -> set[str]:
    return {check.subject for check in unkept(all_checks(costs, [])) if check.measured is None}


def test_limits_of_other_compilers_are_remarks() -> None:
    slow = replace(COST, compiler="zig 0.17.1", instructions_per_step=12_878)
    (check,) = (check for check in all_checks([slow], []) if "zig" in check.subject and "(6, 16)" in check.subject)
    assert check.verdict == "FAIL"
    assert check not in unkept([check])
    assert "FAIL (remark)" in tables.limits([check])


@pytest.mark.parametrize(("instructions", "exit_code"), [(1, 0), (10**9, 1)])
def test_the_command_fails_unless_the_limits_are_kept(
    instructions: int, exit_code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(kernels, "read_costs", lambda: _perfect(instructions))
    with pytest.raises(SystemExit) as end:
        kernels.main(["--show"])
    assert end.value.code == exit_code
    assert ("LIMIT cortex-m4 speed gcc (40, 64)" in capsys.readouterr().err) == bool(exit_code)


def _perfect(instructions: int) -> list[Cost]:
    """The committed results, but with this many instructions of plain kernels by gcc."""
    return [
        replace(cost, instructions_per_step=instructions) if (cost.variant, cost.family) == ("", "gcc") else cost
        for cost in read_costs()
    ]


def test_coefficients_that_made_the_counts_are_found() -> None:
    wanted = np.array([2.9, 108.0, 2.1, 60.0])
    shapes = [*PUBLISHED_SHAPES, (1, 4), (64, 128)]
    counts = [round(float(np.dot(terms(shape), wanted))) for shape in shapes]
    assert fit(shapes, counts) == pytest.approx(wanted, rel=0.02)
    assert formula(wanted) == "2.900 * units * columns +108.0 * units +2.10 * columns +60"


def test_random_shapes_are_twenty_and_the_same_every_time() -> None:
    assert len(set(random_shapes())) == RANDOM_SHAPES
    assert random_shapes() == random_shapes()


def test_new_rows_replace_old_ones(tmp_path: Path) -> None:
    file = tmp_path / "results.csv"
    newer = replace(COST, compiler="arm-none-eabi-gcc 13.1.0", code_bytes=1300)
    other = replace(COST, model="lstm_16_32")
    write_rows(file, Cost, merge_costs([COST, other], [newer]))
    assert read_costs(file) == (newer, other)


def test_committed_pages_are_those_of_the_committed_results(tmp_path: Path) -> None:
    committed = (kernel_page.README, kernel_page.PROJECT_README)
    page, project_page = tmp_path / "page.md", tmp_path / "project.md"
    page.write_text(committed[0].read_text())
    project_page.write_text(committed[1].read_text())
    kernel_page.write_page(page, project_page)
    assert [page.read_text(), project_page.read_text()] == [path.read_text() for path in committed]


def test_tables_show_what_was_measured() -> None:
    assert "3516 (0.273)" in tables.instructions([COST])
    assert "+10.9 % / +47.9 %" in tables.worst_steps([COST])
    assert "723 / 1673" in tables.loads([COST])
    assert tuple("lstm_{}_{}".format(*shape_of(name)) for name in LSTMS) == LSTMS


def fine_tuned(float_value: float, trained: float, deployed: float) -> FineTuned:
    before = Accuracy("rmse", float_value, 0.0178, 1.0, 36.5, 1000)
    after = Accuracy("rmse", 0.0152, deployed, 1.0, 37.4, 1000)
    return FineTuned(b"", before, after, trained, Tuned((), 3, ()), 1.0)


@pytest.mark.parametrize(
    ("case", "float_value", "trained", "deployed", "unkept"),
    [
        ("adding_lstm", 0.0084, 0.0095, 0.0095, []),
        ("adding_lstm", 0.0109, 0.0095, 0.0095, ["adding_lstm: the float error 0.01090 is above 0.0108"]),
        ("adding_lstm", 0.0084, 0.0111, 0.0111, ["adding_lstm: the int8 error 0.01110 is above 0.011"]),
        ("adding_lstm", 0.0084, 0.0094, 0.0095, ["adding_lstm: trained 0.0094, deployed 0.0095"]),
        ("adding_gru", 0.0200, 0.0200, 0.0200, []),
    ],
)
def test_fine_tuning_keeps_what_is_asked(
    case: str, float_value: float, trained: float, deployed: float, unkept: list[str]
) -> None:
    assert qat.problems(case, fine_tuned(float_value, trained, deployed)) == unkept
