import threading
from multiprocessing import Pipe

from lightune.study.executors.local.sender import Sender


def test_messages_arrive_in_their_order():
    ours, theirs = Pipe()
    sender = Sender(ours)
    for number in range(50):
        sender.send(str(number).encode())
    assert [theirs.recv_bytes() for _ in range(50)] == [str(number).encode() for number in range(50)]
    sender.close()


def test_nobody_waits_until_a_message_is_read():
    ours, theirs = Pipe()
    sender = Sender(ours)
    large = b"x" * 10_000_000  # more than a pipe holds
    sent = threading.Event()
    threading.Thread(target=lambda: (sender.send(large), sender.send(b"behind it"), sent.set())).start()
    assert sent.wait(10)
    assert (theirs.recv_bytes(), theirs.recv_bytes()) == (large, b"behind it")
    sender.close()


def test_a_reader_that_is_gone_raises_nothing():
    ours, theirs = Pipe()
    theirs.close()
    sender = Sender(ours)
    sender.send(b"to nobody")
    sender.close()
