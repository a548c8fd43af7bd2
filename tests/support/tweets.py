"""A few tweets with everything that tokenizers stumble over, and word pieces of their letters."""

TWEETS = [
    "RT @User_1 : Beautiful Benz in #LosAngeles http://t.co/xYz12 \U0001f600",
    "don't miss caf\u00e9 na\u00efve \u201cquotes\u201d \u2026 100% @ 9:30pm !!!",
    "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645 and \u05e9\u05dc\u05d5\u05dd",
    "\u4e2d\u6587 tweet \u2764\ufe0f #NBA2015 U.S. Ann-Marie O'Neil",
]
WORDS = [tweet.split() for tweet in TWEETS]
LETTERS = sorted({character for tweet in TWEETS for character in tweet.lower() if not character.isspace()})
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, *(f"##{c}" for c in LETTERS), "beautiful", "##enz"]
