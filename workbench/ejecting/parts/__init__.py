"""Pieces of the scripts that runs are written out as: each function stands in a script as it stands
here, so that it is checked and tested as all else is. They import no more than a script does."""
