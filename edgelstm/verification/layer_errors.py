"""Where a quantized model's error comes from: layer by layer, gate by gate, and the sequence that has most of it."""

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from edgelstm.errors import DataError
from edgelstm.ir import Compute, FloatArray, Layer, Op
from edgelstm.report.errors_found import LayerError, PartError, WorstSample
from edgelstm.report.metrics import sqnr_db
from edgelstm.report.progress import Progress
from edgelstm.verification.cells import MixedCell, Rounding, mixed_cell
from edgelstm.verification.error_bench import Bench, Tensors, energy


@dataclass(frozen=True, eq=False)
class Errors:
    """The errors of a model on a bench; each is measured when it is asked for.

    A share is the energy that something makes at the model's outputs by itself, all else in float, of the energy of
    the integer model's error there.
    """

    bench: Bench

    @cached_property
    def reference(self) -> list[Tensors]:
        """Every tensor in float; DataError where the outputs are no numbers."""
        found = self.bench.run({})
        if not all(np.isfinite(self.bench.outputs(tensors)).all() for tensors in found):
            raise DataError("the float model yields NaN or infinite outputs", "check how it was trained")
        return found

    @cached_property
    def integers(self) -> list[Tensors]:
        """Every tensor of the integer model, as real numbers."""
        return self.bench.run(self.bench.all_integers())

    @cached_property
    def total(self) -> float:
        """The energy of the output error."""
        return energy(self.reference, self.integers, self.bench.outputs)

    def share(self, runs: list[Tensors], base: list[Tensors] | None = None) -> float:
        """What makes `runs` of `base`, or of the float model, as a share."""
        found = energy(self.reference if base is None else base, runs, self.bench.outputs)
        return found / self.total if self.total else 0.0

    @property
    def sqnr_db(self) -> float:
        """Of the outputs."""
        return _db(energy_of(self.reference, self.bench), self.total)

    def largest(self, name: str) -> float:
        """The largest magnitude of what float layers report under a name."""
        found = [0.0]

        def observe(observed: str, values: FloatArray) -> None:
            if observed == name:
                found.append(float(np.abs(values).max()))

        self.bench.run({}, observe)
        return max(found)

    def of_input(self, name: str, channel: int | None = None) -> LayerError:
        """Rounding an input, or a channel of it."""
        runs = self.bench.run({name: self.bench.rounded_input(name, channel)})
        ratio = _sqnr(self.reference, runs, name)
        return LayerError(name, "input", ratio, ratio, self.share(runs))

    def of_layer(self, layer: Layer) -> LayerError:
        """A layer, given what its inputs are in float, rounded."""
        name, op = layer.output.name, self.bench.op_of(layer)
        whole = _sqnr(self.reference, self.integers, name)
        if op is None:
            kinds = [one.kind for one in self.bench.model.ops if one.output.name == name]
            return LayerError(layer.name, next(iter(kinds), "moved"), whole, None, None)
        base = self.bench.run({name: self.bench.on_rounded(layer, op)})
        runs = self.bench.run({name: self.bench.in_integers(layer, op)})
        return LayerError(layer.name, op.kind, whole, _sqnr(base, runs, name), self.share(runs, base))

    def of_parts(self, layer: Layer, op: Op) -> tuple[PartError, ...]:
        """The gates and states of a layer; () where it has none."""
        cell = mixed_cell(layer, op)
        if cell is None:
            return ()
        shares: defaultdict[str, dict[str, float]] = defaultdict(dict)
        for part in cell.parts:
            rounded = cell.with_rounding(Rounding(frozenset([part]), self.bench.model.contract))
            shares[part.of][part.what] = self.share(self.bench.run({layer.output.name: rounded.compute}))
        ratios = self._gate_ratios(layer, cell)
        return tuple(PartError(layer.name, name, ratios.get(name), found) for name, found in shares.items())

    def _gate_ratios(self, layer: Layer, cell: MixedCell) -> Mapping[str, float]:
        """SQNR of what gates yield, where everything before and in the layer is rounded."""
        name = layer.output.name
        everything = cell.with_rounding(Rounding(frozenset(cell.parts), self.bench.model.contract))
        exact = self._observed({name: cell.compute}, layer)
        noisy = self._observed({**self.bench.all_integers(), name: everything.compute}, layer)
        return {
            gate: _db(_squares(exact[gate]), _squares([a - b for a, b in zip(exact[gate], noisy[gate], strict=True)]))
            for gate in cell.gates
        }

    def _observed(self, instead: Mapping[str, Compute], layer: Layer) -> Mapping[str, list[FloatArray]]:
        found: defaultdict[str, list[FloatArray]] = defaultdict(list)

        def observe(name: str, values: FloatArray) -> None:
            if name.startswith(f"{layer.name}/"):
                found[name.removeprefix(f"{layer.name}/")].append(values.astype(np.float32))

        self.bench.run(instead, observe)
        return found

    @property
    def worst(self) -> WorstSample | None:
        """The sequence with most of the error."""
        found: WorstSample | None = None
        for batch, exact, noisy in zip(self.bench.batches, self.reference, self.integers, strict=True):
            wanted = self.bench.outputs(exact)
            errors = self.bench.outputs(noisy) - wanted
            energies = np.square(errors).reshape(len(errors), -1).sum(axis=1)
            index = int(energies.argmax())
            if energies[index] > (found.share * self.total if found else 0.0):
                position = np.unravel_index(int(np.abs(errors[index]).argmax()), errors[index].shape)
                found = WorstSample(
                    index=int(self.bench.indices[batch.samples[index]]),
                    share=float(energies[index]) / self.total,
                    sqnr_db=sqnr_db(wanted[index], wanted[index] + errors[index]),
                    step=int(position[0]) if len(position) > 1 else None,
                    output=int(position[-1]),
                    error=float(errors[index][position]),
                )
        return found


def measure_layers(errors: Errors, progress: Progress) -> tuple[tuple[LayerError, ...], tuple[PartError, ...]]:
    """Every layer, and the parts of those that have some."""
    layers, parts = [], list[PartError]()
    every = errors.bench.float_model.layers
    for done, layer in enumerate(every, 1):
        layers.append(errors.of_layer(layer))
        op = errors.bench.op_of(layer)
        parts += () if op is None else errors.of_parts(layer, op)
        progress.advance("looking for errors", done, len(every))
    return tuple(layers), tuple(parts)


def energy_of(tensors: list[Tensors], bench: Bench) -> float:
    """Of the outputs themselves."""
    return _squares([bench.outputs(one) for one in tensors])


def _squares(arrays: list[FloatArray]) -> float:
    return sum(float(np.sum(np.square(array, dtype=np.float64))) for array in arrays)


def _sqnr(exact: list[Tensors], noisy: list[Tensors], name: str) -> float:
    return _db(_squares([one[name] for one in exact]), energy(exact, noisy, lambda tensors: tensors[name]))


def _db(signal: float, noise: float) -> float:
    if noise == 0.0:
        return math.inf
    return 10.0 * math.log10(signal / noise) if signal else -math.inf
