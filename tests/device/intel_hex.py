def read_intel_hex(text: str) -> tuple[dict[int, int], int]:
    """Bytes by address, and the entry address."""
    content: dict[int, int] = {}
    upper = entry = 0
    lines = text.splitlines()
    assert lines[-1] == ":00000001FF"
    for line in lines:
        record = bytes.fromhex(line.removeprefix(":"))
        assert sum(record) & 0xFF == 0
        size, kind, data = record[0], record[3], record[4:-1]
        address = int.from_bytes(record[1:3], "big")
        assert size == len(data) and address + size <= 0x10000
        if kind == 0:
            content |= {(upper << 16) + address + index: byte for index, byte in enumerate(data)}
        elif kind == 4:
            upper = int.from_bytes(data, "big")
        elif kind == 5:
            entry = int.from_bytes(data, "big")
    return content, entry
