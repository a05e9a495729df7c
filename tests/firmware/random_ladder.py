"""The whole ladder for one random model, and totals over many.

python tests/firmware/random_ladder.py FIRST LAST [--kind KIND] [--target NAME]...
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from random_attention import random_attention_model
from random_elementwise import random_elementwise_model
from random_embedding import random_embedding_model
from random_graphs import random_graph
from random_held import random_held, random_held_native
from random_images import random_image_model
from random_int16 import random_int16_model
from random_layer_normalization import random_normalized_model
from random_masked import masked_inputs, random_masked_ends, random_masked_model
from random_mixed import random_mixed_model
from random_models import random_inputs, random_model
from random_narrow import random_narrow_model
from random_native import random_native_model
from random_several import random_several
from random_states import random_states_model
from random_whole import random_whole_model
from random_windows import WINDOW_LAYERS, random_window_layer, random_windows

from edgelstm.codegen.emit import Options, emit
from edgelstm.codegen.layouts import WIDE_LAYOUTS
from edgelstm.device.compilers import Compiler, find_compiler
from edgelstm.device.runners import choose_runner
from edgelstm.device.targets import Target, load_target
from edgelstm.device.toolchain import compile_firmware
from edgelstm.errors import DoesNotFitError
from edgelstm.ir import Model
from edgelstm.numerics.contracts import Contract
from edgelstm.report.result import Rung
from edgelstm.verification.ladder import Expectation, run_program
from edgelstm.verification.oracles import LITERT, TFLM
from edgelstm.verification.trace import compare, official_trace, simulator_trace

SEQUENCES = 3


def climb(
    seed: int, targets: Sequence[str] = ("cortex-m4",), build: Callable[[int, Contract], Model] = random_model
) -> list[Rung]:
    """Compare the simulator with LiteRT, TFLM, host C and the ELF of each target on the model of this seed.

    Every fifth seed's C follows the `tflm` contract, the others' `litert`. All choices of how to write the C occur.
    """
    model = build(seed, Contract.LITERT)
    rungs = []
    for oracle in (LITERT, TFLM):
        expected = _expected(replace(model, contract=oracle.contract), seed)
        comparison = compare(
            official_trace(expected.model, expected.inputs), oracle.trace(expected.model, expected.inputs)
        )
        first = str(comparison.first or "")
        rungs.append(
            Rung(oracle.name, oracle.contract.value, SEQUENCES, comparison.values, comparison.mismatches, first=first)
        )
    contract = Contract.TFLM if seed % 5 == 0 else Contract.LITERT
    expected = _expected(replace(model, contract=contract), seed)
    return rungs + [run_alone(expected, target, seed) for target in ("host", *targets)]


def climb_native(seed: int, targets: Sequence[str] = ("cortex-m4",)) -> list[Rung]:
    """The same for the model of this seed with layers of the `native` contract, which no interpreter has."""
    return _climb_alone(random_native_model(seed), seed, targets)


def climb_narrow(seed: int, targets: Sequence[str] = ("cortex-m4",)) -> list[Rung]:
    """`climb_native` of the model of this seed with weights of 4 bits."""
    return _climb_alone(random_narrow_model(seed), seed, targets)


def climb_state(seed: int, targets: Sequence[str] = ("cortex-m4",)) -> list[Rung]:
    """`climb_native` of the model of this seed whose layers start from the states of others."""
    return _climb_alone(random_states_model(seed), seed, targets)


def climb_held(seed: int, targets: Sequence[str] = ("cortex-m4",)) -> list[Rung]:
    """`climb` of the model of this seed with sequences of several lengths."""
    return climb(seed, targets, random_held)


def climb_held_native(seed: int, targets: Sequence[str] = ("cortex-m4",)) -> list[Rung]:
    """`climb_native` of the model of this seed with sequences of several lengths, read from states."""
    return _climb_alone(random_held_native(seed), seed, targets)


def climb_normalized(seed: int, targets: Sequence[str] = ("cortex-m4",)) -> list[Rung]:
    """`climb_native` of the model of this seed with LayerNormalization."""
    return _climb_alone(random_normalized_model(seed), seed, targets)


def _climb_alone(model: Model, seed: int, targets: Sequence[str]) -> list[Rung]:
    expected = _expected(model, seed)
    return [run_alone(expected, target, seed) for target in ("host", *targets)]


def climb_masked(seed: int, targets: Sequence[str] = ("cortex-m4",)) -> list[Rung]:
    """The same for the model of this seed of which a mask leaves steps out."""
    return _climb_masked(random_masked_model(seed), seed, targets)


def climb_masked_ends(seed: int, targets: Sequence[str] = ("cortex-m4",)) -> list[Rung]:
    """The same for the model of this seed that reads a masked sequence from both ends."""
    return _climb_masked(random_masked_ends(seed), seed, targets)


def _climb_masked(model: Model, seed: int, targets: Sequence[str]) -> list[Rung]:
    inputs = masked_inputs(model, seed, SEQUENCES)
    expected = Expectation(model, inputs, simulator_trace(model, inputs))
    return [run_alone(expected, target, seed) for target in ("host", *targets)]


def climb_graph(seed: int, targets: Sequence[str] = ("cortex-m4",)) -> list[Rung]:
    """`climb` of the graph of this seed, with branches that meet again."""
    return climb(seed, targets, random_graph)


def climb_elementwise(seed: int, targets: Sequence[str] = ("cortex-m4",)) -> list[Rung]:
    """`climb` of the model of this seed with relu6, leaky_relu or folded layers."""
    return climb(seed, targets, random_elementwise_model)


def climb_whole(seed: int, targets: Sequence[str] = ("cortex-m4",)) -> list[Rung]:
    """`climb` of the model of this seed, which needs its whole window."""
    return climb(seed, targets, random_whole_model)


def climb_window(seed: int, targets: Sequence[str] = ("cortex-m4",)) -> list[Rung]:
    """`climb` of the model of this seed, with windows over time."""
    return climb(seed, targets, random_windows)


def climb_image(seed: int, targets: Sequence[str] = ("cortex-m4",)) -> list[Rung]:
    """`climb` of the model of this seed over an image."""
    return climb(seed, targets, random_image_model)


def climb_embedding(seed: int, targets: Sequence[str] = ("cortex-m4",)) -> list[Rung]:
    """`climb` of the model of this seed that takes ids, also such as do not exist."""
    return climb(seed, targets, random_embedding_model)


def climb_several(seed: int, targets: Sequence[str] = ("cortex-m4",)) -> list[Rung]:
    """`climb` of the model of this seed with several inputs, and often several outputs."""
    return climb(seed, targets, random_several)


def run_alone(expected: Expectation, target: str, seed: int) -> Rung:
    """Build the model's C as this seed chooses, and run it on one target."""
    with _program(expected.model, target, seed) as program:
        runner = choose_runner(load_target(target))
        return run_program(f"C, {target}", expected, program, runner, 60, lambda name: None).rung


