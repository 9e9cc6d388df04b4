"""`lmzoo course`: assignments to hand out, and the grader of what comes back."""

import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lmzoo.cli.app import add_group
from lmzoo.cli.console import Bars, Commands, say, show_json, show_table, show_wrapped
from lmzoo.cli.options import Json, Quiet, Size, option, with_flags
from lmzoo.errors import LmzooError, UsageError, nearest, one_line

if TYPE_CHECKING:
    from lmzoo.course.assignments import Assignment
    from lmzoo.course.grading import Result

HandIns = Annotated[list[Path], typer.Argument(metavar="DIR...", help="Folders that were handed in, or files.")]
Which = Annotated[str | None, option("--assignment", "Its name or number, where the file does not tell.", False)]
Level = Annotated[
    int | None,
    option("--level", "0: a process with limits; 1: and no network; 2: and another user (as root).", "the highest"),
]

MOST_SHOWN = 20  # pairs of similar hand-ins

course_app = typer.Typer(
    cls=Commands,
    help="Hand out assignments, and grade what comes back.",
    epilog="Example: lmzoo course new 3 --out counting",
)
add_group("course", course_app)


@course_app.command("list", epilog="Example: lmzoo course list")
@with_flags
def list_assignments(as_json: Json = False) -> None:
    """List the assignments: their points by the grader, and by hand."""
    from lmzoo.course import assignments

    facts = [
        {
            "name": one.name,
            "title": one.rubric.title,
            "file": one.rubric.file,
            "graded": one.points,
            "written": sum(part.points for part in one.rubric.written),
        }
        for one in assignments.every().values()
    ]
    if as_json:
        return show_json(facts)
    rows = [[str(f["name"]), str(f["title"]), str(f["file"]), f"{f['graded']:g}", f"{f['written']:g}"] for f in facts]
    show_table(("assignment", "title", "file", "graded", "by hand"), rows, numbers_from=3)
    return None


@course_app.command("new", epilog="Example: lmzoo course new 3 --out counting")
@with_flags
def new_assignment(
    assignment: str,  # Its name or number, as `lmzoo course list` has them.
    out: Annotated[Path, option("--out", "A new folder, for the handout and the file to fill.")],
    notebook: Annotated[
        bool, option("--notebook", "A Jupyter notebook with both, which is handed in as it is.")
    ] = False,
) -> None:
    """Write what a student is given: the handout, and the file with its holes."""
    from lmzoo.course import assignments, notebooks
    from lmzoo.drafts import draft_folder_of

    one = assignments.find(assignment)
    if notebook:
        handout, starter = ((assignments.FOLDER / one.name / given).read_text("utf-8") for given in assignments.GIVEN)
        name = f"{Path(one.rubric.file).stem}.ipynb"
        with draft_folder_of(out, overwrite=False) as draft:
            (draft / name).write_bytes(notebooks.write(handout, starter))
        return say(f"{out / name}  read it, and fill its holes", "", f"then: lmzoo course check {out}")
    with draft_folder_of(out, overwrite=False) as draft:
        for given, name in zip(assignments.GIVEN, ("handout.md", one.rubric.file), strict=True):
            (draft / name).write_bytes((assignments.FOLDER / one.name / given).read_bytes())
    say(f"{out / 'handout.md'}  read this first", f"{out / one.rubric.file}  fill its holes", "")
    return say(f"then: lmzoo course check {out}")


