"""What an Xtensa instruction is, as far as it touches memory ("Xtensa Instruction Set Architecture", chapter 7)."""

_NARROW_OP0 = range(8, 14)
_L32R, _LSAI, _L32I_N, _S32I_N = 1, 2, 8, 9
_ACCESS = {
    0: "l8ui",
    1: "l16ui",
    2: "l32i",
    4: "s8i",
    5: "s16i",
    6: "s32i",
    9: "l16si",
    11: "l32ai",
    14: "s32c1i",
    15: "s32ri",
}
_BY_OP0 = {_L32R: "l32r", _L32I_N: "l32i.n", _S32I_N: "s32i.n"}
LOADS = frozenset(["l32r", "l32i.n", "l8ui", "l16ui", "l16si", "l32i", "l32ai", "s32c1i"])
STORES = frozenset(["s32i.n", "s8i", "s16i", "s32i", "s32c1i", "s32ri"])
OTHER = "other"
"""The mnemonic of all that neither loads nor stores."""


def xtensa_length(first: int) -> int:
    """Bytes of the instruction that begins with this byte: 3, or 2 with the option for code density."""
    return 2 if first & 15 in _NARROW_OP0 else 3


def xtensa_mnemonic(encoding: bytes) -> str:
    """The name of a load or a store, else OTHER."""
    op0 = encoding[0] & 15
    if op0 == _LSAI:
        return _ACCESS.get(encoding[1] >> 4, OTHER)
    return _BY_OP0.get(op0, OTHER)
