"""Writes a package index of small wheels, which pip reads from this machine.

Usage: wheels.py FOLDER. `FOLDER/simple` is the index, and `FOLDER/wheels` has the wheels. The packages are made up.
"""
import base64
import hashlib
import sys
import zipfile
from pathlib import Path

# The name, the version, the tag, the requirements and more files of each wheel.
WHEELS = [
    ("own", "1.0", "py3-none-any", [], {}),
    ("own", "1.1", "py2.py3-none-any", ["helping>=1; python_version >= '3.15'", "numpy<2", "absent; sys_platform == 'win32'"], {}),
    ("helping", "1.0", "py3-none-any", ["extra_part; extra == 'more'"], {}),
    ("extra-part", "2.0", "py3-none-any", [], {}),
    ("compiled", "1.0", "cp312-cp312-manylinux_2_28_x86_64", [], {}),
    ("hidden", "1.0", "py3-none-any", [], {"hidden/part.so.1": b"\x7fELF"}),
    ("outside", "1.0", "py3-none-any", [], {"../outside.py": b""}),
    ("building", "1.0", "py3-none-any", ["evil @ https://127.0.0.1:9/evil-1.0.tar.gz"], {}),
    ("telling", "1.0", "py3-none-any", ["evil @ https://127.0.0.1:9/${HOME}/evil-1.0-py3-none-any.whl"], {}),
    ("older", "1.0", "py3-none-any", [], {"METADATA": b"Requires-Python: <3.15\n"}),
    ("endless", "1.0", "py3-none-any", ["own==1.0", "helping>1"], {}),
]


def wheel(folder, name, version, tag, requires, more):
    """Writes one wheel, and returns its file name."""
    module, path = name.replace("-", "_"), f"{name.replace('-', '_')}-{version}"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nLicense: {name} licence\n"
    metadata += "".join(f"Requires-Dist: {one}\n" for one in requires)
    metadata += more.get("METADATA", b"").decode()
    files = {
        f"{module}/__init__.py": f"VERSION = {version!r}\n".encode(),
        f"{path}.dist-info/METADATA": metadata.encode(),
        f"{path}.dist-info/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n".encode(),
        **{key: value for key, value in more.items() if key != "METADATA"},
    }
    record = "".join(f"{key},sha256={digest(value)},{len(value)}\n" for key, value in files.items())
    files[f"{path}.dist-info/RECORD"] = f"{record}{path}.dist-info/RECORD,,\n".encode()
    file = folder / f"{path}-{tag}.whl"
    with zipfile.ZipFile(file, "w") as archive:
        for key, value in files.items():
            archive.writestr(zipfile.ZipInfo(key), value)
    return file.name


def digest(value):
    return base64.urlsafe_b64encode(hashlib.sha256(value).digest()).rstrip(b"=").decode()


def main(folder):
    wheels = folder / "wheels"
    wheels.mkdir(parents=True)
    links = {}
    for one in WHEELS:
        python = one[4].get("METADATA", b"").decode().partition("Requires-Python: ")[2].strip()
        limit = f' data-requires-python="{python.replace("<", "&lt;")}"' if python else ""
        file = wheel(wheels, *one)
        links.setdefault(one[0], []).append(f'<a href="../../wheels/{file}"{limit}>{file}</a>')
    for name, found in links.items():
        page = folder / "simple" / name / "index.html"
        page.parent.mkdir(parents=True)
        page.write_text("<!DOCTYPE html><html><body>" + "<br>".join(found) + "</body></html>")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
