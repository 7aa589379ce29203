import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cube, line, PLAIN, type Style } from "./ansi";

const text = (written: string, most = 1000) =>
  line(written, PLAIN, most).pieces.map((piece) => piece.text).join("");

describe("colours", () => {
  it("are read in every spelling", () => {
    const style = (codes: string) => line(`\x1b[${codes}mx`, PLAIN, 10).pieces[0]?.style;
    expect(style("31")).toEqual({ fg: 1 });
    expect(style("1;92;44")).toEqual({ bold: true, fg: 10, bg: 4 });
    expect(style("38;5;208")).toEqual({ fg: 208 });
    expect(style("38;2;255;0;16;1")).toEqual({ fg: "#ff0010", bold: true });
    expect(style("38:2::255:0:16")).toEqual({ fg: "#ff0010" });
    expect(style("48:5:20;4:3")).toEqual({ bg: 20, underline: true });
    expect(style("31;0")).toEqual({});
    expect(style("38;2;999;0;0")).toEqual({});
    expect(style("?25")).toEqual({});
  });

  it("go on in the next line", () => {
    const first = line("a\x1b[31mb", PLAIN, 10);
    expect(first.pieces).toEqual([{ text: "a", style: {} }, { text: "b", style: { fg: 1 } }]);
    const second = line("c\x1b[md", first.style, 10);
    expect(second.pieces).toEqual([{ text: "c", style: { fg: 1 } }, { text: "d", style: {} }]);
    expect(second.style).toEqual({});
  });

  it("of the cube are colours", () => {
    expect(cube(16)).toBe("rgb(0 0 0)");
    expect(cube(231)).toBe("rgb(255 255 255)");
    expect(cube(255)).toBe("rgb(238 238 238)");
  });
});

describe("a line", () => {
  it("is written over after a return", () => {
    expect(text("10%\r20%\r100%")).toBe("100%");
    expect(text("long line\rshort")).toBe("shortline");
    expect(text("long line\r\x1b[Kshort")).toBe("short");
    expect(text("abc\b\bX")).toBe("aXc");
    expect(text("ends\r")).toBe("ends");
    expect(text("a\x1b[3Cb\x1b[1Gc\x1b[2K")).toBe("     ");
  });

  it("shows what cannot be seen, and swallows what is no colour", () => {
    expect(text("a\0b\x7fc\td")).toBe("a␀b␡c\td");
    expect(text("evil\u202egnp.exe")).toBe("evil\ufffdgnp.exe");
    expect(text("\x1b]0;title\x07x\x1b]8;;http://h\x1b\\y\x1b[2J\x1b[Hz\x1bc")).toBe("xyz");
    expect(text("x\x1b]0;no end")).toBe("x");
    expect(text("x\x1b[")).toBe("x");
    expect(text("\x1b[31")).toBe("");
  });

  it("is cut with the number of what is missing", () => {
    expect(line("abcdef", PLAIN, 4)).toMatchObject({ cut: 2, pieces: [{ text: "abcd" }] });
    expect(line("\x1b[1mabcdef", PLAIN, 4)).toMatchObject({ cut: 2, pieces: [{ text: "abcd" }] });
    expect(line("😀😀😀", PLAIN, 2)).toMatchObject({ cut: 1, pieces: [{ text: "😀😀" }] });
    expect(text("a\x1b[999999999Cb").length).toBeLessThanOrEqual(1000);
  });

  it("of any characters is harmless and bounded", () => {
    const nasty = fc.array(fc.oneof(
      fc.string({ unit: "binary" }),
      fc.constantFrom("\x1b[", "31", "m", ";", "\r", "\b", "\x1b]", "\x07", "K", "5C", "\u202e", "\ud800"),
    )).map((parts) => parts.join("").replaceAll("\n", ""));
    fc.assert(fc.property(nasty, fc.integer({ min: 1, max: 50 }), (written, most) => {
      const { pieces, cut } = line(written, PLAIN, most);
      const seen = pieces.map((piece) => piece.text).join("");
      expect(Array.from(seen).length).toBeLessThanOrEqual(most);
      expect(cut).toBeGreaterThanOrEqual(0);
      expect(seen).not.toMatch(/[\0-\x08\x0a-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/);
    }));
  });

  it("looks the same in one piece as in two lines' worth of styles", () => {
    const codes = fc.array(fc.oneof(
      fc.constantFrom("\x1b[31m", "\x1b[1m", "\x1b[0m", "\x1b[48;5;7m", "\x1b[22;39m"),
      fc.stringMatching(/^[a-z ]+$/),
    ));
    fc.assert(fc.property(codes, codes, (left, right) => {
      const cells = (parts: { text: string; style: Style }[]) =>
        parts.flatMap(({ text, style }) => Array.from(text, (char) => ({ char, style })));
      const first = line(left.join(""), PLAIN, 1e6);
      const second = line(right.join(""), first.style, 1e6);
      const whole = line([...left, ...right].join(""), PLAIN, 1e6);
      expect(cells(whole.pieces)).toEqual([...cells(first.pieces), ...cells(second.pieces)]);
      expect(whole.style).toEqual(second.style);
    }));
  });
});
