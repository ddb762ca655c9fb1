"""The conversation's diagram in Mermaid, made from the table that runs."""

from flows.table import EVERYWHERE, FLOW, WAITING, S


def diagram() -> str:
    """A state diagram: one arrow for each pair of states, with the words that lead along it.

    Rows that stay at their question (help, language, a refused answer) are left out: every
    question has them.
    """
    arrows: dict[tuple[str, str], list[str]] = {}
    for sources, word, _, to, _ in FLOW:
        states = sources if isinstance(sources, list) else [sources]
        if to is None or states == EVERYWHERE or len(states) > 3:
            continue
        for state in states:
            words = arrows.setdefault((state.value, to.value), [])
            if word not in words:
                words.append(word)
    lines = ["stateDiagram-v2", f"    [*] --> {S.START.value}"]
    lines += [f"    {state.value} : {state.value} …" for state in WAITING]
    lines += [
        f"    {source} --> {to} : {', '.join(words)}" for (source, to), words in arrows.items()
    ]
    return "\n".join(lines) + "\n"
