import random

import pytest
from intel_hex import read_intel_hex

from edgelstm.device.elf import MemoryUse, Segment, memory_use, read_elf
from edgelstm.device.images import to_binary, to_intel_hex
from edgelstm.device.targets import load_target
from edgelstm.errors import TargetError, ToolError


def test_images_of_segments_with_a_gap_across_64_kib():
    first, second = bytes(range(200)), bytes(reversed(range(100)))
    segments = [Segment(0x0800FF90, 0x0800FF90, 200, first), Segment(0x08010100, 0x20000000, 120, second)]
    binary = to_binary(segments[::-1])
    assert binary == first + b"\xff" * (0x170 - 200) + second
    content, entry = read_intel_hex(to_intel_hex(segments, 0x0800FF91))
    assert entry == 0x0800FF91
    assert content == {0x0800FF90 + i: b for i, b in enumerate(first)} | {
        0x08010100 + i: b for i, b in enumerate(second)
    }


@pytest.mark.parametrize(
    ("segments", "message"),
    [
        ([], "nothing to store"),
        ([Segment(0, 0, 4, b"")], "nothing to store"),
        ([Segment(0, 0, 4, b"abcd"), Segment(2, 2, 4, b"abcd")], "overlap"),
        ([Segment(0, 0, 1, b"a"), Segment(0xF0000000, 0xF0000000, 1, b"b")], "spreads over"),
        ([Segment(1 << 40, 0, 1, b"a")], "spreads over"),
    ],
)
def test_images_that_cannot_be_made(segments, message):
    for make in (lambda: to_binary(segments), lambda: to_intel_hex(segments, 0)):
        with pytest.raises(ToolError, match=message):
            make()


@pytest.mark.parametrize("compiler", ["gcc", "zig"])
def test_contents_of_a_firmware(build, compiler):
    elf = read_elf(build("lab", "cortex-m4", compiler).elf)
    vectors = elf.symbol("vectors")
    assert (vectors.address, vectors.size, vectors.kind) == (0, 64, "code")
    app = elf.symbol("app_main")
    assert app.address % 2 == 0 and app.size > 0 and app.kind == "code"
    assert {section.name: section.kind for section in elf.sections} == {
        ".text": "code",
        ".rodata": "constant",
        ".data": "data",
        ".bss": "zero",
        ".stack": "zero",
    }
    assert elf.segments[0].data[4:8] == (elf.symbol("reset_handler").address | 1).to_bytes(4, "little")
    sizes = {section.name: section.size for section in elf.sections}
    use = memory_use(elf, load_target("cortex-m4"))
    assert use == MemoryUse(
        sizes[".text"] + sizes[".rodata"] + sizes[".data"], sizes[".stack"] + sizes[".data"] + sizes[".bss"]
    )
    assert sizes[".stack"] == load_target("cortex-m4").stack_bytes


def test_a_host_program_is_read_too(build):
    elf = read_elf(build("lab", "host", "gcc").elf)
    assert elf.symbol("app_main").kind == "code"
    with pytest.raises(TargetError):
        memory_use(elf, load_target("host"))


def test_missing_symbol(build):
    with pytest.raises(ToolError, match="nowhere"):
        read_elf(build("lab", "cortex-m4", "gcc").elf).symbol("nowhere")


def test_files_that_are_no_elf(tmp_path):
    with pytest.raises(ToolError, match="cannot be read"):
        read_elf(tmp_path / "missing.elf")
    path = tmp_path / "wrong.elf"
    for content in (b"", b"\x7fELF", b"\x7fELF" + bytes(60), b"MZ" * 100, bytes(range(256)) * 4):
        path.write_bytes(content)
        with pytest.raises(ToolError, match="not an ELF file"):
            read_elf(path)


def test_damaged_files_are_refused_or_read_but_never_crash(build, tmp_path):
    good = build("lab", "cortex-m4", "gcc").elf.read_bytes()
    path = tmp_path / "damaged.elf"
    chance = random.Random(1)
    refused = 0
    headers = [*range(16, 52), *range(52, 150), *range(len(good) - 18 * 40, len(good))]
    for _ in range(300):
        damaged = bytearray(good)
        for position in chance.choices(headers, k=chance.randint(1, 4)):
            damaged[position] = chance.choice((0, 1, 0x7F, 0xFF, chance.randrange(256)))
        path.write_bytes(damaged[: chance.randint(0, len(damaged))] if chance.random() < 0.2 else damaged)
        try:
            read_elf(path)
        except ToolError:
            refused += 1
    assert 50 < refused < 300
