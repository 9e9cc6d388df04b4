#!/bin/sh
# Makes the Python that grades, in python/, from what is in this archive: nothing is downloaded.
set -e
cd "$(dirname "$0")"
# Hand-ins run as another user where this is root: lmzoo, which knows what is right, and the secret are not for them.
chmod -R go= grader
[ ! -f course.key ] || chmod 600 course.key
found=
for python in ${PYTHON:-} python@VERSION@ python3; do
  if "$python" -c 'import sys; sys.exit(not (@FITS@))' 2>/dev/null; then found=$python; break; fi
done
[ "$found" ] || { echo "no Python here is @WANTED@: install it, or set PYTHON to where it is" >&2; exit 1; }
"$found" -m venv --without-pip --clear python
for place in python/lib/python3*/site-packages; do @PACKAGES@ > "$place/packages.pth"; done
# Grading once compiles what is kept, and shows that nothing is missing.
try=$(mktemp -d)
trap 'rm -rf "$try"' EXIT
cp grader/lmzoo/course/assignments/@ASSIGNMENT@/starter.py "$try/@FILE@"
(umask 077; echo "of this trial alone" > "$try/key")
PYTHONPATH="$PWD/grader" python/bin/python -m lmzoo course grade "$try" --assignment @ASSIGNMENT@ --secret "$try/key" \
  --level 0 --csv --quiet > /dev/null || { echo "this Python lacks something that lmzoo needs" >&2; exit 1; }
