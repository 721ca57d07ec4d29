"""Who may do what: tables written by hand, and trying all of it on running servers."""
