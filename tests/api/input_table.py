"""The kinds of fields that Flint takes, and for each every wrong value with words of the sentence that refuses it.

A field of JSON is written as the bytes that stand in the body, one of a query or a path as percent-encoded text, one of
the command as an argument. The cases of a test are the fields times the values of their kinds.
"""

from dataclasses import dataclass, field

MOST_UNITS = 2**40
BEYOND = [2**63, 2**64 - 1, 2**64, int("9" * 400)]
INVALID_UTF8 = [b"\xff", b"\x80", b"\xc0\x80", b"\xc0\xae", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"a\xc3"]
CONTROLS = ["\x00", "a\x00", "a\nb", "\t", "\x1b[31m", "\x7f", "\x85"]
OVERLONG = ["x" * 513, "\u00e9" * 257, "x" * 20_000]


@dataclass(frozen=True)
class Case:
    """One wrong input. `says`: each of these is in the answer's sentence; `code` is the answer's."""
    name: str
    value: object
    says: tuple = field(default=())
    code: str = "invalid_argument"


def cases(says, values, code="invalid_argument"):
    return [Case(repr(value)[:60], value, says, code) for value in values]


# --- JSON ------------------------------------------------------------------------------------------------------------

OTHER_KINDS = {"null": b"null", "boolean": b"true", "array": b"[]", "nested array": b"[[5]]", "object": b"{}",
               "nested object": b'{"key":{"key":"k"}}', "text": b'"five"', "number": b"5"}


def other_kinds(says, *same):
    return [Case(name, value, says) for name, value in OTHER_KINDS.items() if name not in same]


def quoted(text):
    return b'"' + "".join(c if " " <= c < "\x7f" else f"\\u{ord(c):04x}" for c in text).encode() + b'"'


def json_units():
    says = (f"must be an integer from 1 to {MOST_UNITS}",)
    numbers = [b"0", b"-0", b"0.0", b"-1", b"-1.0", b"1.5", b"0.5", b"15e-1", b"1E13", b"1e-1", b"1e400", b"-1e400",
               *[str(n).encode() for n in [MOST_UNITS + 1, -(2**63), *BEYOND]]]
    return cases(says, numbers + [b'""', b'" "', b'"5"']) + other_kinds(says, "number")


def json_period(name):
    texts = ["", " ", "0", "0s", "-1s", "+1s", "1.5s", "1e3s", "0x1s", "1 s", " 1s", "1s ", "s", "ms", "1w", "1S",
             "1us", "1m1s", "367d", "8785h", "31622400001ms", "1\x00", "1s\n", "five", f"{2**63}ms", f"{2**64}s",
             "9" * 400 + "d"]
    numbers = [b"0", b"-0", b"-1", b"1.5", b"15e-1", b"1e8", b"1e400", str(366 * 86400 + 1).encode(),
               *[str(n).encode() for n in BEYOND]]
    says = f"{name} must be an integer and a unit", "1ms to 366d"
    return (cases(says, [quoted(text) for text in texts] + numbers)
            + [Case("text too long", quoted("1" * 5000), says)]
            + other_kinds((f"{name} must be a duration", "integer of seconds"), "text", "number"))


# What is no rate string, in ASCII.
RATE_STRINGS = ["", " ", "5", "m", "5/", "/m", "5 m", "five/m", "5/M", "5/week", "5/fortnight", "5/60", "5/0m", "5/-1m",
                "5/1.5h", "5/1m30s", "5/367d", f"5/{2**64 + 1}s", "0/m", "-5/m", "+5/m", "1.5/m", "1e3/m", "0x10/m",
                "1,000/m", "1__0/m", "10_/m", f"{MOST_UNITS + 1}/m", f"{2**64 + 1}/m", "9" * 400 + "/m", "5/m burst",
                "5/m burst 0", "5/m burst -1", "5/m burst 1.5", "5/m burst=9", f"5/m burst {MOST_UNITS + 1}",
                "5/m burst 9 burst 9", "5/m burst 9 sliding_window_log", "5/m leaky", "5/m token_bucket token_bucket",
                "5/m,", ",5/m", "5/m, 50/60s", "5/m; 50/h", ", ".join(f"5/{n}m" for n in range(1, 10)),
                "5/m" + " " * 1100, "x" * 20_000]


def json_rate_string():
    texts = [*RATE_STRINGS, "5/m\x00", "\x1b[31m5/m", "5\t/m", "5/m\n", "\u0665/m", "5/\u00b5s", "5/m\x7f"]
    found = cases(("limit ",), [quoted(text) for text in texts])
    found += cases(("UTF-8",), [b'"' + text + b'"' for text in INVALID_UTF8], "invalid_json")
    return found + other_kinds(("limit must be a string",), "text")


