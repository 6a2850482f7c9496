"""A test without a host: the file answers the sample. It needs onnxruntime and numpy."""

import importlib.util
import json
import unittest
from pathlib import Path

ROOT = Path(__file__).parent.parent
HAS_ENGINE = importlib.util.find_spec("onnxruntime") is not None


@unittest.skipUnless(HAS_ENGINE, "onnxruntime is not installed")
class ModelTest(unittest.TestCase):
    def test_the_sample_is_answered(self) -> None:
        import numpy
        import onnxruntime

        sample = json.loads((ROOT / "sample.json").read_text())
        session = onnxruntime.InferenceSession(ROOT / "model/risk.onnx")
        (found,) = session.run(None, {"X": numpy.array(sample["inputs"]["X"], numpy.float32)})
        numpy.testing.assert_allclose(found, sample["outputs"], rtol=1e-5)


if __name__ == "__main__":
    unittest.main()
