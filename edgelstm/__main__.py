"""`python -m edgelstm`: the same as the `edgelstm` command."""

from edgelstm.cli import main

main()