def json_request_id():
    says = ("request_id must be 1 to 64 visible ASCII characters",)
    texts = ["", " ", "a b", "a\n", "\x00", "\x7f", "\u00e9", "x" * 65, "x" * 20_000]
    found = cases(says, [quoted(text) for text in texts])
    found += cases(("UTF-8",), [b'"' + text + b'"' for text in INVALID_UTF8], "invalid_json")
    return found + other_kinds(("request_id must be a string",), "text")


NOT_RESERVATIONS = ["", " ", "0" * 31, "0" * 33, "A" * 32, "g" * 32, "0" * 31 + " ", " " + "0" * 31, "0x" + "0" * 30,
                    "0" * 31 + "\uff10", "x" * 20_000]


def json_reservation():
    says = ("reservation must be the id of one: 32 hexadecimal digits",)
    found = cases(says, [quoted(text) for text in [*NOT_RESERVATIONS, "0" * 31 + "\n", "\x00" * 32]])
    found += cases(("UTF-8",), [b'"' + text + b'"' for text in INVALID_UTF8], "invalid_json")
    return found + other_kinds(("reservation must be a string",), "text")


def json_costs():
    says = ("costs must be an object of at most 128 keys",)
    many = b"{" + b",".join(b'"%d":1' % number for number in range(129)) + b"}"
    found = cases(says, [many]) + other_kinds(says, "object", "nested object")
    for units in (b"-1", b"1.5", b"15e-1", b"1e400", b'"5"', b"null", b"true", b"[]", b"[5]", b'{"k":5}',
                  *[str(number).encode() for number in [MOST_UNITS + 1, *BEYOND]]):
        found += cases((f"integers from 0 to {MOST_UNITS}", 'the cost of "k"'), [b'{"k":' + units + b"}"])
    found += cases(("must not have a key more than once",), [b'{"k":1,"k":1}', b'{"k":1,"\\u006b":2}'])
    for says, texts in (("be 1 to 512 bytes", ["", *OVERLONG]), ("not", [*CONTROLS, " "])):
        found += cases((f"a key of costs must {says}",), [b"{" + quoted(text) + b":1}" for text in texts])
    return found + cases(("UTF-8",), [b'{"' + text + b'":1}' for text in INVALID_UTF8], "invalid_json")


def json_on_expiry():
    says = ("on_expiry must be keep or return",)
    texts = ["", " ", "Keep", "keep ", " return", "refund", "keep\x00", "keep,return", "x" * 20_000]
    found = cases(says, [quoted(text) for text in texts])
    found += cases(("UTF-8",), [b'"' + text + b'"' for text in INVALID_UTF8], "invalid_json")
    return found + other_kinds(("on_expiry must be a string",), "text")


def json_mode():
    says = ("mode must be enforce, shadow or block",)
    texts = ["", " ", "deny", "Block", "block ", " shadow", "block\x00", "bl\u00f6ck", "x" * 20_000]
    found = cases(says, [quoted(text) for text in texts])
    found += cases(("UTF-8",), [b'"' + text + b'"' for text in INVALID_UTF8], "invalid_json")
    return found + other_kinds(("mode must be a string",), "text")


def json_algorithm():
    says = ("algorithm must be token_bucket, sliding_window_log, fixed_window_counter, "
            "sliding_window_counter or concurrency",)
    texts = ["", " ", "leaky", "TOKEN_BUCKET", "token-bucket", " token_bucket", "token_bucket ", "token_bucket\x00",
             "token_bucket,sliding_window_log", "1", "x" * 5000]
    return cases(says, [quoted(text) for text in texts]) + other_kinds(("algorithm must be a string",), "text")


def json_key():
    found = cases(("must be 1 to 512 bytes",), [quoted(text) for text in ["", *OVERLONG]])
    found += cases(("control character",), [quoted(text) for text in CONTROLS])
    found += cases(("must not be blank",), [quoted(text) for text in [" ", "    "]])
    found += cases(("UTF-8",), [b'"' + text + b'"' for text in INVALID_UTF8], "invalid_json")
    found += cases(("not valid JSON",), [b'"\\ud800"', b'"\\ud83dx"'], "invalid_json")
    return found + other_kinds(("must be a string",), "text")


JSON_KINDS = {"units": json_units(), "period": json_period("per"), "algorithm": json_algorithm(), "key": json_key(),
              "rate string": json_rate_string(), "mode": json_mode(),
              "request id": json_request_id(), "ttl": json_period("ttl"), "reservation": json_reservation(),
              "costs": json_costs(), "on expiry": json_on_expiry()}

