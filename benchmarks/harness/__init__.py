"""What run.py and report.py are made of.

Read in this order: `scenario` (what is asked), `servers` (who answers), `generator` and `holder` (the two clients,
of which `encryption` is the TLS),
`machine` (cores, memory, noise), `measure` (one repetition), `result` (what is kept), `summary` (what follows from it),
`table` (how it is shown).
"""
