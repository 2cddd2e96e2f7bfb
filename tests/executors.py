"""An executor without workers, for tests."""

from concurrent.futures import Executor, Future
from typing import Any


class Here(Executor):
    """An executor that runs each cell at once, in this thread."""

    def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(function(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future
