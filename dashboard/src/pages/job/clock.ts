/** The time, for what runs: it ticks while somebody looks at it. */

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";

const now = signal(Date.now());
let watchers = 0;
let timer: ReturnType<typeof setInterval> | undefined;

/** Now, in ms; a second later this draws again, if it `ticks`. */
export function useNow(ticks: boolean): number {
  useEffect(() => {
    if (!ticks) return;
    now.value = Date.now();
    watchers += 1;
    timer ??= setInterval(() => (now.value = Date.now()), 1000);
    return () => {
      watchers -= 1;
      if (watchers > 0) return;
      clearInterval(timer);
      timer = undefined;
    };
  }, [ticks]);
  return ticks ? Math.max(now.value, 0) : Date.now();
}
