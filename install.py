"""Set up the environment .venv with the packages of requirements.txt. `make` calls this before anything else.

It uses the standard library only, and the syntax of Python 3.6: an older Python must be able to say what is wrong.
"""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

HOME = Path(__file__).resolve().parent
VENV = HOME / ".venv"
PYTHON = VENV / "bin" / "python"
INSTALLED = VENV / ".installed"  # what a finished environment was set up for
INSTALLING = VENV / ".installing"  # is there, and locked, while packages are installed
LOG = VENV / "install.log"
# Exits with 0 if a Python can run the book.
FIT = "import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))"
# The reader's settings for pip may say where packages come from, but not where they go.
FIXED = {"PYTHONUNBUFFERED": "1", "PIP_USER": "0", "PIP_DRY_RUN": "0"}
DROPPED = ["PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_PYTHON"]
DROPPED += ["PYTHONPATH", "PYTHONHOME", "PYTHONWARNINGS", "FORCE_COLOR"]
PIP = [str(PYTHON), "-m", "pip", "install", "--target", "", "--disable-pip-version-check"]


def main() -> int:
    """Set up .venv if it is not there or not up to date; with --check only say whether it is, by the exit status."""
    if sys.argv[1:] == ["--check"]:
        return 0 if up_to_date() else 1
    os.chdir(str(HOME))
    os.environ.update(FIXED)
    for name in DROPPED:
        os.environ.pop(name, None)
    if up_to_date() and works():
        return 0
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C
    try:
        refuse_what_cannot_work()
        set_up()
    except (OSError, ValueError, subprocess.CalledProcessError) as error:  # venv refuses some folders by ValueError
        sys.exit(f"error: .venv could not be set up: {error}")
    except KeyboardInterrupt:
        print("\ninterrupted; the next setup starts over", file=sys.stderr)
        return 130
    return 0


def wanted() -> str:
    """Return a line that names this folder and a hash of its lists of packages; dates of files do not count."""
    files = [(HOME / name).read_bytes().replace(b"\r", b"") for name in ("requirements.txt", "pyproject.toml")]
    return f"{HOME} {hashlib.sha256(b''.join(files)).hexdigest()}"


def installed() -> str:
    """Return the line that .venv was set up for, or an empty text if no setup came to its end."""
    return INSTALLED.read_text(encoding="utf-8").rstrip("\n") if INSTALLED.exists() else ""


def up_to_date() -> bool:
    """Return whether .venv was set up for this folder and these packages."""
    return installed() == wanted()


def works() -> bool:
    """Return whether the Python in .venv runs, has a version that the book supports, and has pip."""
    try:
        return subprocess.call([str(PYTHON), "-c", f"import pip; {FIT}"], stderr=subprocess.DEVNULL) == 0
    except OSError:
        return False


def refuse_what_cannot_work() -> None:
    """Exit with one line if this machine or this Python cannot run the book."""
    if os.name == "nt":
        sys.exit("error: on Windows follow README.md, 'Without make, or on Windows'")
    if shutil.which("git") is None:
        sys.exit("error: git is not installed: this book needs it")
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        version = ".".join(str(part) for part in sys.version_info[:3])
        sys.exit(
            f"error: Python 3.11, 3.12 or 3.13 is needed, {sys.executable} is {version}: "
            "name another, for example make PYTHON=python3.12"
        )
    try:
        import ensurepip  # noqa: F401, PLC0415
        import venv  # noqa: F401, PLC0415
    except ImportError:
        sys.exit(
            f"error: {sys.executable} lacks the venv module: "
            "install it, on Debian and Ubuntu with apt-get install python3-venv"
        )


def set_up() -> None:
    """Make the environment if it cannot be used as it is, and install the packages."""
    import venv  # noqa: PLC0415  # Debian packages it apart

    VENV.mkdir(exist_ok=True)
    interrupted = INSTALLING.exists()
    with INSTALLING.open("a+", encoding="utf-8") as lock:
        take(lock)
        if up_to_date() and works():  # another process has just finished
            INSTALLING.unlink()
            return
        print("setting up .venv: about 170 packages, a few minutes the first time", flush=True)
        moved = installed() and not installed().startswith(f"{HOME} ")
        if INSTALLED.exists():
            INSTALLED.unlink()
        if interrupted or moved or not works():
            clear()
            venv.create(str(VENV), with_pip=True, symlinks=True)
        with LOG.open("w", encoding="utf-8") as log:
            install(["--requirement", "requirements.txt"], lock, log)
            install(["--no-deps", "--no-build-isolation", "--editable", "."], lock, log)
        INSTALLED.write_text(f"{wanted()}\n", encoding="utf-8")
        INSTALLING.unlink()


def take(lock: IO[str]) -> None:
    """Lock the file for this process and its children; exit if another process has it."""
    import fcntl  # noqa: PLC0415  # not on Windows

    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        sys.exit(f"error: process {lock.read().strip()} is already setting up .venv: wait for it")
    except OSError:
        pass  # a file system without locks
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()


def clear() -> None:
    """Remove everything in .venv but the locked file."""
    for path in VENV.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(str(path))
        elif path != INSTALLING:
            path.unlink()


def install(arguments: "list[str]", lock: IO[str], log: IO[str]) -> None:
    """Run pip, show its progress, and keep all that it prints; exit if it fails.

    The child inherits the lock: it is held as long as packages are installed, even if this process is killed.
    """
    found = 0
    with subprocess.Popen(
        [*PIP, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
        errors="replace",
        pass_fds=[lock.fileno()],
    ) as pip:
        try:
            for line in pip.stdout or ():
                log.write(line)
                found += line.startswith("Collecting")
                if line.startswith("Collecting") and found % 20 == 0:
                    print(f"  {found} packages found", flush=True)
                elif line.startswith("Installing collected"):
                    print("  installing", flush=True)
                elif line.startswith("Successfully installed"):
                    print("  installed", flush=True)
        except KeyboardInterrupt:
            pip.terminate()
            raise
    if pip.returncode != 0:
        log.flush()
        for line in LOG.read_text(encoding="utf-8").splitlines()[-5:]:
            print(line, file=sys.stderr)
        sys.exit("error: the packages could not be installed; pip's whole output is in .venv/install.log")


if __name__ == "__main__":
    sys.exit(main())
