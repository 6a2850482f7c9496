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
import subprocess
import sys
import tempfile
import zipfile

from pip._vendor.packaging.requirements import InvalidRequirement, Requirement
from pip._vendor.packaging.utils import canonicalize_name, parse_wheel_filename

# The platforms on which a package with native code is looked for, to name its wheel.
NATIVE = ["manylinux_2_34_x86_64", "manylinux_2_28_x86_64", "manylinux2014_x86_64"]


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
        for limit in job["constraints"]:
            requirement = self.parsed(limit["text"], limit["place"])
            self.limits.setdefault(canonicalize_name(requirement.name), []).append(requirement)

    def parsed(self, text, place):
        try:
            return Requirement(text)
        except InvalidRequirement as error:
            raise Refused("invalid", str(error).splitlines()[0])

    def run(self):
        # The packages that the author names come before those that packages ask for.
        todo = [(one["text"], one["hashes"], one["place"], [""]) for one in self.job["packages"]]
        while todo:
            text, hashes, place, extras = todo.pop(0)
            try:
                todo += self.take(text, hashes, place, extras)
            except Refused as refused:
                return {"refused": {"text": text, "place": place, "kind": refused.kind, "detail": refused.detail}}
        return {"wheels": sorted(self.found.values(), key=lambda one: one["name"]), "satisfied": self.satisfied}

    def take(self, text, hashes, place, extras):
        """Takes one requirement, and returns the requirements of its wheel."""
        if text.endswith(".whl") and os.path.isabs(text):
            name = canonicalize_name(parse_wheel_filename(os.path.basename(text))[0])
            return self.unpacked(name, text, [""], text, place)
        requirement = self.parsed(text, place)
        if requirement.marker and not any(self.applies(requirement, extra) for extra in extras):
            return []
        name = canonicalize_name(requirement.name)
        for limit in self.limits.get(name, []):
            requirement.specifier &= limit.specifier
        if name in self.provided:
            return []
        if name in self.engine:
            version = self.engine[name]
            is_asked = requirement.specifier.contains(version, prereleases=True)
            known = self.satisfied.get(name)
            if known is None or known["is_asked"] and not is_asked:
                self.satisfied[name] = {
                    "version": version, "is_asked": is_asked, "asked": str(requirement.specifier), "place": place,
                }
            return []
        wanted = [""] + sorted(requirement.extras)
        known = self.found.get(name)
        if known is not None:
            if not requirement.specifier.contains(known["version"], prereleases=True):
                raise Refused("conflict", f"{known['version']} was chosen for {known['place']}")
            return self.needs(known, wanted)
        return self.unpacked(name, self.download(requirement, hashes), wanted, text, place)

    def applies(self, requirement, extra):
        return requirement.marker.evaluate({**self.marks, "extra": extra})

    def unpacked(self, name, wheel, extras, text, place):
        with zipfile.ZipFile(wheel) as archive:
            names = archive.namelist()
            native = [one for one in names if one.endswith((".so", ".pyd", ".dylib", ".dll"))]
            if native:
                raise Refused("native", os.path.basename(wheel))
            metadata = next(one for one in names if one.endswith(".dist-info/METADATA"))
            described = email.message_from_bytes(archive.read(metadata))
        with open(wheel, "rb") as file:
            digest = hashlib.sha256(file.read()).hexdigest()
        license = described.get("License-Expression") or described.get("License") or ""
        self.found[name] = {
            "name": name, "version": described["Version"], "file": wheel, "sha256": digest,
            "license": license.splitlines()[0].strip() if license else "",
            "requires": described.get_all("Requires-Dist") or [], "place": place,
            "is_pinned": "==" in text or "@" in text or text == wheel,
        }
        return self.needs(self.found[name], extras)

    def needs(self, wheel, extras):
        """Returns the requirements of a wheel that the extras ask for and that were not seen yet."""
        fresh = [extra for extra in extras if extra not in wheel.setdefault("extras", [])]
        wheel["extras"] += fresh
        place = f"{wheel['name']} {wheel['version']}"
        return [(text, [], place, fresh) for text in wheel["requires"]] if fresh else []

    def download(self, requirement, hashes):
        requirement.marker = None
        folder = tempfile.mkdtemp(dir=self.job["wheels"])
        line = " ".join([str(requirement)] + [f"--hash={one}" for one in hashes])
        lines = os.path.join(folder, "requirements.txt")
        with open(lines, "w", encoding="utf-8") as file:
            file.write(line + "\n")
        target = ["--implementation", "py", "--abi", "none", "--platform", "any"]
        version = ["--python-version", self.marks["python_version"]]
        ended = self.pip(["download", "--dest", folder, *version, *target, "--requirement", lines])
        wheels = glob.glob(os.path.join(folder, "*.whl"))
        if ended.returncode == 0 and wheels:
            return wheels[0]
        said = ended.stderr.strip()
        if "DO NOT MATCH THE HASHES" in said:
            raise Refused("hash", said)
        if "No matching distribution" not in said:
            raise Refused("pip", said)
        native = self.native(str(requirement), folder)
        raise Refused("native", native) if native else Refused("missing", said)

    def native(self, requirement, folder):
        """Returns the file name of a wheel with native code that fits a requirement, or None."""
        report = os.path.join(folder, "report.json")
        platforms = [word for name in NATIVE for word in ("--platform", name)]
        ended = self.pip([
            "install", "--dry-run", "--ignore-installed", "--report", report, "--target", folder,
            "--python-version", "3.12", *platforms, requirement,
        ])
        if ended.returncode != 0:
            return None
        with open(report, encoding="utf-8") as file:
            url = json.load(file)["install"][0]["download_info"]["url"]
        return url.rsplit("/", 1)[-1]

    def pip(self, words):
        common = ["--quiet", "--no-input", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"]
        command = [sys.executable, "-m", "pip", words[0], *common, *self.job["options"], *words[1:]]
        environment = {**os.environ, "PIP_USER": "0", "PIP_ROOT_USER_ACTION": "ignore"}
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment)


def main():
    job = json.load(sys.stdin)
    try:
        answer = Resolver(job).run()
    except Refused as refused:
        answer = {"refused": {"text": "", "place": "", "kind": refused.kind, "detail": refused.detail}}
    json.dump(answer, sys.stdout)


main()