def _expected(model: Model, seed: int) -> Expectation:
    inputs = random_inputs(model, seed, SEQUENCES)
    return Expectation(model, inputs, simulator_trace(model, inputs))


def climb_layer(layer: str) -> Callable[..., list[Rung]]:
    """`climb` of models with this window layer alone beside an LSTM."""

    def climb_one(seed: int, targets: Sequence[str] = ("cortex-m4",)) -> list[Rung]:
        return climb(seed, targets, lambda number, contract: random_window_layer(number, contract, layer))

    return climb_one


LAYER_CLIMBS = {f"window_{layer}": climb_layer(layer) for layer in WINDOW_LAYERS}


def climb_mixed(seed: int, targets: Sequence[str] = ("cortex-m4",)) -> list[Rung]:
    """`climb` of the graph of this seed that mixes whatever decides when an op runs."""
    return climb(seed, targets, random_mixed_model)


def climb_attention(seed: int, targets: Sequence[str] = ("cortex-m4",)) -> list[Rung]:
    """`climb` of the model of this seed with attention; of a native one, what no interpreter takes part in."""
    model = random_attention_model(seed, Contract.LITERT)
    if model.contract is Contract.NATIVE:
        return _climb_alone(model, seed, targets)
    return climb(seed, targets, random_attention_model)


