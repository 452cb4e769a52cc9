from pyg_video._text import printable


def test_what_is_not_to_be_printed_is_escaped():
    assert printable("caf\u00e9 \x1b[31m\n\t\u202e") == "caf\u00e9 \\x1b[31m\\n\\t\\u202e"
