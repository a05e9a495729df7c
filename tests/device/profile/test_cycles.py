"""Cycles of a loop, added up by hand from Arm's tables, and the words that instructions move."""

import pytest
from firmware import FIRST, build_loops, count, program_of

from edgelstm.device.elf import read_elf
from edgelstm.device.profile.cycles import cycle_table, estimate_cycles
from edgelstm.device.profile.decoding import decoder
from edgelstm.device.targets import list_cores, load_target

N = FIRST
# movs, n times (adds, subs, bne taken but once), bx
HAND_MADE = {
    "cortex-m0": (1 + 2 * N + 3 * (N - 1) + 1 + 3,) * 2,
    "cortex-m0plus": (1 + 2 * N + 2 * (N - 1) + 1 + 2,) * 2,
    "cortex-m3": (1 + 2 * N + 2 * (N - 1) + 1 + 2, 1 + 2 * N + 4 * (N - 1) + 1 + 4),
    "cortex-m4": (1 + 2 * N + 2 * (N - 1) + 1 + 2, 1 + 2 * N + 4 * (N - 1) + 1 + 4),
}


@pytest.mark.parametrize("target_name", HAND_MADE)
def test_a_loop_takes_the_cycles_of_the_table(target_name, require_tool, tmp_path):
    require_tool(program_of(target_name, "qemu"))
    elf = build_loops(target_name, tmp_path)
    loop = count(elf, target_name, None, tmp_path, ("loop",), calls=1).regions[0]
    cycles = estimate_cycles(cycle_table(load_target(target_name)), loop.instructions, decoder(read_elf(elf).machine))
    assert cycles.range == HAND_MADE[target_name]
    assert "Arm DDI" in cycles.reason


@pytest.mark.parametrize("target_name", [name for name in (*list_cores(), "host") if name not in HAND_MADE])
def test_other_cores_get_no_cycles(target_name):
    cycles = estimate_cycles(cycle_table(load_target(target_name)), (), lambda encoding: pytest.fail("not needed"))
    assert cycles.range is None
    assert "publishes no table" in cycles.reason


# What arm-none-eabi-as 2.40 makes of the text.
ENCODINGS = [
    ("ldr r2, [r1]", "0a68", (1, 0)),
    ("ldrd r2, r3, [r0]", "d0e90023", (2, 0)),
    ("ldmia r1!, {r2, r3}", "0cc9", (2, 0)),
    ("pop {r4, pc}", "10bd", (2, 0)),
    ("push {r4, r5, lr}", "30b5", (0, 3)),
    ("strb r0, [r1]", "0870", (0, 1)),
    ("tbb [pc, r0]", "dfe800f0", (1, 0)),
    ("adds r0, r1", "4018", (0, 0)),
    ("vpush {d8, d9}", "2ded048b", (0, 4)),
    ("vpush {s16, s17, s18}", "2ded038a", (0, 3)),
    ("vldrb.u8 q0, [r0], #16", "b0ec101e", (4, 0)),
    ("vldrw.u32 q3, [r1, #16]!", "b1ed047f", (4, 0)),
    ("vldrb.s16 q1, [r0, #8]", "90ed882e", (2, 0)),
    ("vldrb.s32 q1, [r0, #4]", "90ed042f", (1, 0)),
    ("vldrh.s32 q2, [r1]", "99ed004f", (2, 0)),
    ("vldrw.u32 q0, [r0, q1]", "90fc420f", (4, 0)),
    ("vstrw.32 q0, [r0]", "80ed001f", (0, 4)),
    ("vmov r0, r1, q0[2], q0[0]", "01ec000f", (0, 0)),
    ("vmladava.s16 r0, q0, q1", "f0ee220e", (0, 0)),
]


@pytest.mark.parametrize(("text", "encoding", "words"), ENCODINGS, ids=[text for text, _, _ in ENCODINGS])
def test_words_of_an_arm_instruction(text, encoding, words):
    decoded = decoder("EM_ARM")(bytes.fromhex(encoding))
    assert (decoded.loaded_words, decoded.stored_words) == words
