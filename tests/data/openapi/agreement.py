"""Checks of schemathesis: the host accepts what its document says, and nothing else.

A body that breaks a rule of `RULES` may be refused although it conforms to the document. The page
`host/docs/requests.md` has the list of these rules.
"""

import re

import schemathesis

RULES = [
    # Lists of equal lengths.
    r"This column has \d+ values?",
    r"This list has \d+ elements?",
    r"so they must be equal",
    r"must have the same number of rows",
    # Columns that may be left out, and the names of the values of a row.
    r"(The rows before do|This row does|This list does) not have",
    r"This row has \d+ values?, where",
    # The Open Inference Protocol.
    r"This input is given twice",
    r"This output is asked for twice",
    r"The input .* is missing",
    r"The data has \d+ elements?, and the shape",
    r"are encoded values",
    r"nested differently from the shape",
    r"No body holds a tensor of this shape",
    r"is not a whole number",
    r"cannot hold .* exactly",
    r"does not fit",
    r"An id must not exceed",
    # Bytes.
    r"The body has \d+ bytes?",
    r"The body is not (JSON|UTF-8)",
]

# Rule for rows that are lists in the order of `columns`: their values have the types of these columns.
ORDER = r"^Here is .*, where .* element belongs"

# Rule for binary data of the Open Inference Protocol: without the header with the length of its JSON, it is JSON.
HEADER = r"^Here is .*, where an object belongs"

# What the host accepts beyond the document: other labels of JSON. An id that is too long is answered
# with 431, which schemathesis does not know as a refusal.
BEYOND = ["Content-Type", "x-request-id"]


@schemathesis.check
def agreement(ctx, response, case):
    if case.meta is None or case.method != "POST":
        return
    mode = case.meta.generation.mode.value
    if mode == "positive" and response.status_code == 400:
        answer = response.json()
        rules = RULES + [ORDER] * ("'columns':" in str(case.body))
        rules += [HEADER] * (case.media_type == "application/octet-stream")
        if not any(re.search(rule, answer["message"]) for rule in rules):
            pointer = answer.get("pointer")
            raise AssertionError(f"refused, but conforms: {answer['message']} ({pointer})")
    if mode == "negative" and response.status_code == 200:
        data = case.meta.phase.data
        about = f"{getattr(data, 'description', '')} {getattr(data, 'parameter', '')}"
        if not any(word in about for word in BEYOND):
            raise AssertionError(f"accepted, but does not conform: {about}: {str(case.body)[:200]}")
