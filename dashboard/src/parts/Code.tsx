import "./Code.css";

import { useSignal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import { useEffect } from "preact/hooks";

import type { Token } from "./highlight";
import { languageOf } from "./languages";

/** Lines that are seen of a long text until somebody asks for all. */
const FEW = 14;

/** More than that is shown without colours, in characters. */
const MOST = 128 * 1024;

/** A program's text, with colours where its language is known. `language` is a file's name or a word. */
export function Code({ text, language, whole = false }: { text: string; language: string; whole?: boolean }) {
  const all = useSignal(whole);
  const lines = text.split("\n", FEW + 2);
  const isLong = lines.length > FEW + 1;
  const shown = all.value || !isLong ? text : lines.slice(0, FEW).join("\n");
  return (
    <div class="code">
      <pre tabIndex={0}>
        <code>
          <Coloured text={shown} language={languageOf(language)} />
        </code>
      </pre>
      {isLong && !whole && (
        <button type="button" class="link" aria-expanded={all.value} onClick={() => (all.value = !all.value)}>
          {all.value ? "Show less" : `Show all ${text.split("\n").length.toLocaleString("en")} lines`}
        </button>
      )}
    </div>
  );
}

function Coloured({ text, language }: { text: string; language: string | null }) {
  const tokens = useSignal<{ text: string; tokens: Token[] } | null>(null);
  useEffect(() => {
    if (!language || text.length > MOST) return;
    let over = false;
    // Without colours it can be read as well.
    import("./highlight").then(
      ({ highlight }) => over || (tokens.value = { text, tokens: highlight(text, language) }),
      () => {},
    );
    return () => void (over = true);
  }, [text, language]);
  const known = tokens.value;
  return <>{known?.text === text ? drawn(known.tokens) : text}</>;
}

function drawn(tokens: readonly Token[]): ComponentChildren {
  return tokens.map((token, i): JSX.Element | string =>
    typeof token === "string" ? token : (
      <span key={i} class={token.kind}>
        {drawn(token.tokens)}
      </span>
    ));
}
