/**
 * One line of a terminal's output as pieces of styled text. Whatever a job writes comes out as plain
 * characters: escapes that are not colours are swallowed, what cannot be seen gets a sign.
 */

/** How text looks. A colour is one of the palette's 256 by number, or `#rrggbb`. */
export interface Style {
  fg?: number | string;
  bg?: number | string;
  bold?: true;
  dim?: true;
  italic?: true;
  underline?: true;
  inverse?: true;
  strike?: true;
}

/** Text of one style. */
export interface Piece {
  text: string;
  style: Style;
}

/** A line as it would be seen. */
export interface Line {
  pieces: Piece[];
  /** The style in which the next line begins. */
  style: Style;
  /** How many characters were left out at its end. */
  cut: number;
}

/** The style without any. */
export const PLAIN: Style = Object.freeze({});

/** Reads a line (without its line feed) that begins in `style`; shows at most `most` characters. */
export function line(text: string, style: Style, most: number): Line {
  if (!NEEDS_WORK.test(text)) return plain(text, style, most);
  const row: Row = { chars: [], styles: [], at: 0, style };
  for (const [token] of text.matchAll(TOKENS)) put(row, token);
  return shown(row, most);
}

/** The style in which the line after this one begins. */
export function after(text: string, style: Style): Style {
  return text.includes("\x1b") || text.includes("\x9b") ? line(text, style, 0).style : style;
}

/** A line's text without its escapes. */
export function bare(text: string): string {
  return text.replace(ESCAPES, "");
}

interface Row {
  chars: string[];
  styles: Style[];
  at: number;
  style: Style;
}

// Cells a program may move over: beyond them, moves end. Each line of a hostile log may cost so many.
const WIDEST = 1 << 12;

// Controls but the tab, what turns text around or hides in it, and unpaired surrogates.
const NEEDS_WORK =
  /[\0-\x08\x0a-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]|\p{Cs}|[\u{e0000}-\u{e0fff}]/u;

