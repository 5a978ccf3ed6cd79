import numpy as np
from PIL import Image

from lightune.reporting.png import write_png


def test_a_picture_reads_back(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    write_png(tmp_path / "deep" / "a.png", picture)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "deep" / "a.png")), picture)
