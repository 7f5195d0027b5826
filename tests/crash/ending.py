"""How each run of crash tests begins and ends: its options, what went wrong, its figures, written down for report.py."""

import json
import pathlib
import shutil
import tempfile

MOST_SAID = 50


def parse(parser):
    """The options of this parser and those that all runs have."""
    parser.add_argument("--results", type=pathlib.Path, help="where the figures go, as JSON")
    parser.add_argument("--keep", action="store_true", help="leave the instance's directory for a look")
    return parser.parse_args()


def run(options, name, work):
    """work(root, say) gives (problems, figures). The exit status: 0 without problems; with them the directory `root` is
    kept."""
    root = pathlib.Path(tempfile.mkdtemp(prefix=f"postrider-{name}-"))
    root.chmod(0o755)  # recipients of their own uid must get through
    problems, figures = work(root, lambda text: print(text, flush=True))
    for problem in problems[:MOST_SAID]:
        print(problem)
    print(json.dumps(figures, indent=1))
    if options.results:
        options.results.parent.mkdir(parents=True, exist_ok=True)
        options.results.write_text(json.dumps(figures | {"problems": problems[:MOST_SAID]}, indent=1) + "\n")
    if options.keep or problems:
        print(f"kept: {root}")
    else:
        shutil.rmtree(root, ignore_errors=True)
    return 1 if problems else 0
