from lightune.job.handover import Handover


def test_parts_are_given_once():
    handover = Handover(parts=object())
    assert handover.take_parts() is not None
    assert handover.take_parts() is None


def test_nothing_of_one_command_is_left_to_the_next():
    handover = Handover(passed=True, parts=object(), resumed=object(), withheld=object())
    handover.clear()
    assert handover == Handover()