// CSI; strings (OSC, DCS, SOS, PM, APC) up to their end or the line's; other escapes.
const ESCAPES =
  /(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?|\x1b[ -/]*[0-~]?/gu;
// They, or one character.
const TOKENS = new RegExp(`${ESCAPES.source}|[^]`, "gu");

function plain(text: string, style: Style, most: number): Line {
  if (text.length <= most) return { pieces: text ? [{ text, style }] : [], style, cut: 0 };
  const chars = Array.from(text.slice(0, most * 2)).slice(0, most);
  const kept = chars.join("");
  const cut = Array.from(text.slice(kept.length)).length;
  return { pieces: [{ text: kept, style }], style, cut };
}

function put(row: Row, token: string): void {
  if (token === "\r") row.at = 0;
  else if (token === "\b") row.at = Math.max(0, row.at - 1);
  else if (/^(?:\x1b\[|\x9b)/.test(token)) control(row, token);
  else if (!/^[\x1b\x90\x98\x9d-\x9f]/.test(token) && row.at < WIDEST) write(row, visible(token));
}

function write(row: Row, char: string): void {
  for (let i = row.chars.length; i < row.at; i++) {
    row.chars[i] = " ";
    row.styles[i] = PLAIN;
  }
  row.chars[row.at] = char;
  row.styles[row.at] = row.style;
  row.at += 1;
}

function visible(char: string): string {
  const code = char.codePointAt(0) ?? 0;
  if (char === "\t" || !NEEDS_WORK.test(char)) return char;
  if (code < 0x20) return String.fromCodePoint(0x2400 + code);
  return code === 0x7f ? "\u2421" : "\ufffd";
}

function control(row: Row, token: string): void {
  const body = token.replace(/^(?:\x1b\[|\x9b)/, "");
  const numbers = body.slice(0, -1);
  const first = Math.min(WIDEST, Number.parseInt(numbers, 10) || 0);
  switch (body.at(-1)) {
    case "m":
      if (/^[\d;:]*$/.test(numbers)) row.style = styled(row.style, codes(numbers));
      return;
    case "K":
      return erase(row, first);
    case "C":
      row.at = Math.min(WIDEST, row.at + Math.max(1, first));
      return;
    case "D":
      row.at = Math.max(0, row.at - Math.max(1, first));
      return;
    case "G":
      row.at = Math.max(0, first - 1);
  }
}

function erase(row: Row, what: number): void {
  if (what === 0) {
    row.chars.length = row.styles.length = Math.min(row.chars.length, row.at);
    return;
  }
  const end = what === 1 ? Math.min(row.at + 1, row.chars.length) : row.chars.length;
  row.chars.fill(" ", 0, end);
  row.styles.fill(PLAIN, 0, end);
}

function shown(row: Row, most: number): Line {
  const pieces: Piece[] = [];
  const count = Math.min(most, row.chars.length);
  for (let i = 0; i < count; i++) {
    const last = pieces.at(-1);
    const style = row.styles[i] ?? PLAIN;
    if (last && last.style === style) last.text += row.chars[i];
    else pieces.push({ text: row.chars[i] ?? "", style });
  }
  return { pieces, style: row.style, cut: row.chars.length - count };
}

// `38:2::r:g:b` has an empty place for the colour space that `38;2;r;g;b` has not.
function codes(numbers: string): number[] {
  const unspaced = numbers.replace(/([34]8:2):\d*:(?=\d+:\d+:\d+)/g, "$1:");
  return unspaced.replace(/4:0/g, "24").replace(/4:[1-9]/g, "4").split(/[;:]/).map(Number);
}

type Mark = "bold" | "dim" | "italic" | "underline" | "inverse" | "strike";

const ON: Record<number, Mark> = {
  1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "inverse", 9: "strike", 21: "underline",
};
const OFF: Record<number, Mark[]> = {
  22: ["bold", "dim"], 23: ["italic"], 24: ["underline"], 27: ["inverse"], 29: ["strike"],
};

function styled(before: Style, numbers: number[]): Style {
  let style: Style = { ...before };
  for (let i = 0; i < numbers.length; i++) {
    const code = numbers[i] ?? 0;
    const on = ON[code];
    if (code === 0) style = {};
    else if (on) style[on] = true;
    else if (code === 38 || code === 48) i = extended(style, code === 38 ? "fg" : "bg", numbers, i);
    else if (code === 39) delete style.fg;
    else if (code === 49) delete style.bg;
    else if (OFF[code]) for (const mark of OFF[code]) delete style[mark];
    else simple(style, code);
  }
  return Object.keys(style).length === 0 ? PLAIN : style;
}

function simple(style: Style, code: number): void {
  if (code >= 30 && code <= 37) style.fg = code - 30;
  else if (code >= 40 && code <= 47) style.bg = code - 40;
  else if (code >= 90 && code <= 97) style.fg = code - 90 + 8;
  else if (code >= 100 && code <= 107) style.bg = code - 100 + 8;
}

function extended(style: Style, ground: "fg" | "bg", numbers: number[], at: number): number {
  const rest = numbers.slice(at + 2, at + 5);
  const isByte = (n: number) => n >= 0 && n <= 255;
  const [number = -1] = rest;
  if (numbers[at + 1] === 5) {
    if (isByte(number)) style[ground] = number;
    return at + 2;
  }
  if (numbers[at + 1] !== 2) return at + 1;
  if (rest.length === 3 && rest.every(isByte)) {
    style[ground] = `#${rest.map((n) => n.toString(16).padStart(2, "0")).join("")}`;
  }
  return at + 4;
}

/** A colour of the palette above 15, which themes do not change, as CSS. */
export function cube(number: number): string {
  if (number >= 232) return rgb([0, 1, 2].map(() => 8 + (number - 232) * 10));
  const at = number - 16;
  const levels = [0, 95, 135, 175, 215, 255];
  return rgb([Math.floor(at / 36), Math.floor(at / 6) % 6, at % 6].map((n) => levels[n] ?? 0));
}

function rgb(parts: number[]): string {
  return `rgb(${parts.join(" ")})`;
}
