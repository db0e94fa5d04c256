"""The last answers of an upstream, for a proxy that shall repeat an old one."""

from collections import OrderedDict
from functools import partial

from infra.devnet.proxy.answer import Answer, renumbered, replaced
from infra.devnet.proxy.request import Request

MOST = 2_000  # questions; an answer has some kB, and a drill asks fewer different ones
GOOD = 200

Question = tuple[tuple[str, ...], str | None]  # names, parameters; None: whatever the parameters


class Memory:
    """Knows one answer to a question, the newest, and of each name the newest to any question."""

    def __init__(self) -> None:
        self._known: OrderedDict[Question, tuple[Request, Answer]] = OrderedDict()

    def note(self, request: Request, answer: Answer) -> None:
        """Keep what an upstream really said; refusals are not worth repeating."""
        if answer.status != GOOD:
            return
        for question in ((request.names, request.params), (request.names, None)):
            self._known[question] = (request, answer)
            self._known.move_to_end(question)
        while len(self._known) > MOST:
            self._known.popitem(last=False)

    def recall(self, request: Request) -> Answer | None:
        """The earlier answer under this request's own JSON-RPC ids."""
        known = self._known.get((request.names, request.params)) or self._known.get((request.names, None))
        if known is None:
            return None
        asked, answer = known
        ids = {then.id: now.id for then, now in zip(asked.calls, request.calls, strict=True)}
        return replaced(answer, partial(renumbered, ids=ids)) if ids else answer
