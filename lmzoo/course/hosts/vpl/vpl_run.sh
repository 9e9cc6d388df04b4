#!/bin/sh
# What VPL runs before that: the public checks.
cat > vpl_execution <<'END'
#!/bin/sh
set -e
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
${PYTHON:-python3} -m zipfile -e grader.zip "$place"
sh "$place/setup.sh" >&2
PYTHONPATH="$place/grader" "$place/python/bin/python" -m lmzoo course check . --assignment @ASSIGNMENT@ --quiet
END
chmod +x vpl_execution
