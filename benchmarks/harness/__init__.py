"""What run.py, redraw.py and report.py are made of.

Read in this order: `scenario` (what is asked), `servers`, `prepared` and `calibration` (who answers), `generator`,
`crew` and `holder` (the clients, of which `encryption` is the TLS), `added` (several reports as one), `machine` (cores,
memory, noise), `measure` (one repetition), `result` (what is kept), `summary` (what follows from it), `table` (how it
is shown).
"""
