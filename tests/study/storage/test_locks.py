import select
import subprocess
import sys

from lightune.study.storage.locks import claimed

CLAIM = """
import sys
from pathlib import Path
from lightune.study.storage.locks import claimed
print("waits", flush=True)
with claimed(Path(sys.argv[1]), 3):
    print("has it", flush=True)
    input()
"""


def test_a_claim_is_had_by_one_process_and_free_after_its_death(tmp_path):
    with claimed(tmp_path, 3):
        other = subprocess.Popen(
            [sys.executable, "-c", CLAIM, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert other.stdout.readline() == "waits\n"
        readable, _, _ = select.select([other.stdout], [], [], 0.2)
        assert not readable
        with claimed(tmp_path, 4):
            pass
    assert other.stdout.readline() == "has it\n"
    other.kill()
    other.communicate()
    with claimed(tmp_path, 3):
        pass


def test_a_claim_that_another_has_is_not_waited_for_if_nobody_wants_to(tmp_path):
    with claimed(tmp_path, 3) as ours, claimed(tmp_path, 3, wait=False) as other:
        assert (ours, other) == (True, False)
    with claimed(tmp_path, 3, wait=False) as ours:
        assert ours
