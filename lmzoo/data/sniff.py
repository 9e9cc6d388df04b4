"""What a file is, by its first bytes: a download that failed is a page of HTML under any name.

kind = sniff(head)                          Kind("pdf", "a PDF document", …)
raise unreadable(path, kind, "a text")      "x.txt is a PDF document, not a text: …"
"""

import codecs
import json
import re
from dataclasses import dataclass

from lmzoo.errors import FormatError

HEAD = 1 << 16  # bytes that decide a file's kind


@dataclass(frozen=True)
class Kind:
    """What a file is: `words` for a message ("a PDF document") and what to do with one that cannot be read."""

    name: str
    words: str
    advice: str = ""
    encoding: str = ""  # of a text: the codec that reads it
    packed: bool = False  # `open_bytes` unpacks it

    @property
    def text(self) -> bool:
        """Whether it is characters in an encoding that is known."""
        return bool(self.encoding)


UNPACK = "unpack it and give the file that is in it"
EXTRACT = "save its text as a .txt file and give that"
NO_TEXT = "give the file that has the text"
PICKLE = (
    "loading one can run any code, so lmzoo reads none: save it as safetensors (nanoGPT's: see docs/nanogpt.md) "
    "or, if it is vectors, as text (in gensim with save_word2vec_format)"
)
CONVERT = "write it as UTF-8 to a new file, as with `iconv -f {} -t UTF-8 OLD > NEW`"
FASTTEXT = "use the .vec file beside it, or write one with `fasttext print-word-vectors MODEL.bin < WORDS > NEW.vec`"
SRILM, IRSTLM = (f"write it again with `{how}`" for how in ("ngram -write-lm", "compile-lm --text=yes"))
LFS = "the real file is not here; fetch it with `git lfs pull` in its repository"

TEXT = Kind("text", "a text", encoding="utf-8")
JSON_LINES = Kind("jsonl", "JSON lines", "give a text", encoding="utf-8")
JSON = Kind("json", "JSON", "give a text, or JSON lines: one object a line", encoding="utf-8")
HTML = Kind("html", "an HTML page", f"{EXTRACT}; if it was downloaded, see in a browser what the server answered")
ZEROS = Kind("zeros", "nothing but zero bytes", "its contents are lost: copy or download it again")
BINARY = Kind("binary", "binary data of an unknown kind", NO_TEXT)
UNKNOWN_ENCODING = Kind("8-bit", "a text in another encoding than UTF-8", CONVERT.format("ENCODING"))
WORD2VEC = Kind("word2vec", "vectors in word2vec's binary format", "import them with `lmzoo import`")

