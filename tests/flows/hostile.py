"""Text that nobody should send, and that somebody will (RELIABILITY 0.11, T20, T21)."""

from hypothesis import strategies as st

_PIECES = (
    *("0612345678", "+33", "00", "(0)", " / ", "14/03/2014", "mars", "March", "2014", "123456"),
    *("Dupont", "Marie", "Mme", "M.", "é", "e\u0301", "ﬁ", "İ", "ı", "ß", "œ", "Ł", "?", "'", "’"),
    *("\x00", "\ud800", "\udfff", "\u202e", "\u200b", "\ufeff", "\u2066", "\u034f", "\ufe0f"),
    *(
        "²",
        "½",
        "Ⅷ",
        "١",
        "६",
        "５",
        "＋",
        "µ",
        "μ",
        "<b>",
        "&amp;",
        "%s",
        "{}",
        "';--",
        "\n",
        "\t",
    ),
    *(
        "https://",
        "www.",
        "@",
        ".fr",
        " ",
        "\u00a0",
        "\u2028",
        "😀",
        "👨\u200d👩",
        "𝔐",
        "שלום",
        "محمد",
    ),
)

any_text = st.one_of(
    st.text(st.characters(exclude_categories=())),  # surrogates too
    st.lists(st.sampled_from(_PIECES)).map("".join),
)

LONG_TEXTS = (
    *(char * 4096 for char in ("0", "1", "+", "(", ".", "-", "é", "²", "?", "\u0301", "ﬃ")),
    *(char * 4096 for char in ("\u202e", "\ud800")),
    *(
        (piece * 4096)[:4096]
        for piece in (
            *("1 ", "a1", "+1 ", "0612345678,", "06 12 34 56 ", "123456 ", "14/03/2014 ", "mars "),
            *(
                " .",
                "1   ",
                "0O",
                "a.b",
                "www.",
                "M. ",
                "Mme et ",
                "? ",
                "(0)",
                "/1",
                "1/",
                "e\u0301",
            ),
        )
    ),
    "9" * 5000,
    "1" + " " * 4095,
    "a" * 100_000,
)
