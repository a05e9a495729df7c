import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgelstm.device.flash.rsp import checksum, encode_frame, expand_runs, unescape


def test_frames_have_the_checksum_of_what_is_sent() -> None:
    assert encode_frame(b"OK") == b"$OK#9a"
    assert encode_frame(b"") == b"$#00"
    assert encode_frame(b"#$}*") == b"$}\x03}\x04}]}\n#" + checksum(b"}\x03}\x04}]}\n")


@given(st.binary(max_size=200))
def test_escaping_can_be_undone_and_hides_the_frame_characters(body: bytes) -> None:
    frame = encode_frame(body)
    escaped = frame[1:-3]
    assert not set(escaped) & set(b"#$*")
    assert unescape(escaped) == body


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"0* ", b"0000"),
        (b"a0*!b", b"a00000b"),
        (b"x*~", b"x" * 98),
        (b"1* 2* ", b"11112222"),
        (b"plain", b"plain"),
    ],
)
def test_runs(body: bytes, expected: bytes) -> None:
    assert expand_runs(body) == expected


@pytest.mark.parametrize("body", [b"*", b"* ", b"0*", b"0*\x1c", b"0*\x7f", b"0*\xff"])
def test_malformed_runs(body: bytes) -> None:
    with pytest.raises(ValueError, match="run length"):
        expand_runs(body)


def test_an_escape_without_its_byte_is_malformed() -> None:
    with pytest.raises(ValueError, match="escape"):
        unescape(b"ab}")
