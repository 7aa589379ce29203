/** Which language a file or a step is in. */

const BY_ENDING: Record<string, string> = {
  bash: "bash", sh: "bash", zsh: "bash", background: "bash", dockerfile: "bash", makefile: "bash",
  py: "python", python: "python",
  ts: "typescript", tsx: "typescript", typescript: "typescript", mts: "typescript",
  js: "javascript", jsx: "javascript", mjs: "javascript", cjs: "javascript", javascript: "javascript",
  json: "json", ndjson: "json", ipynb: "json",
  html: "xml", htm: "xml", xml: "xml", svg: "xml",
  css: "css", md: "markdown", markdown: "markdown", yaml: "yaml", yml: "yaml", toml: "ini", ini: "ini", cfg: "ini",
  rs: "rust", go: "go", sql: "sql", diff: "diff", patch: "diff", c: "c", h: "c", java: "java",
};

/** By a file's name (`a/b.py`) or a word (`python`); null if nothing is known of it. */
export function languageOf(name: string): string | null {
  const ending = name.toLowerCase().split("/").at(-1)?.split(".").at(-1) ?? "";
  return Object.hasOwn(BY_ENDING, ending) ? (BY_ENDING[ending] ?? null) : null;
}