# Bodies that are wrong whatever the endpoint.
BODIES = [Case(repr(body)[:40], body, ("JSON",), "invalid_json") for body in (
    b"{", b'{"key"', b'{"key":', b'{"key":"k', b'{"key":"k"', b'{"key":"k",}', b"{'key':'k'}", b"{key:1}",
    b"\xef\xbb\xbf{}", b'{"key":NaN}', b'{"key":Infinity}', b'{"key":01}', b'{"key":+1}', b'{"key":0x1}',
    b'{"key":1.}', b'{"key":.5}',
    b'{"key":"a\nb"}', b'{"key":"\\x41"}', b'{"key":"\\u12"}', b'{"key":tru}', b'{"key":"k"} x', b'{"key":"k"}{}',
    b"/**/{}", b"key=k", b"\x00")] + [
    Case("UTF-16", b"\xff\xfe{\x00}\x00", ("not valid UTF-8",), "invalid_json"),
    Case("empty", b"", ("body",), "invalid_json"), Case("blank", b"  \r\n", ("body",), "invalid_json"),
    *[Case(f"{name} for a body", body, ("The body must be an object",))
      for name, body in (("array", b"[]"), ("null", b"null"), ("number", b"5"), ("text", b'"k"'),
                         ("boolean", b"true"))],
    Case("unknown field", b'{"colour":1}', ("colour is not a field",)),
    Case("field in another case", b'{"Key":"k"}', ("Key is not a field",)),
    Case("field without a name", b'{"":"k"}', ("is not a field",)),
    Case("field with a control character", b'{"\\u0000":"k"}', ("is not a field",)),
    Case("too deep", b'{"key":' + b"[" * 9 + b"]" * 9 + b"}", ("8 levels",), "invalid_json"),
    Case("very deep", b"[" * 100_000, ("8 levels",), "invalid_json"),
]

# --- Queries and paths -----------------------------------------------------------------------------------------------

BAD_ESCAPES = ["%", "a%", "%4", "%zz", "%4g", "%%31"]
PERCENT = ["".join(f"%{byte:02X}" for byte in text) for text in INVALID_UTF8]


def query_number(most):
    return cases((f"limit must be an integer from 1 to {most}",),
                 ["", "+", "%20", "0", "-1", "-0", "+1", "%2B1", "1.5", "1.0", "1e3", "0x10", "five", "1,000", "1%20",
                  "1%00", "null", "[]", "%EF%BC%91", str(most + 1), *map(str, BEYOND)])


def query_by():
    return cases(("by must be denied or allowed",),
                 ["", "+", "Denied", "both", "denied%00", "denied,allowed", "+denied", "denied+", "0", "-1", "null",
                  str(2**64), "x" * 5000])


def path_reservation():
    return (cases(("reservation must be the id of one",),
                  ["0" * 31, "0" * 33, "A" * 32, "g" * 32, "%20", "%00", "..%2Flimits", *PERCENT])
            + cases(("two hexadecimal digits",), BAD_ESCAPES))


def query_text():
    return cases(("two hexadecimal digits",), BAD_ESCAPES) + cases(("not valid UTF-8",), PERCENT)


def path_key():
    percent = ["".join(f"%{byte:02X}" for byte in text.encode()) for text in CONTROLS]
    return (cases(("key must be 1 to 512 bytes",), ["x" * 513, "%C3%A9" * 257])
            + cases(("key must not contain control characters",), percent)
            + cases(("key must not be blank",), ["%20", "%20%20"])
            + cases(("two hexadecimal digits",), BAD_ESCAPES)
            + cases(("key must be valid UTF-8",), PERCENT))


# --- The command -----------------------------------------------------------------------------------------------------

NOT_NUMBERS = ["", " ", "-1", "-0", "+1", "1.5", "1.0", "1e3", "0x10", "five", "1,000", "1_000", " 5", "5 ", "5\n",
               "null", "\u0665"]


def argument_numbers(least, most, *says):
    beyond = [str(number) for number in (least - 1, most + 1, 2**63, 2**64 - 1) if number >= 0]
    return (cases(("whole number in decimal digits",), NOT_NUMBERS) + cases(says, beyond)
            + cases(("too large",), [str(2**64), "9" * 400]))


def server_numbers(least, most):
    beyond = [str(number) for number in (least - 1, most + 1) if number >= 0]
    return (cases(("whole number in decimal digits",), NOT_NUMBERS) + cases((f"from {least} to {most}",), beyond)
            + cases((), map(str, BEYOND)))


def argument_choice(*says):
    return cases(says, ["", " ", "other", "1", "null", "denied,allowed", "x" * 5000])


def argument_reservation():
    return cases(("reservation must be the id of one",), NOT_RESERVATIONS)


def argument_key():
    return (cases(("key must be 1 to 512 bytes",), ["", "x" * 513, "\u00e9" * 257])
            + cases(("key must not be blank",), [" ", "   "])
            + cases(("control character",), [text for text in CONTROLS if "\x00" not in text]))


def argument_rate_string():
    return cases(("limit ",), [*RATE_STRINGS, "5/m\n", "\x1b[31m5/m", "\u0665/m"])


def argument_period(name):
    return cases((f"{name} must be", "1ms to 366d"),
                 ["", " ", "0", "0s", "-1s", "+1s", "1.5s", "1e3s", "1 s", "s", "1w", "1S", "367d", "31622400001ms",
                  "1s\n", *map(str, BEYOND)])
