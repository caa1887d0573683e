"""Says which number the package of this environment has."""

import numpy as np

import mipdesign

if __name__ == "__main__":
    print(np.int64(mipdesign.NUMBER))  # type: ignore[attr-defined]
