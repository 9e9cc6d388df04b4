#!/bin/sh
# What VPL runs to evaluate: it makes vpl_execution, which unpacks the grader beside the hand-in and grades.
[ ! -f vpl_environment.sh ] || . ./vpl_environment.sh
cat > vpl_execution <<END
#!/bin/sh
set -e
place=\$(mktemp -d)
trap 'rm -rf "\$place"' EXIT
\${PYTHON:-python3} -m zipfile -e grader.zip "\$place"
sh "\$place/setup.sh" >&2
mkdir "\$place/handed-in"
[ ! -f @FILE@ ] || cp -P @FILE@ "\$place/handed-in/"
PYTHONPATH="\$place/grader" "\$place/python/bin/python" -m lmzoo course grade "\$place/handed-in" \
  --assignment @ASSIGNMENT@ --student "${MOODLE_USER_ID:-student}" --secret "\$place/course.key" --vpl --quiet
END
chmod +x vpl_execution