# (offset, bytes, whether they could also begin a text: then only a file with a zero byte is meant, kind)
MAGIC = [
    (0, b"\x1f\x8b", False, Kind("gzip", "gzip-compressed", UNPACK, packed=True)),
    (0, b"BZh", True, Kind("bzip2", "bzip2-compressed", UNPACK, packed=True)),
    (0, b"\xfd7zXZ\0", False, Kind("xz", "xz-compressed", UNPACK, packed=True)),
    (0, b"\x28\xb5\x2f\xfd", False, Kind("zstd", "Zstandard-compressed", UNPACK, packed=True)),
    (0, b"PK\3\4", False, Kind("zip", "a zip archive", UNPACK, packed=True)),
    (0, b"PK\5\6", False, Kind("empty zip", "an empty zip archive", NO_TEXT)),
    (0, b"\x04\x22\x4d\x18", False, Kind("lz4", "LZ4-compressed", UNPACK)),
    (0, b"\x1f\x9d", False, Kind("compress", "compressed by `compress`", UNPACK)),
    (0, b"7z\xbc\xaf\x27\x1c", False, Kind("7z", "a 7-Zip archive", UNPACK)),
    (0, b"Rar!\x1a\x07", False, Kind("rar", "a RAR archive", UNPACK)),
    (257, b"ustar", True, Kind("tar", "a tar archive", "unpack it and give the folder")),
    (0, b"%PDF-", False, Kind("pdf", "a PDF document", "extract its text, as with `pdftotext OLD.pdf NEW.txt`")),
    (0, b"%!PS", False, Kind("postscript", "a PostScript document", EXTRACT)),
    (0, b"{\\rtf", False, Kind("rtf", "an RTF document", EXTRACT)),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", False, Kind("office", "an Office document", EXTRACT)),
    (0, b"version https://git-lfs.github.com/spec/", False, Kind("lfs", "a Git LFS pointer", LFS)),
    (0, b"/annex/objects/", False, Kind("annex", "a git-annex pointer", LFS.replace("git lfs pull", "git annex get"))),
    (0, b"GGUF", True, Kind("gguf", "a GGUF model", "import the safetensors that it was made from")),
    (0, b"\x93NUMPY", False, Kind("npy", "a NumPy array (.npy)", NO_TEXT)),
    (0, b"\x89HDF\r\n", False, Kind("hdf5", "an HDF5 file", "save it as safetensors or as text")),
    (0, b"\xba\x16\x4f\x2f", False, Kind("fasttext", "a model in fastText's own format", FASTTEXT)),
    (0, b"mmap lm http://kheafield.com/code", True, Kind("kenlm", "a KenLM binary", "import the .arpa file of it")),
    (0, b"SRILM_BINARY_NGRAM", False, Kind("srilm", "in SRILM's binary format", SRILM)),
    (0, b"blmt ", True, Kind("irstlm", "in IRSTLM's binary format", IRSTLM)),
    (0, b"iARPA\n", False, Kind("iarpa", "an intermediate file of IRSTLM", IRSTLM)),
    (0, b"SQLite format 3\0", False, Kind("sqlite", "an SQLite database", EXTRACT)),
    (0, b"PAR1", True, Kind("parquet", "a Parquet table", "save its column of text as .txt or JSON lines")),
    (0, b"ARROW1\0\0", False, Kind("arrow", "an Arrow table", "save its column of text as .txt or JSON lines")),
    (0, b"\x89LMZ", False, Kind("lmz", "a file of `lmzoo compress`", "unpack it with `lmzoo decompress`")),
    (0, b"\x0a\x0e\x0a\x05<unk>", False, Kind("sentencepiece", "a SentencePiece model", NO_TEXT)),
    (0, b"\x89PNG\r\n", False, Kind("image", "a PNG image", NO_TEXT)),
    (0, b"\xff\xd8\xff", False, Kind("image", "a JPEG image", NO_TEXT)),
    (0, b"GIF8", True, Kind("image", "a GIF image", NO_TEXT)),
    (0, b"RIFF", True, Kind("media", "a WebP image, sound or video", NO_TEXT)),
    (0, b"OggS", True, Kind("media", "an Ogg sound or video", NO_TEXT)),
    (0, b"ID3", True, Kind("media", "an MP3 sound", NO_TEXT)),
    (4, b"ftyp", True, Kind("media", "a video, sound or HEIC image", NO_TEXT)),
    (0, b"\x7fELF", False, Kind("program", "a program", NO_TEXT)),
]
# What a zip is, by the name of its first member.
IN_ZIP = [
    (r"\[Content_Types\]\.xml|_rels/|docProps/|word/|xl/", Kind("office", "an Office document", EXTRACT)),
    (r"mimetype", Kind("office", "an OpenDocument or EPUB book", EXTRACT)),
    (r"META-INF/", Kind("jar", "a Java archive", NO_TEXT)),
    (r".*\.npy", Kind("npz", "a file of NumPy arrays (.npz)", NO_TEXT)),
    (r"[^/]+/(data\.pkl|\.data/|\.format_version|byteorder)", Kind("pytorch", "a PyTorch checkpoint", PICKLE)),
]
MARKS = [  # longest first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
]


def sniff(head: bytes, name: str = "") -> Kind:
    """The kind of a file that begins with `head` (64 KiB are enough); `name` decides only where bytes cannot."""
    for mark, encoding in MARKS:
        if head.startswith(mark):
            return _text(head[len(mark) :], encoding)
    for offset, magic, could_be_text, kind in MAGIC:
        if head.startswith(magic, offset) and not (could_be_text and b"\0" not in head and is_utf8(head, whole=False)):
            return _zip(head, kind) if kind.name == "zip" else kind
    if re.match(rb"\x80[\x02-\x05][\x8a\x95\x80}\](clX]", head):  # a protocol of pickle, and an opcode to begin with
        return Kind("pickle", "a Python pickle", PICKLE)
    if len(head) > 9 and int.from_bytes(head[:8], "little") < 1 << 27 and re.match(rb'\{\s*["}]', head[8:]):
        return Kind("safetensors", "a safetensors file", "import the folder that it is in, or give a text")
    if head and not head.strip(b"\0"):
        return ZEROS
    if wide := _wide(head):
        codec = wide.upper().replace("-LE", "LE").replace("-BE", "BE")
        return Kind(wide, f"a text in {codec} without its byte-order mark", CONVERT.format(codec))
    if is_utf8(head, whole=False) and head.count(0) <= len(head) / 10:  # numbers of four bytes can be UTF-8 too
        return _text(head, "utf-8", name)
    kind = _no_utf8(head)
    return WORD2VEC if kind is BINARY and re.match(rb"\d+ \d+\r?\n", head) else kind


def unreadable(path: object, kind: Kind, wanted: str) -> FormatError:
    """The error of a file that is a `kind` where `wanted` ("a text", "vectors") belongs."""
    return FormatError(f"{path} is {kind.words}, not {wanted}" + f": {kind.advice}" * bool(kind.advice))


