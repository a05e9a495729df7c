"""Lengths, loads and stores of AVR instructions, compared with binutils' disassembler on whole firmware."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from reference_models import classifier

from edgelstm.codegen.emit import Options, emit
from edgelstm.device.compilers import find_compiler
from edgelstm.device.process import run
from edgelstm.device.profile.avr_decoding import LOADS, STORES, avr_length, avr_mnemonic
from edgelstm.device.targets import load_target
from edgelstm.device.toolchain import compile_firmware
from edgelstm.numerics.contracts import Contract

LINE = re.compile(r"^ +[0-9a-f]+:\t((?:[0-9a-f]{2} )+) *\t(\w+)", re.MULTILINE)


@pytest.mark.parametrize("name", ["atmega328p", "atmega2560"])
def test_a_firmware_is_read_as_binutils_reads_it(
    name: str, require_tool: Callable[[str], None], tmp_path: Path
) -> None:
    require_tool("avr-gcc")
    target, model = load_target(name), classifier(3, (4,), 2, 4, Contract.LITERT)
    for file, text in emit(model, Options(target.isa, "size", "0" * 64)).files.items():
        (tmp_path / file).write_text(text)
    sources = sorted(tmp_path.glob("*.c"))
    elf = compile_firmware(target, find_compiler(target), sources, [tmp_path], tmp_path / "out", "it").elf
    listed = run(["avr-objdump", "-d", "-j", ".text", str(elf)], timeout_s=60, output_limit_bytes=1 << 24).output
    code = listed[listed.index("<__init>:") :]
    seen = set()
    for encoding, mnemonic in LINE.findall(code):
        word = int.from_bytes(bytes.fromhex(encoding)[:2], "little")
        if mnemonic == "word":
            continue
        seen.add(mnemonic)
        assert avr_length(word) == len(bytes.fromhex(encoding)), mnemonic
        found, wanted = avr_mnemonic(word), mnemonic if mnemonic in LOADS | STORES else "other"
        # LDD without a displacement is another spelling of LD.
        assert found == wanted or {found, wanted} in ({"ld", "ldd"}, {"st", "std"}), (encoding, mnemonic)
    assert {"ld", "ldd", "st", "std", "lds", "sts", "push", "pop", "lpm", "call", "jmp", "muls"} <= seen
