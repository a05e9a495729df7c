"""What an AVR instruction is, as far as it touches memory ("AVR Instruction Set Manual", Microchip DS40002198)."""

_LONG_ACCESS = 0b0000
_DIRECT = {
    **dict.fromkeys((0b0001, 0b0010, 0b1001, 0b1010, 0b1100, 0b1101, 0b1110), ("ld", "st")),
    _LONG_ACCESS: ("lds", "sts"),
    0b1111: ("pop", "push"),
}
_FROM_FLASH = {0b0100: "lpm", 0b0101: "lpm", 0b0110: "elpm", 0b0111: "elpm"}
_LPM_R0 = {0x95C8: "lpm", 0x95D8: "elpm"}
LOADS = frozenset(["ld", "ldd", "lds", "lpm", "elpm", "pop"])
STORES = frozenset(["st", "std", "sts", "push"])
OTHER = "other"
"""The mnemonic of all that neither loads nor stores, calls and returns included."""


def avr_length(word: int) -> int:
    """Bytes of the instruction whose first 16 bits these are: JMP, CALL, LDS and STS have 4."""
    is_long_jump = word & 0xFE0C == 0x940C
    return 4 if is_long_jump or word & 0xFC0F == 0x9000 else 2


def avr_mnemonic(word: int) -> str:
    """The name of a load or a store, else OTHER."""
    if word in _LPM_R0:
        return _LPM_R0[word]
    if word & 0xD000 == 0x8000:  # 10q0 qqsr rrrr yqqq
        return "std" if word & 0x0200 else "ldd"
    if word & 0xFC00 == 0x9000:
        is_store, way = bool(word & 0x0200), word & 15
        if way in _DIRECT:
            return _DIRECT[way][is_store]
        return OTHER if is_store else _FROM_FLASH.get(way, OTHER)
    return OTHER
