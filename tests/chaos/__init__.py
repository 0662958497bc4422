"""What the server promises, shown: it is killed, cut off and robbed of power, then its logs judged.

    .venv/bin/python -m tests.chaos all                  # everything, a minute or two
    .venv/bin/python -m tests.chaos kill --cycles 500
    .venv/bin/python -m tests.chaos cuts --cuts 10000
    .venv/bin/python -m tests.chaos power --seed 7       # the same cuts as the last time

The promise: acknowledged means stored, seen means stored, and every client's view is gapless. Every
scenario keeps logs of what senders were promised and receivers saw, and `checker` compares them
with each other and with the database. Each is accompanied by a control, a run or a log with a fault
in it that must be caught: a judge who never condemns proves nothing.
"""
