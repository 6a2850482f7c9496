"""Finds the wheels of a script's packages with pip.

Reads a job as JSON from standard input, downloads wheels into the folder `wheels` of the job, and
writes what it found as JSON to standard output. No code of a package runs: only wheels are taken,
and only their metadata is read.
"""

import email
import glob
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from urllib.parse import urlsplit

from pip._vendor.packaging.requirements import Requirement
from pip._vendor.packaging.utils import canonicalize_name, parse_wheel_filename

# Platforms and a version of Python for which a package with native code is looked for, to name its wheel.
NATIVE = ["manylinux_2_34_x86_64", "manylinux_2_28_x86_64", "manylinux2014_x86_64"]
NATIVE_PYTHON = "3.12"
# Names of files with native code. A library may have its version after its extension.
NATIVE_FILE = re.compile(r"\.(so|pyd|dylib|dll)(\.[0-9]+)*$")

MOST_PACKAGES = 200
MOST_METADATA_BYTES = 4 << 20
LICENSE_LENGTH = 100
# Part of pip's warning about an index that does not answer.
BROKEN = "connection broken by"
# Time limit of a run of pip, in seconds. pip itself waits for 15 s and tries a request again.
PIP_SECONDS = 600


class Refused(Exception):
    """A package that cannot be taken: its kind, and what was found instead."""

    def __init__(self, kind, detail):
        super().__init__(kind, detail)
        self.kind, self.detail = kind, detail


