"""The command `mailman arc`, its subcommands by subject, one module for each.

Mailman imports all of them for every command of its own, and finds what has an
`__all__`; a module with subcommands has a tuple `COMMANDS`, which `cli_arc` names.
"""
