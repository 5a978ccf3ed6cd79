import errno

import pytest
import torch

from lightune.training.failures import explain, is_out_of_memory

ALLOCATOR = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 2560000000000 bytes. Error code 12"


@pytest.mark.parametrize(
    ("error", "asked"),
    [
        (MemoryError("Unable to allocate 7.28 TiB for an array"), "Unable to allocate 7.28 TiB for an array"),
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
            "CUDA out of memory. Tried to allocate 20.00 GiB",
        ),
        (RuntimeError(ALLOCATOR), "2,560 GB of memory were asked for at once"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_out_of_memory_says_what_was_asked_for_and_what_to_try(error, asked):
    said = explain(error)
    assert said.startswith(f"out of memory: {asked}; try ")
    for key in ("data.batch_size", "trainer.accumulate_grad_batches", "trainer.precision=bf16-mixed"):
        assert key in said


def test_what_the_cpu_says_of_too_large_a_tensor_is_understood():
    with pytest.raises(RuntimeError) as failure:
        torch.empty(2**62, dtype=torch.uint8)
    assert is_out_of_memory(failure.value)


def test_a_memory_error_without_words_is_told_too():
    assert explain(MemoryError()).startswith("out of memory: Python could not have more; try ")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_names_the_file_and_how_to_go_on(number):
    said = explain(OSError(number, "No space left on device", "runs/last.ckpt"))
    assert said.startswith("the disk is full: ")
    assert "runs/last.ckpt" in said
    assert "resume=RUN" in said


@pytest.mark.parametrize(
    "error", [RuntimeError("a\n   b"), OSError(errno.EACCES, "Permission denied", "x"), ValueError()], ids=repr
)
def test_any_other_error_is_told_in_its_own_words_on_one_line(error):
    assert explain(error) == " ".join(str(error).split())
    assert not is_out_of_memory(error)
