"""Packing JSON under its digest: pure."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeline_blobs import BlobCorruptError
from wakeline_blobs.content import pack, unpack

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=20,
)


@given(json_values)
def test_unpacking_gives_back_what_was_packed(value: object) -> None:
    ref, packed = pack(value)
    assert unpack(ref, packed) == value


@given(st.dictionaries(st.text(max_size=5), st.integers(0, 9), min_size=2))
def test_the_order_of_keys_does_not_change_a_byte(value: dict[str, int]) -> None:
    assert pack(dict(reversed(value.items()))) == pack(value)


def test_the_key_holds_the_digest_and_is_spread_over_folders() -> None:
    ref, packed = pack({"a": 1})
    assert ref.key == f"sha256/{ref.digest[:2]}/{ref.digest}.json.gz"
    assert ref.bytes == len(gzip.decompress(packed)) == len(b'{"a":1}')


def test_one_flipped_bit_anywhere_is_noticed() -> None:
    ref, packed = pack({"a": list(range(50))})
    # The gzip header's time, flags and system, and the trailer, do not change the content.
    for position in range(10, len(packed) - 8):
        damaged = bytearray(packed)
        damaged[position] ^= 1
        with pytest.raises(BlobCorruptError):
            unpack(ref, bytes(damaged))


def test_an_object_that_unpacks_to_more_than_its_reference_says_is_not_unpacked() -> None:
    ref, _ = pack("x")
    bomb = gzip.compress(b"0" * 50_000_000)
    with pytest.raises(BlobCorruptError):
        unpack(ref, bomb)


def test_a_cut_object_is_noticed() -> None:
    ref, packed = pack(list(range(1000)))
    with pytest.raises(BlobCorruptError):
        unpack(ref, packed[: len(packed) // 2])
