"""The project's own benchmark: our server beside its peers, on loopback, in processes of their own.

    .venv/bin/python -m tests.bench                      # the four scenarios beside every peer here
    .venv/bin/python -m tests.bench --io-threads 1,2,4 --servers memory --peers none
    .venv/bin/python -m tests.bench --idle 10000
    .venv/bin/python -m tests.bench --growth             # crowds, and a million messages kept
    .venv/bin/python -m tests.bench --acknowledged       # authors who wait for `ok`
    .venv/bin/python -m tests.bench --quick              # does the benchmark itself work?

Quote ratios, never absolute figures: these jump by half from minute to minute on shared machines.
Every round visits all servers in turn, so that a slow minute falls on all alike; the table has the
median of the rounds, one figure at a time.

Our server is measured twice: with everything in memory, and with every message on disk before
anybody sees it. Its data goes into a new folder under TMPDIR or /var/tmp: let that be a real disk.

What to think of a load written in Python. Receiving a message costs the load about as much as
sending it costs the server, and in small rooms more: per message and member there is a part of one
`recv` and one search for a mark, nothing else; only a few members read every stamp. Latency is
measured in the same process and so has the load's own waiting in it. All servers meet the same
load, which makes ratios fair, but a fast server seems slower than it is as soon as the load cannot
follow. Hence the columns that say who was busy:

- `server %` and `load %`: CPU of the server under test, and of the busiest load process, in
  hundredths of one core. `cores %`: how much of the whole machine was in use, whoever used it.
- `bound by`: the busiest of these three, which kept the figure from being higher. `server`: it used
  up a core. `load`: a load process did. `cores`: none was left, so the server, the load and
  whatever else runs here competed. `window`: nobody was busy, all waited for each other or for the
  disk, and more messages in flight would give more. `rate`: the scenario asks for no more.

- `later s/M`: CPU that the server used after the round for what it had put off, per million
  deliveries. A search index is made in quiet moments: a long run without any has this in `cpu s/M`.

What `--growth` and `--acknowledged` measure:

- `crowds`: the same talk in rooms of growing size. What a delivery costs must not grow with them.
- `kept`: fresh folders are filled through the journal, as a server would have filled them. A page
  is timed from the request to the last byte of the reply, with one reader on each server, in turn.
  A start is timed from the start of the process until it welcomes somebody; its files are in the
  system's cache. `after kill -9`, up to 9,999 messages more are in the WAL alone.
- `acknowledged`: authors alone in their rooms send messages, each with an `id` and a `cid`, and
  count the answers. `on disk unsynced` is durability `process`.

CPU per delivery is taken from the kernel's account of the server process and depends least on all
this: compare servers by it first.
"""
