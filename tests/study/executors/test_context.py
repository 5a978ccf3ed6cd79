import pytest
from executor_contexts import MINIMIZED, context_of

from lightune.study.definition.settings import Settings
from lightune.study.executors.context import never_stop, no_folder


def test_a_study_is_judged_by_its_objectives_and_a_batch_by_nobody(tmp_path):
    assert context_of(study=tmp_path).objectives == MINIMIZED
    assert context_of().objectives is None


def test_messages_call_the_trials_of_a_batch_jobs(tmp_path):
    assert (context_of(study=tmp_path).noun, context_of().noun) == ("trial", "job")


@pytest.mark.parametrize(
    ("most", "width", "size", "expected"), [(None, None, 16, 16), (None, 8, 16, 8), (5, 8, 16, 5)]
)
def test_a_process_of_a_study_takes_what_settings_launcher_or_batch_allow(tmp_path, most, width, size, expected):
    context = context_of(study=tmp_path, settings=Settings(MINIMIZED, max_batch_size=most), batch_size=size)
    assert context.most_at_once(width) == expected


def test_a_process_of_a_batch_takes_all_of_it():
    assert context_of(n_left=40, batch_size=16).most_at_once(8) == 40


def test_nobody_keeps_folders_or_prunes_unless_it_is_said(tmp_path):
    context = context_of()
    assert context.note_folder is no_folder
    assert context.report is never_stop
    assert never_stop(0, 1, 2.0) is False
    assert no_folder(0, tmp_path) is None
