"""The register comes from the schools' real files.

A file goes through five hands: `files` opens it safely, `recognise` says what it is and which files
belong together, a reader (`siecle`, `onde`, `aaf`, `plain_csv`) turns it into the records of
`records`, `staging` gathers them in TEMP tables, and `difference` brings the register to what they
say. `report` counts who can activate and names who cannot. `load` is the way through all of them.
"""
