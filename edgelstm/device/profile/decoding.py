"""What an instruction does to memory, by capstone; Arm's vector loads and stores, which it does not know, by us."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from edgelstm.device.profile import avr_decoding, xtensa_decoding
from edgelstm.errors import ToolError, ToolMissingError

_LOADS = re.compile(r"(v?ldr|v?ldm|v?pop|tb[bh]$)")
_STORES = re.compile(r"(v?str|v?stm|v?push)")
_REGISTER_LIST = re.compile(r"\{(.*)\}")
_RISCV_LOADS = frozenset(["lb", "lh", "lw", "lbu", "lhu", "flw", "fld", "lr.w"])
_RISCV_STORES = frozenset(["sb", "sh", "sw", "fsw", "fsd", "sc.w"])


@dataclass(frozen=True)
class Decoded:
    """An instruction.

    Attributes:
        mnemonic: without the width suffix, "ldr"; "" if nobody knows it.
        operands: as capstone writes them.
        loaded_words: registers that it loads from memory (4 for a vector of 16 bytes); a byte counts as a word.
        stored_words: registers that it stores.
    """

    mnemonic: str
    operands: str
    loaded_words: int
    stored_words: int


Decode = Callable[[bytes], Decoded]


def decoder(machine: str) -> Decode:
    """A function that decodes one instruction of an ELF machine ("EM_ARM", "EM_RISCV", "EM_AVR", "EM_XTENSA") from its
    bytes.

    Raises:
        ToolMissingError: capstone is not installed.
    """
    if machine == "EM_AVR":  # which capstone does not know, like the next
        return cache(_avr)
    if machine == "EM_XTENSA":
        return cache(_xtensa)
    try:
        import capstone
    except ImportError as error:
        raise ToolMissingError(
            f"capstone cannot be used: {error}", 'install it by `pip install "edgelstm[emulate]"`'
        ) from error
    if machine == "EM_ARM":
        mode = capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS | capstone.CS_MODE_V8
        return cache(_Disassembler(capstone.Cs(capstone.CS_ARCH_ARM, mode)).arm)
    if machine == "EM_RISCV":
        mode = capstone.CS_MODE_RISCV32 | capstone.CS_MODE_RISCVC
        return cache(_Disassembler(capstone.Cs(capstone.CS_ARCH_RISCV, mode)).riscv)
    raise ToolError(f"instructions of {machine} cannot be decoded", "only those of Arm, RISC-V, AVR and Xtensa can")


def _avr(encoding: bytes) -> Decoded:
    mnemonic = avr_decoding.avr_mnemonic(int.from_bytes(encoding[:2], "little"))
    return Decoded(mnemonic, "", int(mnemonic in avr_decoding.LOADS), int(mnemonic in avr_decoding.STORES))


def _xtensa(encoding: bytes) -> Decoded:
    mnemonic = xtensa_decoding.xtensa_mnemonic(encoding)
    return Decoded(mnemonic, "", int(mnemonic in xtensa_decoding.LOADS), int(mnemonic in xtensa_decoding.STORES))


class _Disassembler:
    def __init__(self, capstone: Any) -> None:
        self._capstone = capstone

    def arm(self, encoding: bytes) -> Decoded:
        vector = _mve_access(encoding)
        if vector is not None:
            return vector
        mnemonic, operands = self._text(encoding)
        mnemonic = mnemonic.removesuffix(".w").removesuffix(".n")
        words = _arm_words(mnemonic, operands)
        return Decoded(
            mnemonic,
            operands,
            words if _LOADS.match(mnemonic) else 0,
            words if _STORES.match(mnemonic) else 0,
        )

    def riscv(self, encoding: bytes) -> Decoded:
        mnemonic, operands = self._text(encoding)
        # c.lwsp, c.flw and the like: the compressed forms of the same
        plain = re.sub(r"^c\.(\w+?)(sp)?$", r"\1", mnemonic)
        return Decoded(mnemonic, operands, int(plain in _RISCV_LOADS), int(plain in _RISCV_STORES))

    def _text(self, encoding: bytes) -> tuple[str, str]:
        for _, size, mnemonic, operands in self._capstone.disasm_lite(encoding, 0):
            if size == len(encoding):
                return str(mnemonic), str(operands)
        return "", ""


def _arm_words(mnemonic: str, operands: str) -> int:
    registers = _REGISTER_LIST.search(operands)
    if registers is not None:
        return (2 if "d" in registers.group(1) else 1) * len(registers.group(1).split(","))
    is_pair = mnemonic in ("ldrd", "strd") or (mnemonic in ("vldr", "vstr") and operands.startswith("d"))
    return 2 if is_pair else 1


def _mve_access(encoding: bytes) -> Decoded | None:
    """A vector load or store, Armv8.1-M Architecture Reference Manual, VLD2 to VSTRW; None for all else.

    To capstone they are those of coprocessors 14 and 15, which no processor has. One that widens or narrows its
    elements moves fewer bytes than the vector has; all others count as 4 words, however far apart they lie.
    """
    if len(encoding) != 4:
        return None
    word = int.from_bytes(encoding[:2], "little") << 16 | int.from_bytes(encoding[2:], "little")
    is_indexed = bool(word >> 24 & 1 or word >> 21 & 1)
    is_transfer = word >> 29 == 0b111 and word >> 25 & 7 == 0b110 and word >> 9 & 7 == 0b111
    if not is_transfer or not (is_indexed or word >> 23 & 1):  # the last is VMOV between a vector and two registers
        return None
    words = 4
    if is_indexed and not word >> 12 & 1:
        element_bytes, lane_bytes = 1 << (word >> 19 & 1), 1 << (word >> 7 & 3)
        words = max(1, 4 * element_bytes // lane_bytes)
    is_load = bool(word >> 20 & 1)
    return Decoded("vldr" if is_load else "vstr", "vector", words * is_load, words * (not is_load))