@course_app.command("check", epilog="Example: lmzoo course check counting; exits with 0 however many pass")
@with_flags
def check_hand_in(
    folder: Path,  # The folder with your file, or the file.
    assignment: Which = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run the public checks over your own file: the same as the hidden ones, on other inputs.

    The first wrong case is shown with what is right. Your own file runs as you, with limits.
    """
    from lmzoo.course import grading

    _must_exist([folder])
    one = _assignment(assignment, [folder])
    result = grading.grade(folder, one, grading.PUBLIC, "public", 0, progress=Bars(quiet))
    if as_json:
        return show_json(result.facts())
    show_result(result)
    passed = sum(check.points == check.of for check in result.checks)
    say("", f"{passed} of {len(result.checks)} public checks pass; hidden ones run when you hand in")
    return None


@course_app.command("grade", epilog="Example: lmzoo course grade handed-in/* --secret course.key --csv")
@with_flags
def grade_hand_ins(
    folders: HandIns,
    secret: Annotated[Path, option("--secret", "A file of yours alone (mode 600), 16 bytes or more.")],
    assignment: Which = None,
    student: Annotated[
        str | None, option("--student", "Whose hand-in it is, where not the name of its folder.", False)
    ] = None,
    level: Level = None,
    decode: bool = False,  # Have figures decoded by a second process of the hand-in, as the leaderboard asks for.
    jobs: Size = 1,  # How many are graded at once, each by a process of its own: as many as there are cores.
    results: Annotated[
        Path | None, option("--results", "A folder for STUDENT.json, written after every check.", False)
    ] = None,
    as_json: Json = False,
    as_csv: Annotated[bool, option("--csv", "Print a line of comma-separated values for each hand-in.")] = False,
    gradescope: Annotated[bool, option("--gradescope", "Print the results.json of a Gradescope autograder.")] = False,
    vpl: Annotated[bool, option("--vpl", "Print the evaluation of Moodle's Virtual Programming Lab.")] = False,
    prairielearn: Annotated[bool, option("--prairielearn", "Print the results.json of PrairieLearn.")] = False,
    quiet: Quiet = False,
) -> None:
    """Grade hand-ins: points by the share of cases right, on inputs drawn for each student from the secret.

    Exit code 0: graded, whatever the points; 1: the grader failed, which is said on stderr; 2: wrong use. Ctrl-C
    keeps what is graded.
    """
    from lmzoo.course import formats, grading, jail, many

    flags = {"json": as_json, "csv": as_csv, "gradescope": gradescope, "vpl": vpl, "prairielearn": prairielearn}
    chosen = [name for name, given in flags.items() if given]
    if len(chosen) > 1:
        raise UsageError(f"--{chosen[0]} and --{chosen[1]} are two formats: choose one")
    system = formats.FORMATS.get(chosen[0]) if chosen else None
    if system and len(folders) > 1:
        raise UsageError(f"--{chosen[0]} is for one hand-in, and there are {len(folders)}")
    _must_exist(folders)
    names = [student] if student else [_name(folder) for folder in folders]
    if len(names) != len(folders) or len(set(names)) < len(names):
        raise UsageError("the hand-ins must have different students: name each folder as its student, not --student")
    one, key, held = _assignment(assignment, folders), grading.read_secret(secret), jail.choose(level)
    if system and held < 2 and jail.is_root():
        raise UsageError(f"--{chosen[0]} as root needs level 2: a hand-in could read the secret at level {held}")

    how = many.Grading(one, key, held, grading.unit(), results, decode)
    hand_ins = [many.HandIn(folder, name) for folder, name in zip(folders, names, strict=True)]
    graded: list[Result] = []
    failures: list[many.Failure] = []
    kept = f" in {results}" if results else ", and shown above"
    stopped = None
    try:
        for result in many.grade_all(hand_ins, how, jobs, Bars(quiet)):
            if isinstance(result, many.Failure):
                failures.append(result)
                continue
            graded.append(result)
            if not chosen:
                show_result(result)
                say("")
    except KeyboardInterrupt as stop:
        stopped = type(stop)(f"interrupted; {len(graded)} of {len(hand_ins)} are graded{kept}")
    if graded and system:
        print(system(graded[0]))
    elif as_json and not system:
        show_json([result.facts() for result in graded])
    elif as_csv:
        show_csv(one, graded)
    elif not chosen:
        show_wrapped(f"level {held}: {jail.means(held)}")
    if stopped:
        raise stopped
    if failures:
        for failure in failures:
            show_wrapped(f"lmzoo: {failure.student}: the grader failed: {failure.message}", sys.stderr)
        raise LmzooError(f"{len(failures)} of {len(hand_ins)} could not be graded, which is no fault of theirs")


@course_app.command("calibrate", epilog="Example: lmzoo course calibrate 4 right/company.py --students 5")
@with_flags
def calibrate_assignment(
    assignment: str,  # Its name or number, as `lmzoo course list` has them.
    hand_in: Annotated[Path, typer.Argument(metavar="DIR", help="A hand-in that is right: a folder or a file.")],
    students: Annotated[int, option("--students", "Made-up students whose inputs it is given, 2 or more.")] = 5,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure what a right hand-in takes and reaches, to set an assignment's limits and targets by.

    CPU time is in the units of rubric.toml. A figure's target can be reached where the mean of bits / target, and three
    standard deviations of it over the students, are 1 or less. The hand-in runs as you, with limits.
    """
    from lmzoo.course import assignments, calibration
    from lmzoo.errors import in_range

    in_range("students", students, 2, why="a spread needs two")
    _must_exist([hand_in])
    one = assignments.find(assignment)
    found = calibration.calibrate(hand_in, one, students, Bars(quiet))
    limits = {part.name: part.cpu for part in one.rubric.check}
    if as_json:
        return show_json(
            [{**vars(check), "threshold": check.threshold, "limit": limits[check.name]} for check in found]
        )
    rows = []
    for check in found:
        shares = sum(check.shares) / students
        bits = f"{sum(check.values) / len(check.values):.3f}" if check.values else ""
        threshold = f"{check.threshold:.4f}" if check.threshold is not None else ""
        rows.append([check.name, f"{shares:.1%}", f"{max(check.cpu):.1f}", f"{limits[check.name]:g}", bits, threshold])
    show_table(("check", "right", "CPU, most", "of", "bits", "of target, +3σ"), rows, numbers_from=1)
    return None


@course_app.command("pack", epilog="Example: lmzoo course pack 3 --for gradescope --secret course.key --out it.zip")
@with_flags
def pack_assignment(
    assignment: str,  # Its name or number, as `lmzoo course list` has them.
    host: Annotated[str, option("--for", "gradescope, actions (GitHub's) or vpl (Moodle's).")],
    out: Annotated[Path, option("--out", "The archive, a new .zip.")],
    secret: Annotated[
        Path | None, option("--secret", "The file with your secret; for actions it is the repository's.", False)
    ] = None,
    wheels: bool = True,  # Whether the archive has the packages that lmzoo needs; otherwise the host has them.
    python: Annotated[
        str | None, option("--python", "The host's version of Python, for the wheels.", "as this one's")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Pack an archive that grades an assignment on a host, where nothing is downloaded.

    It has lmzoo, the packages that grading imports, and the host's entry script. Which those are is measured, by
    grading once: PyTorch, 200 MB and more, is left out where an assignment does not use it, as 1 to 4 do not.
    """
    import re

    from lmzoo.course import assignments, grading, pack
    from lmzoo.drafts import write_atomically

    one = assignments.find(assignment)
    if host not in pack.NAMES:
        raise UsageError(f"no host {host!r}{nearest(host, pack.NAMES)}; there are: {', '.join(pack.NAMES)}")
    if secret is None and host != "actions":
        raise UsageError(f"--for {host} needs --secret: inputs are drawn from it")
    version = python or f"{sys.version_info.major}.{sys.version_info.minor}"
    if not re.fullmatch(r"3\.\d\d", version):
        raise UsageError(f"--python is a version such as 3.12, not {version!r}")
    key = grading.read_secret(secret) if secret else None
    bars = Bars(quiet)
    names = pack.needed(one)
    archive = pack.pack(one, host, key, version, names if wheels else None, bars)
    write_atomically(out, archive, overwrite=False)
    sizes = pack.sizes(archive)
    if as_json:
        return show_json({"archive": str(out), "bytes": len(archive), "needs": names, "sizes": sizes})
    say(f"{out}  {len(archive) / 1e6:.1f} MB, for {host}; its README.md says what to do with it")
    largest = sorted(sizes, key=lambda name: -sizes[name])[:6]
    show_wrapped("  " + ", ".join(f"{name} {sizes[name] / 1e6:.1f} MB" for name in largest))
    show_wrapped(("with" if wheels else "the host must have") + f" {', '.join(names)}, and what these need")
    return None


@course_app.command("similar", epilog="Example: lmzoo course similar handed-in --out similar.html")
@with_flags
def similar_hand_ins(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder that has a folder for each student.")],
    assignment: Which = None,
    least: float = 0.3,  # Show pairs of which one shares this much of its code with the other, 0 to 1.
    out: Annotated[Path | None, option("--out", "A page with the pairs side by side, for your eyes.", False)] = None,
    as_json: Json = False,
) -> None:
    """Show which hand-ins share code, with one another and with lmzoo's models, whatever the names are.

    By winnowing (Schleimer, Wilkerson & Aiken 2003). It proves nothing: read both before you ask.
    """
    from lmzoo.course import assignments, grading, similarity
    from lmzoo.drafts import write_atomically
    from lmzoo.errors import in_range

    in_range("least", least, 0, 1)
    _must_exist([folder])
    folders = sorted(one for one in folder.iterdir() if one.is_dir() and not one.name.startswith("."))
    if not folders:
        raise UsageError(f"{folder} must have a folder for each student")
    one = _assignment(assignment, folders)
    texts = {}
    for each in folders:
        try:
            texts[each.name] = grading.hand_in(each, one.rubric.file).decode("utf-8", "replace")
        except grading.HandInError as error:
            show_wrapped(f"{each.name} is left out: {error}", sys.stderr)
    starter = (assignments.FOLDER / one.name / "starter.py").read_text("utf-8")
    others = similarity.ours()
    report = similarity.compare(texts, starter, others)
    if out is not None:
        write_atomically(out, similarity.page(report, texts, others, one.rubric.title, least).encode())
    if as_json:
        return show_json(report.facts())
    median = f"; of a pair {similarity.percent(report.median)} is the same in the median" if report.hand_ins > 1 else ""
    show_wrapped(f"hand-ins: {report.hand_ins}{median}")
    shown = [pair for pair in [*report.pairs, *report.with_ours] if pair.share >= least]
    rows = [
        [p.a, p.b, similarity.ranges(p.lines_of_a), *map(similarity.percent, (p.share_of_a, p.share_of_b))]
        for p in shown
    ]
    if rows:
        show_table(("hand-in", "and", "its lines", "of it", "of that"), rows[:MOST_SHOWN], numbers_from=3)
    else:
        say(f"no two share {similarity.percent(least)} or more, and none that much with lmzoo")
    if len(rows) > MOST_SHOWN:
        say(f"and {len(rows) - MOST_SHOWN} more, which --json and --out have")
    if out is not None:
        say(f"{out}  the pairs side by side")
    return None


@course_app.command(
    "leaderboard", epilog="Example: lmzoo course leaderboard points --secret course.key --out board.html"
)
@with_flags
def show_leaderboard(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Results that `grade --decode --results DIR` left.")],
    secret: Annotated[Path, option("--secret", "Your secret, from which the pseudonyms are drawn.")],
    out: Annotated[Path, option("--out", "The page, for the class.")],
    as_json: Json = False,
) -> None:
    """Show whose own model needs the fewest bits, under pseudonyms, ties grouped.

    What is compared are bits beyond lmzoo's own model on the same tokens, with paired intervals, and only claims that a
    second process has decoded. The page has pseudonyms alone; what is printed here has the names too.
    """
    from lmzoo.course import assignments, grading, leaderboard
    from lmzoo.drafts import write_atomically

    _must_exist([folder])
    board = leaderboard.read(folder, grading.read_secret(secret))
    title = assignments.find(board.assignment).rubric.title
    write_atomically(out, leaderboard.page(board, title).encode())
    if as_json:
        return show_json(board.facts())
    rows, place = [], 1
    for group in board.groups:
        for claim in group:
            low, high = claim.interval
            ends = f"{leaderboard.signed(low)} to {leaderboard.signed(high)}"
            rows.append([str(place), claim.pseudonym, claim.student, leaderboard.signed(claim.behind), ends])
        place += len(group)
    show_table(("place", "pseudonym", "student", "bits beyond", "95 % interval"), rows, numbers_from=3)
    for student, why in board.left_out:
        show_wrapped(f"{student} is left out: {why}")
    say(f"{out}  for the class, without names")
    return None


def show_result(result: "Result") -> None:
    """Points, a line for each check, and what was printed."""
    say(f"{result.student}: {result.points:g} of {result.of:g} points ({result.assignment})")
    before = ""
    for check in result.checks:
        first, *more = check.message.split("\n")
        first, before = ("as above" if check.message == before else first), check.message
        show_wrapped(f" {'✓' if check.points == check.of else '✗'} {check.points:g}/{check.of:g} {check.name}: {first}")
        if first != "as above":
            for line in filter(None, [*more, *check.example.split("\n")]):
                say(f"    {line}")
    lines = result.printed.splitlines()
    for line in lines[:5]:
        say(f"    it printed: {one_line(line, 60)}")
    if len(lines) > 5:
        say("    it printed more, which --json shows")


def show_csv(assignment: "Assignment", graded: list["Result"]) -> None:
    """A row for each hand-in: student, points, and those of each check."""
    rows = csv.writer(sys.stdout, lineterminator="\n")
    rows.writerow(["student", "points", "of", "level", *(part.name for part in assignment.rubric.check)])
    for result in graded:
        # A name that begins so would be a formula to a spreadsheet.
        name = f"'{result.student}" if result.student.startswith(("=", "+", "-", "@")) else result.student
        points = [result.points, result.of, *(check.points for check in result.checks)]
        total, of, *each = (f"{value:g}" for value in points)
        rows.writerow([name, total, of, result.level, *each])


def _assignment(name: str | None, folders: list[Path]) -> "Assignment":
    from lmzoo.course import assignments, grading

    return assignments.find(name) if name else grading.belongs_to(folders)


def _must_exist(folders: list[Path]) -> None:
    for folder in folders:
        if not folder.exists():
            raise UsageError(f"there is no {folder}")


def _name(folder: Path) -> str:
    place = folder.resolve()
    return place.name if folder.is_dir() else place.parent.name
