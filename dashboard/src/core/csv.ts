/** Tables in text (RFC 4180), as much as is shown of one. */

/** Its rows, at most `most` of them; what a cut end leaves open is closed. */
export function rowsOf(text: string, separator: string, most: number): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let at = 0;
  while (at < text.length && rows.length < most) {
    const { value, next } = text[at] === '"' ? quoted(text, at, separator) : bare(text, at, separator);
    row.push(value);
    const end = text[next];
    at = next + 1;
    if (end === separator) {
      if (at >= text.length) row.push("");
      else continue;
    } else if (end === "\r" && text[at] === "\n") {
      at += 1;
    }
    rows.push(row);
    row = [];
  }
  return rows;
}

/** What most likely stands between the fields. */
export function separatorOf(name: string, text: string): string {
  if (name.toLowerCase().endsWith(".tsv")) return "\t";
  const head = text.split("\n", 1)[0] ?? "";
  return [",", ";", "\t"].reduce((a, b) => (head.split(b).length > head.split(a).length ? b : a));
}

function bare(text: string, from: number, separator: string): { value: string; next: number } {
  let next = from;
  while (next < text.length && text[next] !== separator && text[next] !== "\n" && text[next] !== "\r") next++;
  return { value: text.slice(from, next), next };
}

// What follows the closing quote belongs to the field too, as most programs read it.
function quoted(text: string, from: number, separator: string): { value: string; next: number } {
  let value = "";
  for (let at = from + 1; ; ) {
    const close = text.indexOf('"', at);
    if (close < 0) return { value: value + text.slice(at), next: text.length };
    value += text.slice(at, close);
    if (text[close + 1] !== '"') {
      const rest = bare(text, close + 1, separator);
      return { value: value + rest.value, next: rest.next };
    }
    value += '"';
    at = close + 2;
  }
}