class Resolver:
    def __init__(self, job):
        self.job = job
        self.marks = dict(job["environment"])
        self.engine = {canonicalize_name(name): version for name, version in job["engine"].items()}
        self.provided = {canonicalize_name(name) for name in job["provided"]}
        self.found = {}
        self.satisfied = {}
        self.limits = {}

    def run(self):
        def named(text, wheel, hashes, place):
            return {"text": text, "wheel": wheel, "hashes": hashes, "place": place, "extras": [""]}

        todo = [(self.limit, named(**one)) for one in self.job["constraints"]]
        # The packages that the author names come before those that packages ask for.
        todo += [(self.take, named(**one)) for one in self.job["packages"]]
        while todo:
            step, one = todo.pop(0)
            try:
                todo += [(self.take, more) for more in step(**one)]
            except Refused as refused:
                return refused_answer(one, refused.kind, refused.detail)
            except (ValueError, zipfile.BadZipFile) as error:
                # All errors of `packaging` about names, versions and markers are of this kind.
                lines = str(error).splitlines()
                return refused_answer(one, "invalid", lines[0] if lines else type(error).__name__)
        return {"wheels": sorted(self.found.values(), key=lambda one: one["name"]), "satisfied": self.satisfied}

    def limit(self, text, wheel, hashes, place, extras):
        """Takes one constraint. A constraint asks for nothing."""
        requirement = Requirement(text)
        if wheel or requirement.url:
            raise Refused("invalid", "a constraint has a name and a version")
        if requirement.marker is None or self.applies(requirement, ""):
            self.limits.setdefault(canonicalize_name(requirement.name), []).append(requirement)
        return []

    def take(self, text, wheel, hashes, place, extras):
        """Takes one requirement, and returns the requirements of its wheel."""
        if wheel:
            name, _ = named_by(wheel)
            if not hashes and self.job["are_hashed"]:
                raise Refused("unhashed", "")
            if hashes and not any(digest(wheel, one.split(":")[0]) == one.lower() for one in hashes):
                raise Refused("hash", digest(wheel, "sha256"))
            return self.unpacked(name, wheel, [""], True, place)
        requirement = Requirement(text)
        if requirement.marker and not any(self.applies(requirement, extra) for extra in extras):
            return []
        name = canonicalize_name(requirement.name)
        for limit in self.limits.get(name, []):
            # pip accepts a digest only next to one exact version.
            if not hashes:
                requirement.specifier &= limit.specifier
        if name in self.provided:
            return []
        if name in self.engine:
            self.satisfy(name, requirement, place)
            return []
        wanted = [""] + sorted(requirement.extras)
        known = self.found.get(name)
        if known is not None:
            if not requirement.specifier.contains(known["version"], prereleases=True):
                raise Refused("conflict", f"{known['version']} was chosen for {known['place']}")
            return self.needs(known, wanted)
        if requirement.url and not is_wheel(requirement.url):
            # pip would build the package, which runs its code, or put a variable into the address.
            raise Refused("source", requirement.url)
        exact = [one for one in requirement.specifier if one.operator in ("==", "===") and "*" not in one.version]
        is_pinned = bool(exact) or requirement.url is not None
        if self.job["are_hashed"] and not (hashes and is_pinned):
            raise Refused("unhashed", "")
        if len(self.found) == MOST_PACKAGES:
            raise Refused("many", f"{MOST_PACKAGES} packages are there already")
        wheel = self.download(requirement, hashes)
        if named_by(wheel)[0] != name:
            raise Refused("damaged", f"the index sent {os.path.basename(wheel)}")
        return self.unpacked(name, wheel, wanted, is_pinned, place)

    def satisfy(self, name, requirement, place):
        version = self.engine[name]
        is_asked = requirement.specifier.contains(version, prereleases=True)
        known = self.satisfied.get(name)
        if known is None or known["is_asked"] and not is_asked:
            self.satisfied[name] = {
                "version": version, "is_asked": is_asked, "asked": str(requirement.specifier), "place": place,
            }

    def applies(self, requirement, extra):
        return requirement.marker.evaluate({**self.marks, "extra": extra})

    def unpacked(self, name, wheel, extras, is_pinned, place):
        with zipfile.ZipFile(wheel) as archive:
            names = archive.namelist()
            if any(NATIVE_FILE.search(one) for one in names):
                raise Refused("native", os.path.basename(wheel))
            metadata = [one for one in names if one.count("/") == 1 and one.endswith(".dist-info/METADATA")]
            if not metadata or archive.getinfo(metadata[0]).file_size > MOST_METADATA_BYTES:
                raise Refused("damaged", f"{os.path.basename(wheel)} has no metadata that can be read")
            described = email.message_from_bytes(archive.read(metadata[0]))
        license = str(described.get("License-Expression") or described.get("License") or "").strip()
        self.found[name] = {
            "name": name, "version": str(named_by(wheel)[1]), "file": wheel, "sha256": digest(wheel, "sha256")[7:],
            "license": license.splitlines()[0].strip()[:LICENSE_LENGTH] if license else "",
            "requires": [str(one) for one in described.get_all("Requires-Dist") or []], "place": place,
            "is_pinned": is_pinned,
        }
        return self.needs(self.found[name], extras)

    def needs(self, wheel, extras):
        """Returns the requirements of a wheel that the extras ask for and that were not seen yet."""
        fresh = [extra for extra in extras if extra not in wheel.setdefault("extras", [])]
        wheel["extras"] += fresh
        place = f"{wheel['name']} {wheel['version']}"
        texts = wheel["requires"] if fresh else []
        return [{"text": text, "wheel": None, "hashes": [], "place": place, "extras": fresh} for text in texts]

    def download(self, requirement, hashes):
        requirement.marker = None
        folder = tempfile.mkdtemp(dir=self.job["wheels"])
        lines = os.path.join(folder, "requirements.txt")
        with open(lines, "w", encoding="utf-8") as file:
            # Addresses of indexes may have passwords, which a command line would show to other users.
            file.writelines(option + "\n" for option in self.job["options"])
            file.write(" ".join([str(requirement)] + [f"--hash={one}" for one in hashes]) + "\n")
        target = ["--implementation", "py", "--abi", "none", "--platform", "any"]
        version = ["--python-version", self.marks["python_version"]]
        code, said = self.pip(["download", "--dest", folder, *version, *target, "--requirement", lines])
        wheels = glob.glob(os.path.join(glob.escape(folder), "*.whl"))
        if code == 0 and len(wheels) == 1:
            return wheels[0]
        if "DO NOT MATCH THE HASHES" in said:
            raise Refused("hash", said)
        if BROKEN in said and "from versions: none" in said:
            # pip says that there is no such package, because no index answered.
            raise Refused("pip", said)
        if "No matching distribution" not in said and "is not a supported wheel" not in said:
            raise Refused("pip", said)
        other = self.elsewhere(lines, folder)
        if other is None:
            raise Refused("missing", said)
        raise Refused("python" if other.endswith("-none-any.whl") else "native", other)

    def elsewhere(self, lines, folder):
        """Returns the file name of the wheel that fits on a usual machine, or None if there is none."""
        report = os.path.join(folder, "report.json")
        platforms = [word for name in NATIVE for word in ("--platform", name)]
        code, _ = self.pip([
            "install", "--dry-run", "--ignore-installed", "--report", report, "--target", folder,
            "--python-version", NATIVE_PYTHON, *platforms, "--requirement", lines,
        ])
        if code != 0:
            return None
        with open(report, encoding="utf-8") as file:
            installed = json.load(file)["install"]
        names = [urlsplit(one["download_info"]["url"]).path.rsplit("/", 1)[-1] for one in installed]
        return names[0] if names else None

    def pip(self, words):
        """Runs pip. Returns its exit code and its errors."""
        common = ["--quiet", "--no-input", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"]
        command = [sys.executable, "-m", "pip", words[0], *common, *words[1:]]
        environment = {**os.environ, "PIP_USER": "0", "PIP_ROOT_USER_ACTION": "ignore", "PYTHONIOENCODING": "utf-8"}
        try:
            ended = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, env=environment, timeout=PIP_SECONDS
            )
        except subprocess.TimeoutExpired:
            return 1, f"it did not end in {PIP_SECONDS} s"
        lines = ended.stderr.decode("utf-8", "replace").strip().splitlines()
        said = [line for line in lines if BROKEN in line][-1:] + [line for line in lines if line.startswith("ERROR:")]
        return ended.returncode, " ".join(said or lines[-1:])


def is_wheel(url):
    parts = urlsplit(url)
    return parts.scheme in ("https", "http") and parts.path.endswith(".whl") and "$" not in url


def named_by(wheel):
    """Returns the name and the version that the file name of a wheel has."""
    name, version, _, _ = parse_wheel_filename(os.path.basename(wheel))
    return canonicalize_name(name), version


def digest(path, name):
    """Returns the digest of a file in the form that pip accepts, such as `sha256:HEX`."""
    found = hashlib.new(name)
    with open(path, "rb") as file:
        while part := file.read(1 << 20):
            found.update(part)
    return f"{name}:{found.hexdigest()}"


def refused_answer(one, kind, detail):
    return {"refused": {"text": one["text"], "place": one["place"], "kind": kind, "detail": detail}}


if __name__ == "__main__":
    json.dump(Resolver(json.load(sys.stdin)).run(), sys.stdout)
