"""A text, compressed by every model and decompressed again, beside zip and xz."""

import io
import lzma
import time
import zipfile
from collections.abc import Callable, Generator, Iterator
from typing import Any

import numpy as np

from lmzoo.compression import codec, container
from lmzoo.interface import LanguageModel
from lmzoo.serve.contestants import Contestant, Contestants
from lmzoo.serve.handlers import Handler, Request, Text
from lmzoo.serve.worker import said


class Compress(Request):
    """A text to compress by every model."""

    text: Text


def compress(contestants: Contestants, request: Compress) -> Iterator[Any]:
    """{id, bits, payload, header, ms, same} of zip, xz and each model, as soon as it has decompressed the text.

    `bits` are the model's own, −log₂ P of the text (None for zip and xz); `payload` and `header` are bytes of the
    file, with its checksums in the header; `ms` is both directions; `same`, whether the text came back. A model that
    cannot has {id, error}.
    """
    data = request.text.encode("utf-8", "surrogatepass")
    for name, compressor in STANDARD.items():
        began = time.perf_counter()
        payload, header, same = compressor(data)
        yield {"id": name, "bits": None, "payload": payload, "header": header, "ms": _since(began), "same": same}
    for run in contestants:
        try:
            yield from _raced(run, request.text, data)
        except Exception as error:  # the others go on
            yield {"id": run.id, "error": said(error)}


def _raced(run: Contestant, text: str, data: bytes) -> Generator[dict[str, Any] | None, None, None]:
    if run.reader is None:
        yield {"id": run.id, "error": run.error}
        return
    codec.need_coder()
    text_model, began = run.text_model, time.perf_counter()
    file = yield from codec.compressing(text_model, data)
    same = (yield from codec.decompressing(text_model, file)) == data
    ms = _since(began)
    model = text_model.require(LanguageModel, "it can compress none")
    bits = float(-np.sum(model.log_probs(text_model.tokenizer.encode(text))[0]) / np.log(2))
    payload = len(file) - container.SIZE
    yield {"id": run.id, "bits": round(bits, 2), "payload": payload, "header": container.SIZE, "ms": ms, "same": same}


def _since(began: float) -> float:
    return round(1000 * (time.perf_counter() - began), 1)


def _zip(data: bytes) -> tuple[int, int, bool]:
    """Bytes of payload and header of a zip file of one file, and whether that comes back."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("text", data)
        payload = archive.getinfo("text").compress_size
    with zipfile.ZipFile(file) as archive:
        same = archive.read("text") == data
    return payload, len(file.getvalue()) - payload, same


def _xz(data: bytes) -> tuple[int, int, bool]:
    """The same of an xz file."""
    # A dictionary as long as any text: the usual one of 64 MiB takes longer to make than the text to compress.
    filters: list[dict[str, Any]] = [{"id": lzma.FILTER_LZMA2, "preset": 9, "dict_size": 1 << 16}]
    payload = len(lzma.compress(data, format=lzma.FORMAT_RAW, filters=filters))
    file = lzma.compress(data, format=lzma.FORMAT_XZ, filters=filters)
    return payload, len(file) - payload, lzma.decompress(file) == data


STANDARD: dict[str, Callable[[bytes], tuple[int, int, bool]]] = {"zip": _zip, "xz": _xz}
HANDLERS = {
    "compress": Handler(Compress, compress, streams=True, seconds=60.0, frozen=lambda _, text: [{"text": text}])
}
