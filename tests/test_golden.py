"""Whole generated files, compared byte for byte: every change of the generator shows in review.

After a wanted change: python -m pytest tests/test_golden.py --update-golden
"""

import hashlib
from pathlib import Path

import pytest
from reference_models import classifier, crnn, listener, reader, tagger, translator

from edgelstm.codegen.emit import Options, emit
from edgelstm.ir import Model
from edgelstm.numerics.contracts import Contract
from edgelstm.tflite import read_tflite, write_tflite
from edgelstm.tflite.export import to_tflite_model

GOLDEN = Path(__file__).parent / "golden"

VERBATIM = ("edgelstm_isa.h", "port.h")
"""Copied from templates/ as they are."""

OWN_FILES_ONLY = (
    "crnn_armv7em_balanced", "gru_armv7em_speed", "listener_armv7em_balanced", "reader_armv7em_balanced",
    "rnn_ref_balanced", "translator_ref_balanced",
)  # fmt: skip
"""Their library headers are those of other cases."""

CASES = {
    "classifier_armv7em_balanced": (classifier(3, (5, 4), 3, 6, Contract.LITERT), "armv7em", "balanced"),
    "crnn_armv7em_balanced": (crnn(6, 4, 5, 8, Contract.LITERT), "armv7em", "balanced"),
    "gru_armv7em_speed": (classifier(3, (5,), 3, 6, Contract.LITERT, "gru"), "armv7em", "speed"),
    "listener_armv7em_balanced": (listener(3, 5, 3, 6, Contract.LITERT), "armv7em", "balanced"),
    "reader_armv7em_balanced": (reader(7, 3, 4, 5, Contract.LITERT), "armv7em", "balanced"),
    "rnn_ref_balanced": (classifier(3, (5,), 3, 6, Contract.LITERT, "rnn"), "ref", "balanced"),
    "tagger_ref_size": (tagger(2, 3, 4, Contract.LITERT), "ref", "size"),
    "tagger_ref_tflm": (tagger(2, 3, 4, Contract.TFLM), "ref", "balanced"),
    "translator_ref_balanced": (translator(2, 3, 4, 3, Contract.LITERT), "ref", "balanced"),
}


@pytest.mark.parametrize("case", CASES)
def test_generated_files_are_the_golden_ones(case: str, update_golden: bool) -> None:
    model, isa, optimize = CASES[case]
    tflite = write_tflite(to_tflite_model(model))
    files = emit(model, Options(isa, optimize, hashlib.sha256(tflite).hexdigest())).files
    wanted = {name: text for name, text in files.items() if name not in VERBATIM}
    if case in OWN_FILES_ONLY:
        wanted = {name: text for name, text in wanted.items() if name.startswith(model.name)}
    folder = GOLDEN / case
    if update_golden:
        folder.mkdir(parents=True, exist_ok=True)
        for stale in folder.iterdir():
            stale.unlink()
        for name, text in wanted.items():
            (folder / name).write_text(text)
        (folder / "model.tflite").write_bytes(tflite)
    assert sorted(path.name for path in folder.iterdir()) == sorted([*wanted, "model.tflite"])
    for name, text in wanted.items():
        assert (folder / name).read_text() == text, f"{name} has changed"
    assert (folder / "model.tflite").read_bytes() == tflite


@pytest.mark.parametrize("case", CASES)
def test_the_golden_tflite_reads_back(case: str) -> None:
    model: Model = CASES[case][0]
    records = read_tflite((GOLDEN / case / "model.tflite").read_bytes())
    assert records.description == f"edgelstm: {model.name}"
