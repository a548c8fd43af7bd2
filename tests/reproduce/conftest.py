"""The corpora and the helpers of the tests of tables."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
