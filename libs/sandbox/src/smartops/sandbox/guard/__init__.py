"""What runs inside: it gives away all rights of its process, and only then runs the code.

This package is started by itself, as `guard`, with the standard library and nothing else: it must
not import what stands outside this folder.
"""
