"""Frames: what is sent arrives, what is damaged does not, whatever comes between."""

import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.board import frames
from drivers.board.frames import Frame, FrameDamaged, FrameSplitter, Status

BYTE = st.integers(0, 255)
PAYLOADS = st.binary(max_size=40) | st.builds(
    # Long ones, with blocks of any length between their zeros.
    lambda blocks: b"\0".join(b"\7" * length for length in blocks),
    st.lists(st.sampled_from([0, 1, 252, 253, 254, 255, 256, 507, 508, 509]), max_size=5),
)
FRAMES = st.builds(Frame, BYTE, BYTE, PAYLOADS, BYTE, BYTE)


def textbook(data: bytes) -> bytes:
    """COBS byte by byte, as in figure 3 of the paper."""
    stuffed, block = bytearray(), bytearray()
    for number, byte in enumerate(data):
        if byte:
            block.append(byte)
        if byte == 0 or len(block) == 254:
            stuffed += bytes([len(block) + 1]) + block
            full, block = len(block) == 254 and byte != 0, bytearray()
            if full and number == len(data) - 1:
                return bytes(stuffed)
    return bytes(stuffed) + bytes([len(block) + 1]) + bytes(block)


@given(data=PAYLOADS)
def test_stuffing_is_that_of_the_paper(data: bytes) -> None:
    stuffed = frames.stuff(data)
    assert stuffed == textbook(data)
    assert 0 not in stuffed
    assert len(stuffed) <= len(data) + len(data) // 254 + 1
    assert frames.unstuff(stuffed) == data


@given(blocks=st.integers(1, 3))
def test_an_empty_block_after_a_full_one_at_the_end_means_nothing(blocks: int) -> None:
    data = b"\7" * 254 * blocks
    assert frames.unstuff(frames.stuff(data) + b"\1") == data
    assert len(frames.stuff(data) + b"\1") <= len(data) + len(data) // 254 + 1


@pytest.mark.parametrize("wrong", [b"\2", b"\5abc", b"\xff" + b"\7" * 253, b"\2\0", b"\1\0\1"])
def test_what_was_never_stuffed_is_refused(wrong: bytes) -> None:
    with pytest.raises(FrameDamaged, match="COBS"):
        frames.unstuff(wrong)


@given(frame=FRAMES)
def test_a_frame_comes_back(frame: Frame) -> None:
    line = frame.encode()
    assert line.endswith(b"\0") and line.count(0) == 1
    assert len(line) <= frames.max_line_bytes(len(frame.payload))
    assert Frame.decode(line[:-1]) == frame
    whole = frames.unstuff(line[:-1])
    assert zlib.crc32(whole) == 0x2144DF1C  # what any message with its own CRC-32 gives
    assert frame.checksum() == int.from_bytes(whole[-4:], "little")


@given(data=st.data())
def test_a_stream_gives_the_same_frames_however_it_is_cut(data: st.DataObject) -> None:
    sent = data.draw(st.lists(FRAMES, max_size=5))
    stream = b"".join(frame.encode() for frame in sent)
    splitter = FrameSplitter(2000)
    found = []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += splitter.feed(stream[:size])
        stream = stream[size:]
    assert [Frame.decode(piece) for piece in found if piece is not None] == [
        frame for frame in sent if len(frame.encode()) <= 2001
    ]
    assert len(found) == len(sent)


@given(longest=st.integers(1, 30), lengths=st.lists(st.integers(0, 60), max_size=6))
def test_what_is_too_long_is_told_and_forgotten(longest: int, lengths: list[int]) -> None:
    pieces = [b"\7" * length for length in lengths]
    found = FrameSplitter(longest).feed(b"\0".join([*pieces, b""]))
    assert found == [p if len(p) <= longest else None for p in pieces if p]


@given(frame=FRAMES, noise=st.binary(max_size=20), more=st.binary(max_size=20))
def test_a_zero_ends_any_noise(frame: Frame, noise: bytes, more: bytes) -> None:
    splitter = FrameSplitter(2000)
    line = frame.encode()
    found = splitter.feed(noise + b"\0" + line + more)
    assert line[:-1] in found or len(line) > 2001


def damages(line: bytes, rng: np.random.Generator) -> bytes:
    """A frame with one to three faults, the last zero left out."""
    body = bytearray(line[:-1])
    for _ in range(rng.integers(1, 4)):
        at = int(rng.integers(len(body) + 1))
        fault = int(rng.integers(4))
        if fault == 0 and at < len(body):
            body[at] ^= 1 << int(rng.integers(8))
        elif fault == 1:
            del body[at : at + int(rng.integers(1, 6))]
        elif fault == 2:
            body[at:at] = rng.bytes(int(rng.integers(1, 6)))
        else:
            body[at:at] = body[at : at + int(rng.integers(1, 20))]
    return bytes(body)


def fuzz(seed: int, count: int) -> None:
    """Feed noise and damaged frames to a host's ears.

    Whatever it hears as a frame has to be the one that was sent.
    """
    rng = np.random.default_rng(seed)
    splitter = FrameSplitter(frames.max_line_bytes(300))
    for number in range(count):
        size = int(rng.integers(0, 300 if number % 10 == 0 else 40))
        frame = Frame(*(int(n) for n in rng.integers(0, 256, 2)), rng.bytes(size))
        string = frame.encode()
        string = rng.bytes(size) if number % 4 == 0 else damages(string, rng)
        for piece in splitter.feed(string + b"\0"):
            try:
                heard = Frame.decode(piece) if piece is not None else frame
            except FrameDamaged as damage:
                assert damage.status in (Status.CRC, Status.COBS, Status.LENGTH)
            else:
                assert heard == frame
    greeting = Frame(1, 2, b"hello")
    assert [Frame.decode(p) for p in splitter.feed(greeting.encode()) if p] == [greeting]


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_no_noise_is_heard_as_a_frame(seed: int) -> None:
    fuzz(seed, 2000)
