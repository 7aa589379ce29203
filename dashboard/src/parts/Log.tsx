import "./Log.css";

import { useSignal } from "@preact/signals";
import type { VNode } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";

import { connection } from "../api/live";
import { cube, type Piece, type Style } from "../core/ansi";
import type { Span } from "../core/lines";
import { rows, tall, thumb } from "../core/window";
import { Button } from "./Button";
import { Icon } from "./Icon";
import type { LogBytes } from "./LogBytes";
import { LogFind } from "./LogFind";
import { LogModel, type Row } from "./LogModel";

/** Height of a line, in pixels; `Log.css` says the same. */
const ROW = 20;

/** The most lines that are seen at once. */
const MOST = 36;

/** What was written, however much: only what is seen is read. Follows the end while that is seen. */
export function Log({
  label,
  bytes,
  spans,
  size,
  live,
  few = MOST,
  findable = false,
}: {
  /** What it is, for those who hear the page. */
  label: string;
  bytes: LogBytes;
  spans: readonly Span[];
  /** How long the spans are together: they grow in place. */
  size: number;
  /** Whether more may come. */
  live: boolean;
  /** How many lines are seen until somebody asks for more. */
  few?: number;
  /** Whether one can look for words in it. */
  findable?: boolean;
}) {
  const all = useSignal(false);
  const model = useMemo(() => new LogModel(bytes, spans, live), [bytes]);
  useEffect(() => model.grow(spans), [model, spans, size]);
  // While the server is away the page says so elsewhere, and comes back by itself.
  const away = connection.value === "lost";
  useEffect(() => (away ? undefined : model.retry()), [model, away]);
  const isLong = model.version.value > 0 && rows(model.layout) > few && few < MOST;
  return (
    <div class="log-frame">
      {findable && <LogFind model={model} bytes={bytes} spans={spans} />}
      <Scroller label={label} model={model} most={all.value ? MOST : few} />
      {model.failure.value && !away && (
        <p class="log-failure" role="alert">
          {model.failure.value} <Button onClick={() => model.retry()}>Try again</Button>
        </p>
      )}
      {live && model.version.value > 0 && !model.following && (
        <button type="button" class="log-follow" onClick={() => model.follow()}>
          <Icon name="down" /> Follow
        </button>
      )}
      {isLong && (
        <button type="button" class="log-more" aria-expanded={all.value} onClick={() => (all.value = !all.value)}>
          {all.value ? "Show less" : "Show more"}
        </button>
      )}
    </div>
  );
}

function Scroller({ label, model, most }: { label: string; model: LogModel; most: number }) {
  const box = useRef<HTMLDivElement>(null);
  const top = useRef(0);
  const laid = useRef(model.layout);
  const [view, setView] = useState(most * ROW);
  model.version.value;
  const bar = { row: ROW, view };
  const whole = tall(model.layout, bar);

  useEffect(() => {
    const seen = new ResizeObserver(([entry]) => entry && setView(Math.max(ROW, entry.target.clientHeight)));
    if (box.current) seen.observe(box.current);
    return () => seen.disconnect();
  }, []);
  useEffect(() => model.resize(view / ROW), [model, view]);

  const stand = () => {
    const element = box.current;
    if (!element) return;
    const wanted = thumb(model.layout, bar, model.position);
    if (Math.abs(element.scrollTop - wanted) > 1) element.scrollTop = wanted;
    top.current = element.scrollTop;
  };
  useLayoutEffect(() => {
    if (laid.current !== model.layout || model.following) stand();
    laid.current = model.layout;
  });

  const scrolled = ({ currentTarget }: { currentTarget: HTMLDivElement }) => {
    const now = currentTarget.scrollTop;
    if (Math.abs(now - top.current) < 1) return;
    model.scrolled(bar, top.current, now);
    top.current = now;
  };
  const above = (model.position.row % 1) * ROW;
  return (
    <div
      class="log"
      ref={box}
      tabIndex={0}
      role="region"
      aria-label={label}
      style={{ maxHeight: `min(${most * ROW}px, 80vh)` }}
      onScroll={scrolled}
      onScrollEnd={stand}
    >
      <div class="log-whole" style={{ height: `${whole}px` }}>
        <div class="log-seen" style={{ height: `${Math.min(view, whole)}px` }}>
          <div style={{ transform: `translateY(${-above}px)` }}>
            {model.rows().map(({ key, ...row }) => (
              <LogRow key={key} {...row} />
            ))}
          </div>
        </div>
      </div>
    </div>
  );
}

function LogRow({ stream, line, goesOn, words }: Omit<Row, "key">) {
  if (!line) return <div class="log-row away">…</div>;
  return (
    <div class={`log-row ${stream} ${words && "found"}`}>
      {goesOn && <i class="log-word">… </i>}
      {line.pieces.map((piece, i) => (
        <StyledPiece key={i} {...piece} words={words} />
      ))}
      {line.cut > 0 && <i class="log-word"> … {line.cut.toLocaleString("en")} more characters</i>}
    </div>
  );
}

function StyledPiece({ text, style, words }: Piece & { words: string }) {
  const look = looks(style);
  const shown = words ? <Lit text={text} words={words} /> : <>{text}</>;
  return look ? (
    <span class={look.class} style={look.style}>
      {shown}
    </span>
  ) : shown;
}

/** The text with every one of the words in it marked. */
function Lit({ text, words }: { text: string; words: string }) {
  const parts: (string | VNode)[] = [];
  const sought = text.toLowerCase();
  let from = 0;
  for (let at = sought.indexOf(words); at >= 0; at = sought.indexOf(words, from)) {
    const end = at + words.length;
    parts.push(text.slice(from, at), <mark key={at}>{text.slice(at, end)}</mark>);
    from = end;
  }
  return <>{[...parts, text.slice(from)]}</>;
}

function looks(style: Style): { class: string; style: Record<string, string> } | null {
  const names: string[] = [];
  const own: Record<string, string> = {};
  for (const [name, value] of Object.entries(style)) {
    if (value === true) names.push(`t-${name}`);
    else if (typeof value === "number" && value < 16) names.push(`t-${name}${value}`);
    else own[name === "fg" ? "color" : "background"] = typeof value === "number" ? cube(value) : value;
  }
  return names.length + Object.keys(own).length > 0 ? { class: names.join(" "), style: own } : null;
}
