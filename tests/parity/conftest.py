"""The golden numbers, by file and key; a test module may read only what it lists in its `READS`."""

import pytest

from support_golden import Golden


@pytest.fixture(scope="module")
def golden(shared_folder, request):
    """The golden files that the module lists."""
    return Golden(shared_folder / "golden", request.module.READS)
