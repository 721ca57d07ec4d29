"""`python -m smartops.sdk.cli`."""

from smartops.sdk.cli.main import main

main()
