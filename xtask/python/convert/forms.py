"""The format of a model file, found by its content. The file's name is not used, because models
have names of all kinds.

Owns the signatures of file formats, the instructions for formats that are not converted, and the
reading of compressed files. Must not know estimators, and runs nothing that a file contains.
"""

import bz2
import lzma
import os
import zipfile
import zlib

from refusal import Refused
import elsewhere

PICKLE, XGBOOST, LIGHTGBM, SKOPS = "pickle", "XGBoost's own form", "LightGBM's own form", "skops"

# Number of bytes at the start of a file that show its format.
_HEAD = 64 << 10
# Number of bytes that are unpacked at a time. They unpack to at most about a thousand times as many
# bytes.
_PART = 64 << 10

_TORCH = ("is a file of torch.save, which holds weights and no model that converts", elsewhere.instruction("torch"))
_KERAS = ("is a Keras model", elsewhere.instruction("keras"))
_WEIGHTS = ("is HDF5, as Keras and others write it", elsewhere.instruction("keras"))
_CATBOOST = ("is a CatBoost model", elsewhere.instruction("catboost"))
_R = ("is a file of R", "train the model in Python, or write a scorer")
_PMML = ("is XML, as PMML is, and no converter reads PMML", "name the pickle that the PMML file was made of")
_BINARY = (
    "is XGBoost's old binary form, which XGBoost 3 does not read",
    "load it with the XGBoost that wrote it, and save it as JSON: `booster.save_model('model.json')`",
)
_FOREIGN = [
    (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", _TORCH),
    (b"\x89HDF\r\n\x1a\n", _WEIGHTS),
    (b"CBM1", _CATBOOST),
    (b"<?xml", _PMML),
    (b"<PMML", _PMML),
    (b"RDX", _R),
    (b"X\n\x00\x00\x00", _R),
    (b"binf", _BINARY),
    (b"bs64", _BINARY),
]
_DUMP = "is a dump for people, which {} does not load again"

# Instruction for a file that was cut.
CUT = "copy or download it again, and compare its size with the original's"


def of(path):
    """Returns the format of a file. Refuses known formats that cannot be converted."""
    head = _start(path)
    if not head:
        raise Refused("was cut: nothing can be unpacked" if os.path.getsize(path) else "is empty", CUT)
    for signature, (problem, fix) in _FOREIGN:
        if head.startswith(signature):
            raise Refused(problem, fix)
    if head.startswith(b"PK\x03\x04"):
        return _archive(path)
    text = head.lstrip()
    if text.startswith(b"{"):
        return _object(path, text)
    if text.startswith(b"[") and b'"nodeid"' in text:
        raise Refused(_DUMP.format("XGBoost"), "save the model itself: `booster.save_model('model.json')`")
    if text.startswith(b"booster[") and b"leaf=" in text:
        raise Refused(_DUMP.format("XGBoost"), "save the model itself: `booster.save_model('model.json')`")
    if head.startswith((b"tree\n", b"tree\r\n")) and b"num_class=" in head:
        if b"end of trees" not in read(path):
            raise Refused("is a LightGBM model that was cut: its trees have no end", CUT)
        return LIGHTGBM
    return PICKLE


def read(path):
    """Returns all bytes of a file, unpacked if the file is compressed. If the file was cut, returns
    the bytes that it has.
    """
    return b"".join(_parts(path))


def is_cut(path):
    """Returns True if the end of a pickle or of a compressed file is missing."""
    head, last, whole = _start(path), b"", True
    try:
        for part in _unpacked(path):
            last = part or last
    except (EOFError, OSError, RuntimeError, ValueError, zlib.error, lzma.LZMAError):
        whole = False
    # The last byte of a pickle is the opcode STOP.
    return not whole or (head[:1] == b"\x80" and not last.endswith(b"."))


def begins(path):
    """Returns the first bytes of a file as text, for a message."""
    return ascii(_start(path)[:24].decode("latin-1"))


def _start(path):
    head = b""
    for part in _parts(path):
        head += part
        if len(head) >= _HEAD:
            break
    return head[:_HEAD]


def _parts(path):
    """Yields the readable parts of a file, which may be cut or damaged."""
    try:
        yield from _unpacked(path)
    except (EOFError, OSError, RuntimeError, ValueError, zlib.error, lzma.LZMAError):
        return


def _unpacked(path):
    with open(path, "rb") as file:
        unpack = _unpacker(file.read(6))
        file.seek(0)
        while part := file.read(_PART):
            if unpack is None:
                yield part
            elif not unpack.eof:
                yield unpack.decompress(part)
    if unpack is not None and not unpack.eof:
        raise EOFError


def _unpacker(head):
    """Returns a decompressor for a file that begins with the bytes `head`, or None if the file is
    not compressed.
    """
    if head.startswith(b"\x1f\x8b"):
        return zlib.decompressobj(wbits=31)
    if head.startswith(b"BZh"):
        return bz2.BZ2Decompressor()
    if head.startswith((b"\xfd7zXZ", b"]\x00\x00")):
        return lzma.LZMADecompressor()
    if head.startswith(b"\x04\x22\x4d\x18"):
        return _lz4().LZ4FrameDecompressor()
    # The head of a zlib stream: deflate, a window of at most 32 KiB, and two bytes whose number is
    # a multiple of 31.
    if len(head) > 1 and head[0] & 15 == 8 and head[0] >> 4 <= 7 and int.from_bytes(head[:2], "big") % 31 == 0:
        return zlib.decompressobj()
    return None


def _lz4():
    try:
        import lz4.frame
    except ImportError:
        raise Refused(
            "is compressed by lz4, and this environment has no lz4",
            "write it again without: `joblib.dump(joblib.load('model.joblib'), 'plain.joblib')`, where lz4 is installed",
        ) from None
    return lz4.frame


def _archive(path):
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        raise Refused("is a zip archive that was cut or damaged", CUT) from None
    if "schema.json" in names:
        return SKOPS
    if any(name == "data.pkl" or name.endswith("/data.pkl") for name in names):
        raise Refused(*_TORCH)
    if "model.weights.h5" in names:
        raise Refused(*_KERAS)
    shown = ", ".join(repr(name[:60]) for name in names[:5])
    raise Refused(f"is a zip archive with {shown or 'nothing in it'}", "unpack it, and name the model's file")


def _object(path, text):
    """Returns the format of a file that begins with a brace: JSON, or XGBoost's UBJSON. Refuses
    anything that is not an XGBoost model.
    """
    if b"learner" in text:
        if not read(path).rstrip().endswith(b"}"):
            raise Refused("is an XGBoost model that was cut: it has no end", CUT)
        return XGBOOST
    if b'"tree_info"' in text or b'"feature_infos"' in text:
        raise Refused(_DUMP.format("LightGBM"), "save the model itself: `booster.save_model('model.txt')`")
    raise Refused(
        "is JSON, and not a model that XGBoost saved",
        "name the file of `save_model`, or a pickle of the fitted model",
    )
