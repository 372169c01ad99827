"""Prompts as people who know what they do write them: advice has nothing to say of them.

Each is a prompt, its columns with a row, and the labels to choose among. Several are those of
published evaluations (AG News, SST-2, BoolQ, GSM8K, SQuAD, XSum, WMT, TREC), in the words that are
usual for them.
"""

from workbench.protocol import Values
from workbench.session import Prompt, Turn

REVIEW: Values = {"text": "The plot drags, and yet the last act is a delight.", "label": "positive"}
NEWS: Values = {"text": "Shares of the carmaker fell after a weak quarter.", "label": "Business"}
QUESTION: Values = {
    "passage": "The Nile flows north through eleven countries into the Mediterranean Sea.",
    "question": "Does the Nile flow south?",
    "answer": "no",
}
MATHS: Values = {
    "question": "Ann has 3 apples and buys 4 more. How many has she now?",
    "answer": "7",
}
PAIR: Values = {
    "en": "The cat sleeps on the old sofa.",
    "de": "Die Katze schläft auf dem alten Sofa.",
}
TOPICS = ["World", "Sports", "Business", "Sci/Tech"]
SIDES = ["positive", "negative"]

GOOD: list[tuple[Prompt, Values, list[str]]] = [
    (
        Prompt(
            template="Is the following film review positive or negative? Answer with one word.\n\n"
            "{{ text }}",
            completion="{{ label }}",
        ),
        REVIEW,
        SIDES,
    ),
    (
        Prompt(
            system="You are a careful annotator. You answer with one word: positive or negative.",
            template="Review: {{ text }}\nSentiment:",
            completion="{{ label }}",
        ),
        REVIEW,
        SIDES,
    ),
    (
        Prompt(
            system="Classify the sentiment of film reviews as positive or negative.",
            turns=[
                Turn(role="user", content="Review: I laughed all the way through.\nSentiment:"),
                Turn(role="assistant", content="positive"),
                Turn(role="user", content="Review: A waste of a good cast.\nSentiment:"),
                Turn(role="assistant", content="negative"),
            ],
            template="Review: {{ text }}\nSentiment:",
            completion="{{ label }}",
        ),
        REVIEW,
        SIDES,
    ),
    (
        Prompt(
            template="Classify the news article into exactly one of these topics: World, Sports, "
            "Business, Sci/Tech.\nOnly output the topic, do not explain your choice.\n\n"
            "Article: {{ text }}\nTopic:",
            completion="{{ label }}",
        ),
        NEWS,
        TOPICS,
    ),
    (
        Prompt(
            template="{{ passage }}\n\nQuestion: {{ question }}\nAnswer yes or no.",
            completion="{{ answer }}",
        ),
        QUESTION,
        ["yes", "no"],
    ),
    (
        Prompt(
            template="Read the passage and answer the question with a short phrase taken from it. "
            "If the passage does not say, answer: unknown.\n\nPassage: {{ passage }}\n"
            "Question: {{ question }}\nAnswer:",
            completion="{{ answer }}",
        ),
        QUESTION,
        [],
    ),
    (
        Prompt(
            template="Solve the problem. Think step by step, then give the result as a number on "
            "the last line after ####.\n\n{{ question }}",
            completion="{{ answer }}",
        ),
        MATHS,
        [],
    ),
    (
        Prompt(
            system="You are a professional translator from English to German.",
            template="Translate the sentence into German. Only give the translation.\n\n{{ en }}",
            completion="{{ de }}",
        ),
        PAIR,
        [],
    ),
    (
        Prompt(
            template="English: {{ en }}\nGerman:",
            completion="{{ de }}",
        ),
        PAIR,
        [],
    ),
    (
        Prompt(
            template="Summarize the article in one sentence of at most 25 words.\n\n{{ text }}",
        ),
        NEWS,
        [],
    ),
    (
        Prompt(
            template="Extract the company and the event from the text.\nReturn a JSON object with "
            'the keys "company" and "event", and null where the text does not say.\n\n{{ text }}',
        ),
        NEWS,
        [],
    ),
    (
        Prompt(
            system="You write product copy. Your tone is warm and plain.",
            template="Write a product description of 80 to 100 words for this note:\n\n{{ text }}"
            "\n\nEnd with a question to the reader. Avoid superlatives; use details "
            "instead.",
        ),
        NEWS,
        [],
    ),
    (
        Prompt(
            template="Write a Python function for the following task. Reply with the code only.\n\n"
            "{{ question }}",
        ),
        MATHS,
        [],
    ),
    (
        Prompt(
            template="Below is a conversation between a user and an assistant.\n\nUser: "
            "{{ question }}\nAssistant: {{ answer }}\n\nDid the assistant answer the question? "
            "Reply with yes or no.",
        ),
        MATHS,
        [],
    ),
    (
        Prompt(
            template="{% if passage %}Context: {{ passage }}\n\n{% endif %}Question: "
            "{{ question }}\nAnswer:",
            completion="{{ answer }}",
        ),
        QUESTION,
        [],
    ),
    (
        Prompt(
            template="Rate how helpful this answer is on a scale from 1 to 5, where 1 is useless "
            "and 5 is complete and correct. Give the number first, then one sentence of reason."
            "\n\nQuestion: {{ question }}\nAnswer: {{ answer }}",
        ),
        MATHS,
        [],
    ),
    # German, French, Spanish, Japanese, Ukrainian: no rule about English words may mistake them.
    (
        Prompt(
            template="Ist diese Filmkritik positiv oder negativ? Antworte mit einem Wort.\n\n"
            "{{ text }}",
            completion="{{ label }}",
        ),
        REVIEW | {"label": "positiv"},
        ["positiv", "negativ"],
    ),
    (
        Prompt(
            system="Du bist eine erfahrene Lektorin.",
            template="Fasse den folgenden Text in zwei Sätzen zusammen, kurz und doch "
            "ausführlich genug, dass man ihn nicht lesen muss.\n\n{{ text }}",
        ),
        NEWS,
        [],
    ),
    (
        Prompt(
            template="Traduisez cette phrase en français, sans commentaire : {{ en }}",
            completion="{{ de }}",
        ),
        PAIR,
        [],
    ),
    (
        Prompt(
            template="Resume el texto siguiente para un público general.\n\n{{ text }}",
        ),
        NEWS,
        [],
    ),
    (
        Prompt(template="次の文章を一文で要約してください。\n\n{{ text }}"),
        NEWS,
        [],
    ),
    (
        Prompt(template="Перекажи цей текст одним реченням.\n\n{{ text }}"),
        NEWS,
        [],
    ),
]