def climb_int16(seed: int, targets: Sequence[str] = ("cortex-m4",)) -> list[Rung]:
    """The model of this seed with int16 activations: the simulator, TFLM, host C and the ELF of each target."""
    expected = _expected(random_int16_model(seed), seed)
    model, inputs = expected.model, expected.inputs
    comparison = compare(official_trace(model, inputs), TFLM.trace(model, inputs))
    first = str(comparison.first or "")
    rung = Rung(TFLM.name, TFLM.contract.value, SEQUENCES, comparison.values, comparison.mismatches, first=first)
    return [rung, *(run_alone(expected, target, seed) for target in ("host", *targets))]


CLIMBS = {
    "int16": climb_int16,
    "attention": climb_attention,
    "mixed": climb_mixed,
    "narrow": climb_narrow,
    "native": climb_native,
    "masked": climb_masked,
    "masked_ends": climb_masked_ends,
    "normalized": climb_normalized,
    "graph": climb_graph,
    "elementwise": climb_elementwise,
    "held": climb_held,
    "held_native": climb_held_native,
    "state": climb_state,
    "embedding": climb_embedding,
    "image": climb_image,
    "whole": climb_whole,
    "several": climb_several,
    "window": climb_window,
}


@lru_cache
def _tools(target_name: str) -> tuple[Target, Compiler]:
    """Finding a compiler tries its sanitizers out, which takes as long as compiling a model."""
    target = load_target(target_name)
    return target, find_compiler(target)


def _options(isa: str, seed: int) -> Options:
    return Options(
        isa,
        ("size", "balanced", "speed")[seed % 3],
        "0" * 64,
        constant_time=seed % 7 == 3,
        no_asm=seed % 8 == 6,
        wide_weights=seed % 2 == 1 and isa in WIDE_LAYOUTS,
    )


@contextmanager
def _program(model: Model, target_name: str, seed: int) -> Iterator[Path]:
    target, compiler = _tools(target_name)
    options = _options(target.isa, seed)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for name, text in emit(model, options).files.items():
            (work / name).write_text(text)
        sources = sorted(work.glob("*.c"))
        yield compile_firmware(
            target, compiler, sources, [work], work / "build", "it", optimize=options.optimize, warnings_are_errors=True
        ).elf


def main() -> int:
    """Print values and mismatches by kind and rung; 1 where there are any."""
    kinds: dict[str, Callable[..., list[Rung]]] = {"": climb, **CLIMBS, **LAYER_CLIMBS}
    parser = argparse.ArgumentParser(description="The whole ladder for random models.")
    parser.add_argument("first", type=int)
    parser.add_argument("last", type=int)
    parser.add_argument("--kind", choices=["all", *sorted(kinds)], default="")
    parser.add_argument("--target", action="append")
    arguments = parser.parse_args()
    chosen = [kind for kind in kinds if kind] if arguments.kind == "all" else [arguments.kind]
    failed = 0
    for kind in chosen:
        values: Counter[str] = Counter()
        mismatches: Counter[str] = Counter()
        for seed in range(arguments.first, arguments.last):
            try:
                rungs = kinds[kind](seed, arguments.target or ["cortex-m4"])
            except DoesNotFitError as error:
                print(f"{kind or 'model'} seed {seed} is left out: {error.message}")
                continue
            for rung in rungs:
                values[rung.against] += rung.values
                mismatches[rung.against] += rung.mismatches
                if rung.mismatches:
                    print(f"{kind} seed {seed}: {rung}")
        for name in values:
            print(f"{kind or 'model'}, {name}: {mismatches[name]} mismatches in {values[name]} values", flush=True)
        failed += sum(mismatches.values())
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