def not_utf8(path: object, contents: bytes, error: UnicodeDecodeError) -> FormatError:
    """The error of a text that is no UTF-8: where, and what to do, which depends on what the bytes look like."""
    start = error.start
    around = contents[max(0, start - HEAD // 2) : start + HEAD // 2]
    if error.reason == "unexpected end of data":
        advice = "it ends inside a character, so it was cut short: copy or download it again"
    elif re.match(rb"\xed[\xa0-\xbf]", contents[start:]):
        advice = "half of a surrogate pair is no character: write the file again with a program that replaces them"
    else:
        kind = _no_utf8(around)
        advice = f"it looks like {kind.words}: {kind.advice}"
    line = contents.count(b"\n", 0, start) + 1
    where = f"byte {contents[start]:#04x} at offset {start:,}, line {line:,}"
    return FormatError(f"{path} is not UTF-8: {where} ({error.reason}); {advice}")


# ── What kind of text ─────────────────────────────────────────────────────────────────────────────


def _text(head: bytes, encoding: str, name: str = "") -> Kind:
    if encoding != "utf-8":
        return Kind(encoding, f"a text in {encoding.upper()}", encoding=encoding)
    start = head.lstrip()
    if re.match(rb"<!doctype html|<html\b|<head\b|<body\b", start[:100].lower()):
        return HTML
    if re.match(rb'\{\s*["}]', start):
        return JSON_LINES if _is_record(start, name) else JSON
    return JSON if re.match(rb'\[\s*[{\["]', start) and name.lower().endswith(".json") else TEXT


def _is_record(start: bytes, name: str) -> bool:
    """Whether a text that starts with { has an object in its first line."""
    line, end, _ = start.partition(b"\n")
    if not end and len(start) >= HEAD - 100:  # a line longer than the head
        return bool(re.match(rb'\{\s*"[^"]{1,200}"\s*:', line))
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return name.lower().endswith((".jsonl", ".ndjson"))


def is_utf8(text: bytes, whole: bool = True) -> bool:
    """Whether `text` is UTF-8; unless it is `whole`, it may end within a character."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(text, final=whole)
    except UnicodeDecodeError:
        return False
    return True


def _wide(head: bytes) -> str:
    """The codec of UTF-16 or UTF-32 without a mark, by where the zero bytes are; else ''."""
    head = head[: len(head) // 4 * 4]
    if len(head) < 16:
        return ""
    zeros = [head[i::4].count(0) / (len(head) / 4) for i in range(4)]
    first, second, third, fourth = zeros
    low, high = first + third, second + fourth
    encoding = ""
    # Of most scripts one byte in ten is the zero of a space or line end; few texts have U+0100 or U+0200.
    if min(third, fourth) > 0.9 > first:
        encoding = "utf-32-le"
    elif min(first, second) > 0.9 > fourth:
        encoding = "utf-32-be"
    elif high > 0.2 and low < high / 20:
        encoding = "utf-16-le"
    elif low > 0.2 and high < low / 20:
        encoding = "utf-16-be"
    text = head.decode(encoding, "replace") if encoding else ""
    strange = sum(not (c.isprintable() or c.isspace()) or c == "\ufffd" for c in text)
    return encoding if strange <= len(text) / 50 else ""


def _controls(data: bytes) -> float:
    """The share of control characters that texts do not have."""
    return len(re.findall(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]", data)) / max(1, len(data))


def _no_utf8(data: bytes) -> Kind:
    """Binary data, damaged UTF-8, a Western text of one byte a character, or a text in another encoding."""
    if b"\0" in data or _controls(data) > 0.01:
        return BINARY
    whole = len(re.findall(rb"[\xc3-\xf4][\x80-\xbf]+", data))  # characters of UTF-8
    bad = data.decode("utf-8", "replace").count("\ufffd")
    if whole > 4 * bad:
        return Kind("damaged", "UTF-8 with damaged characters", "correct that line, or download the file again")
    high = re.findall(rb"[\x80-\xff]", data)
    letters = len(re.findall(rb"[A-Za-z]", data))
    if len(high) > letters / 3:  # Cyrillic, Greek, Chinese …: only the writer knows
        return UNKNOWN_ENCODING
    windows = any(byte < b"\xa0" for byte in high)
    if windows and any(byte in b"\x81\x8d\x8f\x90\x9d" for byte in high):  # Windows-1252 has no such characters
        return UNKNOWN_ENCODING
    codec = "WINDOWS-1252" if windows else "LATIN1"
    return Kind(
        codec.lower(),
        f"a text in another encoding than UTF-8, perhaps {codec} (Western European)",
        CONVERT.format(codec),
    )


def _zip(head: bytes, kind: Kind) -> Kind:
    first = head[30 : 30 + int.from_bytes(head[26:28], "little")].decode("utf-8", "replace")
    return next((found for pattern, found in IN_ZIP if re.match(pattern, first)), kind)
