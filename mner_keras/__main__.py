"""`python -m mner_keras` is `mner`."""

from mner_keras.cli import main

main()
