"""What a user can get wrong, and how a program ends then."""

import sys


class UserError(Exception):
    """One sentence: what, where, the mend."""


def run_program(main):
    """Exit code of `main`: 0 done, 2 a user's error, 130 interrupted."""
    try:
        main()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of a pipe has seen enough
        sys.stderr.close()
        return 0
    return 0


def written(path, write):
    """Calls write(path); the UserError where the file system refuses."""
    try:
        write(path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}; name another place") from error
