"""Worker processes: a supervisor that holds the listening sockets, and the processes that accept on them.

Read `supervisor` (what happens when), `seat` (who serves where), then `worker` (the other side of the fork).
"""
