"""A test with the real host: it builds the component and scores with `scorebox invoke`."""

import json
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).parent.parent


@unittest.skipUnless(shutil.which("scorebox"), "scorebox is not installed")
class HostTest(unittest.TestCase):
    def test_the_component_answers_the_sample(self) -> None:
        sample = json.loads((ROOT / "sample.json").read_text())
        with tempfile.TemporaryDirectory() as folder:
            app, request = f"{folder}/app", f"{folder}/request.json"
            Path(request).write_text(json.dumps(sample["inputs"]))
            manifest = str(ROOT / "scorebox.toml")
            subprocess.run(["scorebox", "build", "--manifest", manifest, "--app", app], check=True)
            invoke = ["scorebox", "invoke", "--app", app, "--input", request]
            done = subprocess.run(invoke, check=True, stdout=subprocess.PIPE)
        answer = json.loads(done.stdout)
        self.assertAlmostEqual(answer["probability"], sample["outputs"]["probability"], places=6)


if __name__ == "__main__":
    unittest.main()
