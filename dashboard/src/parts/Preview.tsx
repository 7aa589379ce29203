import "./Preview.css";

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";

import { beginning } from "../api/beginning";
import { told } from "../api/client";
import { rowsOf, separatorOf } from "../core/csv";
import { bytes as inBytes } from "../core/words";
import { Code } from "./Code";
import { dataUrl } from "./dataUrl";
import { Empty, Failed } from "./Empty";
import { HtmlFrame } from "./HtmlFrame";
import { kindOf, type Kind, pictureType, SVG } from "./kinds";

/** How much of a file is read, in bytes; a larger picture is not shown. */
const MOST_TEXT = 512 * 1024;
const MOST: Record<Kind, number> = {
  text: MOST_TEXT, table: MOST_TEXT, page: MOST_TEXT, picture: 32 * 1024 * 1024, other: 1,
};

/** Rows and columns of a table that are shown. */
const [ROWS, COLUMNS] = [500, 60];

/** What is in a file, as far as a page can show it. `path` is its name, `at` where it is on the server. */
export function Preview({ path, at }: { path: string; at: string }) {
  const found = useSignal<Found | string | null>(null);
  const tries = useSignal(0);
  useEffect(() => {
    const left = new AbortController();
    const show = (now: Found | string) => left.signal.aborted || (found.value = now);
    found.value = null;
    read(path, at, left.signal).then(show, (error: unknown) => show(told(error)));
    return () => left.abort();
  }, [path, at, tries.value]);
  const now = found.value;
  if (now === null) return <p class="dim preview-wait">Loading…</p>;
  if (typeof now === "string") return <Failed what="The file cannot be shown" why={now} again={() => (tries.value += 1)} />;
  return <Shown path={path} at={at} found={now} />;
}

interface Found {
  kind: Kind;
  bytes: Uint8Array;
  /** How long the file is. */
  size: number;
}

async function read(path: string, at: string, signal: AbortSignal): Promise<Found> {
  const kind = kindOf(path);
  const isPicture = kind === "picture";
  const { bytes, size } = await beginning(at, MOST[kind], { signal, whole: isPicture });
  const isShown = isPicture ? size === bytes.length : !bytes.subarray(0, 8192).includes(0);
  return { kind: size === 0 ? "text" : isShown ? kind : "other", bytes, size };
}

function Shown({ path, at, found }: { path: string; at: string; found: Found }) {
  if (found.kind === "picture") return <Picture path={path} bytes={found.bytes} />;
  if (found.kind === "other") {
    const isLarge = kindOf(path) === "picture";
    return (
      <Empty title="No preview">
        <p class="dim">
          {isLarge ? "A picture too large to be shown here" : "No text, and no picture that a browser shows"}; {inBytes(found.size)}.
        </p>
      </Empty>
    );
  }
  const text = new TextDecoder().decode(found.bytes);
  const isCut = found.size > found.bytes.length;
  return (
    <>
      {isCut && <p class="small dim">The first {inBytes(found.bytes.length)} of {inBytes(found.size)}.</p>}
      {text === "" ? <p class="dim preview-wait">It is empty.</p> : <Text kind={found.kind} path={path} at={at} text={text} />}
    </>
  );
}

function Text({ kind, path, at, text }: { kind: Kind; path: string; at: string; text: string }) {
  const source = useSignal(false);
  if (kind === "text") return <Code text={text} language={path} whole />;
  return (
    <>
      <button type="button" class="link preview-switch" aria-pressed={source.value} onClick={() => (source.value = !source.value)}>
        {source.value ? "Show it as it looks" : "Show its text"}
      </button>
      {source.value && <Code text={text} language={path} whole />}
      {!source.value && (kind === "table" ? <Table path={path} text={text} /> : <HtmlFrame at={at} html={text} />)}
    </>
  );
}

function Picture({ path, bytes }: { path: string; bytes: Uint8Array }) {
  const url = useSignal("");
  const isBroken = useSignal(false);
  useEffect(() => {
    const type = pictureType(path) ?? "";
    // What can hold a program is not to be of our origin, if somebody opens it in a tab of its own.
    if (type === SVG) void dataUrl(bytes, type).then((address) => (url.value = address));
    else url.value = URL.createObjectURL(new Blob([bytes as BlobPart], { type }));
    return () => URL.revokeObjectURL(url.peek());
  }, [bytes]);
  if (isBroken.value) return <Empty title="This is no picture, whatever its name says" />;
  return <>{url.value && <img class="preview-picture" src={url.value} alt={path} onError={() => (isBroken.value = true)} />}</>;
}

function Table({ path, text }: { path: string; text: string }) {
  const [head = [], ...rows] = rowsOf(text, separatorOf(path, text), ROWS + 1);
  return (
    <div class="preview-table" tabIndex={0} role="region" aria-label={`Table ${path}`}>
      <table>
        <thead>
          <tr>
            {head.slice(0, COLUMNS).map((cell, i) => (
              <th key={i} scope="col">
                {cell}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, i) => (
            <tr key={i}>
              {row.slice(0, COLUMNS).map((cell, j) => (
                <td key={j} class={isNumber(cell) ? "number" : undefined}>
                  {cell}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length >= ROWS && <p class="small dim">The first {ROWS} rows.</p>}
    </div>
  );
}

function isNumber(cell: string): boolean {
  return /^-?\d[\d.,]*$/.test(cell.trim());
}
