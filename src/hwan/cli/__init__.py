"""The command line, one file a command: options in, one call of ``hwan.api``, text out.

Nothing imports it. torch is imported inside the commands, so that help comes at once.
"""
