"""What million.py is made of.

Read in this order: `size` (how many processes), `checks` (whether the machine has room), `namespace` (a network of its
own), `served` and `servers` (who answers), `clients` (who asks), `memory` (what it costs), `figures` (what is kept).
"""
