import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";

import type { JobSummary } from "../../api/client";
import { visible } from "../../core/list";
import { useShortcuts } from "../../keys";

/** So many rows before the end of what is loaded, more is asked for. */
const AHEAD = 60;

/** Draws those of many rows that are seen; j and k go from one to the next. */
export function Rows({
  jobs,
  draw,
  onEnd,
}: {
  jobs: readonly JobSummary[];
  draw: (job: JobSummary) => ComponentChildren;
  onEnd: () => void;
}) {
  const list = useRef<HTMLUListElement>(null);
  const place = useSignal({ above: 0, height: innerHeight, row: 60 });
  useEffect(() => {
    const look = () => {
      const ul = list.current;
      if (!ul) return;
      const row = parseFloat(getComputedStyle(ul).getPropertyValue("--row")) || 60;
      const above = Math.max(0, -ul.getBoundingClientRect().top);
      // Less would draw the same rows.
      const step = (n: number) => Math.floor(n / row) * row;
      const next = { above: step(above), height: innerHeight + row, row };
      const { above: a, height: h, row: r } = place.peek();
      if (next.above !== a || next.height !== h || next.row !== r) place.value = next;
    };
    look();
    addEventListener("scroll", look, { passive: true });
    addEventListener("resize", look);
    return () => {
      removeEventListener("scroll", look);
      removeEventListener("resize", look);
    };
  }, []);
  const { above, height, row } = place.value;
  const { first, last } = visible(above, height, row, jobs.length);
  useEffect(() => {
    if (last + AHEAD > jobs.length) onEnd();
  }, [last, jobs.length]);
  useWalk(list, jobs, row);
  // A row is drawn anew when its job has changed, not when others are scrolled in.
  const drawn = useMemo(() => new WeakMap<JobSummary, ComponentChildren>(), []);
  const once = (job: JobSummary) => {
    if (!drawn.has(job)) drawn.set(job, draw(job));
    return drawn.get(job);
  };
  return (
    <ul ref={list} class="rows" style={{ height: `${jobs.length * row}px` }}>
      {jobs.slice(first, last).map((job, n) => (
        <li
          key={job.job_id}
          data-id={job.job_id}
          aria-setsize={jobs.length}
          aria-posinset={first + n + 1}
          style={{ transform: `translateY(${(first + n) * row}px)` }}
        >
          {once(job)}
        </li>
      ))}
    </ul>
  );
}

/** j and k. The focus is what is chosen; a row that is not drawn is scrolled to first. */
function useWalk(list: { current: HTMLUListElement | null }, jobs: readonly JobSummary[], row: number): void {
  const wanted = useRef<string | null>(null);
  const focus = () => {
    const link = wanted.current && list.current?.querySelector<HTMLElement>(`[data-id="${wanted.current}"] a`);
    if (!link) return;
    wanted.current = null;
    link.focus({ preventScroll: true });
  };
  useLayoutEffect(focus);
  const walk = (by: number) => {
    const here = document.activeElement?.closest<HTMLElement>(".rows > li")?.dataset.id;
    const at = jobs.findIndex(({ job_id }) => job_id === here);
    const to = at < 0 ? 0 : Math.max(0, Math.min(at + by, jobs.length - 1));
    wanted.current = jobs[to]?.job_id ?? null;
    reveal(list.current, to * row, row);
    focus();
  };
  useShortcuts([
    { keys: "j", says: "Next job", run: () => walk(1) },
    { keys: "k", says: "Job before", run: () => walk(-1) },
  ]);
}

/** Scrolls so far that the row is seen, with one more at the edge; the header lies above. */
function reveal(list: HTMLElement | null, offset: number, row: number): void {
  if (!list) return;
  const top = list.getBoundingClientRect().top + offset;
  const over = top - 2 * row;
  const under = top + 2 * row - innerHeight;
  if (over < 0) scrollBy(0, over);
  else if (under > 0) scrollBy(0, under);
}
