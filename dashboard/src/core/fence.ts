/** The block of a runbook that a step runs: its events only say on which line it begins. */

/** What stands in the fenced block whose fence is on this line, from 1; null if there is none. */
export function blockAt(markdown: string, line: number): string | null {
  const lines = markdown.split(/\r?\n/);
  const open = /^(.*?)(`{3,}|~{3,})/.exec(lines[line - 1] ?? "");
  if (!open) return null;
  const [, before = "", marks = ""] = open;
  const indent = before.replace(/[^\t]/g, " ").length;
  const close = new RegExp(`^[\\s>]*\\${marks[0]}{${marks.length},}\\s*$`);
  const rest = lines.slice(line);
  const end = rest.findIndex((text) => close.test(text));
  return rest
    .slice(0, end < 0 ? rest.length : end)
    .map((text) => text.slice(Math.min(indent, text.length - text.trimStart().length)))
    .join("\n");
}
