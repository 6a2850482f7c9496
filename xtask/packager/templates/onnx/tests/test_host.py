"""A test with the real host: it builds an app and scores with `scorebox invoke`."""

import json
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).parent.parent


def invoke(app: str, request: str) -> subprocess.CompletedProcess:
    command = ["scorebox", "invoke", "--app", app, "--input", request]
    return subprocess.run(command, stdout=subprocess.PIPE)


@unittest.skipUnless(shutil.which("scorebox"), "scorebox is not installed")
class HostTest(unittest.TestCase):
    def test_the_sample_is_answered_and_bad_input_is_not(self) -> None:
        sample = json.loads((ROOT / "sample.json").read_text())
        with tempfile.TemporaryDirectory() as folder:
            app, request = f"{folder}/app", Path(folder, "request.json")
            # The build refuses a model that answers the sample differently.
            manifest = str(ROOT / "scorebox.toml")
            subprocess.run(["scorebox", "build", "--manifest", manifest, "--app", app], check=True)
            request.write_text(json.dumps(sample["inputs"]))
            answered = invoke(app, str(request))
            request.write_text('{"X": [[1, 2]]}')
            refused = invoke(app, str(request))
        self.assertEqual(answered.returncode, 0)
        self.assertEqual(type(json.loads(answered.stdout)), type(sample["outputs"]))
        self.assertNotEqual(refused.returncode, 0)


if __name__ == "__main__":
    unittest.main()
