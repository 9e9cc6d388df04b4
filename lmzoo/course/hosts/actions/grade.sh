#!/bin/sh
# grade.sh FOLDER: grades each folder in it, as its student, into points/ and points.csv.
set -e
here=$(cd "$(dirname "$0")" && pwd)
PYTHONPATH="$here/grader" "$here/python/bin/python" -m lmzoo course grade "$1"/* --assignment @ASSIGNMENT@ \
  --secret "$here/course.key" --jobs "$(nproc)" --results points --csv --quiet > points.csv
