"""The page that people use: the same in a static folder (bundle) and from the server (page). It uses
exporting/, inference/ and imaging/; serve/ and cli/ import it."""
