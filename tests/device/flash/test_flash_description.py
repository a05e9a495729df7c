import time

import pytest
from fake_gdb_server import MEMORY_MAP, TARGET_XML

from edgelstm.device.flash.description import MemoryRegion, parse_memory_map, register_numbers
from edgelstm.device.flash.image import Segment
from edgelstm.device.flash.plan import EraseRange, plan_flash
from edgelstm.errors import FlashError


def region(kind: str, start: int, size_bytes: int, block_bytes: int = 0) -> MemoryRegion:
    return MemoryRegion(kind, start, size_bytes, block_bytes)


def test_a_memory_map_with_the_usual_document_type() -> None:
    assert parse_memory_map(MEMORY_MAP) == (
        region("flash", 0x08000000, 0x10000, 0x400),
        region("ram", 0x20000000, 0x2000),
        region("rom", 0x1FFF0000, 0x1000),
    )


def test_unknown_kinds_and_empty_regions_are_left_out() -> None:
    document = b"""<memory-map><memory type="device" start="?" length="?"/>
        <memory type="ram" start="16" length="0"/>
        <memory type="ram" start="0x10" length="32"/></memory-map>"""
    assert parse_memory_map(document) == (region("ram", 16, 32),)


@pytest.mark.parametrize(
    "document",
    [
        b'<!DOCTYPE m [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><memory-map>&b;</memory-map>',
        b'<!DOCTYPE m [<!ENTITY % a SYSTEM "file:///etc/hostname"> %a;]><memory-map/>',
        '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE m [<!ENTITY a "b">]><memory-map/>'.encode("utf-16"),
        b"<memory-map>&undefined;</memory-map>",
        b'<?xml version="1.0" encoding="nonsense"?><memory-map/>',
        b"\xff\xfe\x00",
        b"<memory-map>" + b'<memory type="ram" start="0" length="1"/>' * 1025 + b"</memory-map>",
        b'<memory-map><memory type="ram" start="0" length="0x11111111111111111"/></memory-map>',
        b'<memory-map><memory type="ram" start="0"/></memory-map>',
        b'<memory-map><memory type="flash" start="0" length="8"><property name="blocksize">9</property>'
        b"</memory></memory-map>",
        b'<memory-map><memory type="flash" start="0" length="8"><property name="blocksize">0</property>'
        b"</memory></memory-map>",
    ],
)
def test_hostile_and_broken_maps(document: bytes) -> None:
    with pytest.raises(FlashError, match="memory map is not usable") as caught:
        parse_memory_map(document)
    assert "hostname" not in caught.value.message


def test_deep_documents_take_little_time() -> None:
    started = time.process_time()
    with pytest.raises(FlashError):
        parse_memory_map(b"<memory-map>" + b"<a>" * 80_000)
    assert parse_memory_map(b"<memory-map>" + b"<a>" * 30_000 + b"</a>" * 30_000 + b"</memory-map>") == ()
    assert time.process_time() - started < 2


def test_register_numbers_count_on_from_the_last_one() -> None:
    numbers = register_numbers(lambda _: TARGET_XML)
    assert numbers == {"r12": 12, "sp": 13, "lr": 14, "pc": 15, "xpsr": 16}


def test_register_numbers_go_through_includes_in_order() -> None:
    documents = {
        "target.xml": b"<!DOCTYPE a SYSTEM 'x'><target><xi:include href='a.xml'/><reg name='c'/></target>",
        "a.xml": b"<feature><reg name='a'/><reg name='b' regnum='7'/></feature>",
    }
    assert register_numbers(documents.__getitem__) == {"a": 0, "b": 7, "c": 8}


@pytest.mark.parametrize(
    "document",
    [
        b"<target><xi:include href='target.xml'/></target>",
        b"<target><xi:include href='a.xml:0,100#'/></target>",
        b"<target><xi:include/></target>",
        b"<target><reg name='a' regnum='99999999'/></target>",
        b"<target><reg name='a' regnum='-1'/></target>",
        b"<target>" + b"<reg name='a'/>" * 5000 + b"</target>",
    ],
)
def test_hostile_target_descriptions(document: bytes) -> None:
    with pytest.raises(FlashError, match="target description is not usable"):
        register_numbers(lambda _: document)


def test_without_a_map_everything_is_memory() -> None:
    plan = plan_flash([Segment(0, b"abc")], ())
    assert (plan.erase, plan.flash_writes, plan.memory_writes) == ((), (), (Segment(0, b"abc"),))


def test_blocks_count_from_the_start_of_their_region() -> None:
    plan = plan_flash([Segment(0x150, b"x")], [region("flash", 0x140, 0x100, 0x20)])
    assert plan.erase == (EraseRange(0x140, 0x20),)


def test_a_last_block_that_is_cut_off_is_erased_as_far_as_it_goes() -> None:
    plan = plan_flash([Segment(0x28, b"x")], [region("flash", 0, 0x30, 0x20)])
    assert plan.erase == (EraseRange(0x20, 0x10),)


def test_ranges_that_touch_are_erased_together() -> None:
    plan = plan_flash(
        [Segment(0x08, b"x"), Segment(0x10, b"y"), Segment(0x30, b"z")], [region("flash", 0, 0x100, 0x10)]
    )
    assert plan.erase == (EraseRange(0, 0x20), EraseRange(0x30, 0x10))


def test_a_segment_over_two_banks_is_divided() -> None:
    banks = [region("flash", 0, 0x100, 0x10), region("flash", 0x100, 0x1000, 0x400)]
    plan = plan_flash([Segment(0xF8, bytes(16))], banks)
    assert plan.flash_writes == (Segment(0xF8, bytes(8)), Segment(0x100, bytes(8)))
    assert plan.erase == (EraseRange(0xF0, 0x10), EraseRange(0x100, 0x400))
    assert plan.erased_bytes == 0x410


def test_flash_inside_a_larger_ram_region_is_flash() -> None:
    plan = plan_flash([Segment(0x0C, b"12345678")], [region("ram", 0, 0x100), region("flash", 0x10, 0x10, 4)])
    assert plan.memory_writes == (Segment(0x0C, b"1234"),)
    assert plan.flash_writes == (Segment(0x10, b"5678"),)


def test_no_byte_is_lost_and_no_block_is_erased_twice() -> None:
    segments = [Segment(0x10 + 7 * i, bytes([i]) * 5) for i in range(100)]
    plan = plan_flash(segments, [region("flash", 0, 0x123, 0x20), region("flash", 0x123, 0x1000, 0x10)])
    written = {write.address + i: byte for write in plan.flash_writes for i, byte in enumerate(write.data)}
    assert written == {s.address + i: byte for s in segments for i, byte in enumerate(s.data)}
    erased = [address for block in plan.erase for address in range(block.address, block.end)]
    assert len(erased) == len(set(erased)) == plan.erased_bytes
    assert set(written) <= set(erased)
