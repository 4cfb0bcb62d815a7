"""Output that has hurt terminals, or would: one of each kind. Each is given wherever foreign text comes in."""

from __future__ import annotations

ESC, CSI, OSC, DCS, ST, BEL = "\x1b", "\x1b[", "\x1b]", "\x1bP", "\x1b\\", "\x07"

TEXTS: dict[str, str] = {
    # Sequences that act.
    "clear screen": f"{CSI}2J{CSI}H wiped",
    "reset": f"{ESC}c wiped",
    "title": f"{OSC}0;owned{BEL}{OSC}2;owned{ST} titled",
    "clipboard write": f"{OSC}52;c;b3duZWQ={BEL} copied",
    "clipboard read": f"{OSC}52;c;?{BEL} asked",
    "link": f"{OSC}8;;https://evil.example/{ST}click{OSC}8;;{ST}",
    "palette": f"{OSC}4;1;#000000{BEL}{OSC}10;#000000{BEL}{OSC}11;?{BEL} recoloured",
    "notification": f"{OSC}9;owned{BEL}{OSC}777;notify;a;b{BEL}{OSC}1337;File=inline=1:AAAA{BEL} told",
    "leave the screen": f"{CSI}?1049l{CSI}?25h{CSI}?1003h left",
    "answers": f"{CSI}c{CSI}6n{CSI}5n{CSI}>q{CSI}?2026$p{ESC}Z asked",
    "terminal strings": f"{DCS}+q544e{ST}{DCS}$qm{ST} asked",
    "paste marks": f"{CSI}200~rm -rf /{CSI}201~ pasted",
    "cursor": f"{CSI}999;999H{CSI}999C{CSI}1;1H{ESC}7{ESC}8{CSI}s{CSI}u moved",
    "scroll region": f"{CSI}1;2r{ESC}M{ESC}D{CSI}9L{CSI}9M{CSI}9P{CSI}9@{CSI}9X scrolled",
    "blink and hide": f"{CSI}5mblinks{CSI}8mhidden{CSI}53m{CSI}38;5;201m coloured",
    "charset": f"{ESC}(0qqqq{ESC}(B\x0e\x0f{ESC}#8{ESC}%G drawn",
    "keys": f'{CSI}>4;2m{CSI}>31u{CSI}?1h{ESC}="{CSI}0"q mapped',
    "window": f"{CSI}8;1;1t{CSI}14t{CSI}3;0;0t{CSI}21t resized",
    "sixel": f"{DCS}q#0;2;0;0;0#0~~@@vv{ST} painted",
    "kitty picture": f"{ESC}_Ga=T,f=24,s=1,v=1;AAAA{ST} painted",
    "private strings": f"{ESC}^pm{ST}{ESC}Xsos{ST} held",
    "tmux passthrough": f"{DCS}tmux;{ESC}{ESC}]52;c;b3duZWQ={BEL}{ST} through",
    "screen title": f"{ESC}kowned{ST} titled",
    # Not closed, or closed by what follows.
    "open clipboard": f"{OSC}52;c;",
    "open title": f"{OSC}0;",
    "open device string": DCS,
    "open sequence": CSI,
    "open parameters": f"{CSI}38;2;1",
    "lone escape": ESC,
    "string end": f"{ST}{BEL}\x9c",
    "nested": f"{ESC}{ESC}[m[31m{ESC}]{ESC}]0;x{BEL}[5m",
    "spread over two": f"{CSI}{CSI}5m5m{OSC}0;{OSC}0;a{BEL}b{BEL}",
    # C1, in UTF-8 and raw (below).
    "c1": "\x9b5m\x9d0;owned\x9c\x90q\x9c\x85\x84\x8d\x98\x9e\x9f c1",
    # Controls that move or ring.
    "controls": "a\x08\x08\x08b\x0b\x0c\x00\x7f\x05\x11\x13\x18\x1a\x1c\x1d\x1e\x1f c",
    "overwrite": "harmless\rowned   ",
    "new line": "one\ntwo\x85three\u2028four\u2029five",
    "tabs": "a\tb\t\t\tc",
    # Characters that are not what they seem.
    "bidi": "user\u202egnp.exe\u202c \u2066x\u2069 \u200fy\u200e \u061c",
    "zero width": "a\u200bb\u200cc\u200dd\ufeffe\u2060f\u00adg",
    "tags": "flag\U000e0067\U000e007f\U000e0001",
    "selectors": "a\ufe0fb\ufe0ec\U000e0100",
    "zalgo": "h" + "\u0300\u0489\u20dd\u0336" * 40 + "i",
    "private use": "\ue0b0\U000f0000\U0010fffd",
    "no characters": "\ufffe\uffff\U0001ffff\u0378",
    "wide": "漢字" * 40 + "🚀👩‍👩‍👧‍👦🏳️‍🌈🇩🇪👍🏽" * 5,
    "filler": "a\u3164b\u115fc\u1160d\u17b4e\u034ff",
    "right to left": "שלום مرحبا",
    # What a toolkit might take for its own.
    "markup": "[@click=app.quit]x[/] [/nope] [bold red]b[/] [link=https://evil.example/]l[/link] [blink]x[/]",
    "broken markup": "[/] [[ ]] \\[ [@click [$error] [on red]",
    "formats": "{0} {x!r} %s %(x)s ${HOME} $(id) `id` {{}} \\x1b[5m \\u001b[5m ^[[5m",
    "rules": "/* } */ #id { display: none; } <script>alert(1)</script> &lt; <!--",
    # Shape and size.
    "nothing": "",
    "blanks": " " * 300,
    "long": "x" * 100_000,
    "long sequence": CSI + "1;" * 5000 + "m long",
    "many sequences": f"{CSI}5m" * 5000 + " many",
}
RAW: dict[str, bytes] = {
    "raw c1": b"\x9b5m\x9d0;owned\x9c\x90q\x9c raw",
    "broken utf-8": b"a\xffb\xc3(c\xe2\x82d\xf0\x9f\x98e\xc0\x9b5m\xed\xa0\x80f",
    "overlong escape": b"\xc0\x9b[5m \xe0\x80\x9b[5m",
    "utf-16": "\x1b[5m owned".encode("utf-16"),
    "latin-1": "Zürich \xa9 \x9b5m".encode("latin-1"),
    "all bytes": bytes(range(256)),
    "cut character": "🚀".encode()[:2],
}


def everything() -> dict[str, bytes]:
    """Each as bytes, as a container would write it; a text that is no UTF-8 is kept as it is."""
    return {**{name: text.encode("utf-8", "surrogatepass") for name, text in TEXTS.items()}, **RAW}
