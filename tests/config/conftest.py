"""Code of a user's own, which configurations may name."""

import pytest

from lightune.config.trust import trust


@pytest.fixture
def own(tmp_path, monkeypatch, request):
    """Make a module of the user's own, trusted; return how to write it."""
    monkeypatch.syspath_prepend(str(tmp_path))
    name = f"own_{abs(hash(request.node.nodeid))}"
    trust(name)

    def write(source):
        (tmp_path / f"{name}.py").write_text(source)
        return name

    return write
