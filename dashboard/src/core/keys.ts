/** Which shortcut a key finishes, after those pressed before. */

/** A shortcut: `n`, `?`, or `g j` for one after the other. */
export interface Shortcut {
  keys: string;
  /** What it does, for people. */
  says: string;
  run: () => void;
}

/** What follows a key: a shortcut to run, the keys to remember for the next one. */
export function press(
  shortcuts: readonly Shortcut[],
  before: string,
  key: string,
): { run?: () => void; before: string } {
  const tries = before ? [`${before} ${key}`, key] : [key];
  for (const typed of tries) {
    const hit = shortcuts.findLast((shortcut) => shortcut.keys === typed);
    if (hit) return { run: hit.run, before: "" };
    if (shortcuts.some((shortcut) => shortcut.keys.startsWith(`${typed} `))) return { before: typed };
  }
  return { before: "" };
}

/** Those that do something: of two with the same keys the one that was bound last. */
export function effective(shortcuts: readonly Shortcut[]): Shortcut[] {
  return shortcuts.filter((shortcut) => shortcut === shortcuts.findLast(({ keys }) => keys === shortcut.keys));
}
