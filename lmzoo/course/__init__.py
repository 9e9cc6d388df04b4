"""The course kit: assignments that are handed out, and the grader of what comes back.

Nothing is there to leak. Inputs are drawn from HMAC(secret, student, check), expected values are computed by
`lmzoo.models` while it grades, and the process that runs a hand-in answers with numbers, never with a verdict.
"""
