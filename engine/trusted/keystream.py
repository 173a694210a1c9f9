"""The one keystream: AES-256 in counter mode, read as little-endian 64-bit words.

Claim: words ``start`` and on are those of the specified stream under the key, whatever lengths they are taken in.
Because: a block is two words; the counter begins at the block of ``start``, and one word is passed over if that is odd.
Checked by: tests/trusted_crypto/test_replicated.py::test_the_keystream_is_the_specified_one_from_any_place
            tests/trusted_sampler/test_exact.py::test_the_keystream_is_aes_256_in_counter_mode
"""

from __future__ import annotations

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from engine.trusted.ring import Vector

CHUNK = 1 << 14  # words: 128 KiB, stays in the processor's cache
_ZEROS = memoryview(bytes(8 * CHUNK))


class Keystream:
    """Under ``key`` of 32 bytes, from word ``start`` on."""

    def __init__(self, key: bytes, start: int = 0) -> None:
        first = (start // 2).to_bytes(16, "big")
        self._encryptor = Cipher(algorithms.AES256(key), modes.CTR(first)).encryptor()
        self.words(start % 2)

    def words(self, count: int) -> Vector:
        """The next ``count`` words."""
        words = np.empty(count + 2, dtype="<u8")  # two more: the cipher asks for room of a block
        room, end = words.data.cast("B"), 8 * count
        for at in range(0, end, len(_ZEROS)):
            self._encryptor.update_into(_ZEROS[: end - at], room[at:])
        return words[:count]
