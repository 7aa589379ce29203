import "./Preview.css";

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";

import { fetchOk, Refusal, told } from "../api/client";
import { rowsOf, separatorOf } from "../core/csv";
import { bytes as inBytes } from "../core/words";
import { Code } from "./Code";
import { Empty, Failed } from "./Empty";
import { HtmlFrame } from "./HtmlFrame";
import { kindOf, type Kind, PICTURES } from "./kinds";

/** How much of a text is read, and how large a picture may be, in bytes. */
const MOST_TEXT = 512 * 1024;
const MOST_PICTURE = 32 * 1024 * 1024;

/** Rows and columns of a table that are shown. */
const [ROWS, COLUMNS] = [500, 60];

/** What is in a file, as far as a page can show it. `path` is its name, `at` where it is on the server. */
export function Preview({ path, at }: { path: string; at: string }) {
  const found = useSignal<Found | string | null>(null);
  const load = () => {
    found.value = null;
    read(path, at).then(
      (read) => (found.value = read),
      (error: unknown) => (found.value = told(error)),
    );
  };
  useEffect(load, [path, at]);
  const now = found.value;
  if (now === null) return <p class="dim preview-wait">Loading…</p>;
  if (typeof now === "string") return <Failed what="The file cannot be shown" why={now} again={load} />;
  return <Shown path={path} at={at} found={now} />;
}

interface Found {
  kind: Kind;
  bytes: Uint8Array;
  /** How long the file is. */
  size: number;
}

async function read(path: string, at: string): Promise<Found> {
  const kind = kindOf(path);
  const most = kind === "picture" ? MOST_PICTURE : MOST_TEXT;
  const answer = await fetchOk(at, { headers: { Range: `bytes=0-${most - 1}` } }).catch(nothing);
  if (!answer) return { kind: "text", bytes: new Uint8Array(), size: 0 };
  const bytes = new Uint8Array(await answer.arrayBuffer());
  const size = Number(answer.headers.get("Content-Range")?.split("/")[1]) || bytes.length;
  const isWhole = size === bytes.length;
  const isShown = kind === "picture" ? isWhole : !bytes.subarray(0, 8192).includes(0);
  return { kind: isShown ? kind : "other", bytes, size };
}

// Of an empty file there is no part.
function nothing(error: unknown): null {
  if (error instanceof Refusal && error.status === 416) return null;
  throw error;
}

function Shown({ path, at, found }: { path: string; at: string; found: Found }) {
  if (found.kind === "picture") return <Picture path={path} bytes={found.bytes} />;
  if (found.kind === "other") {
    return (
      <Empty title="No preview">
        <p class="dim">It is no text and no picture that a browser shows; {inBytes(found.size)}.</p>
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
    const type = PICTURES[path.toLowerCase().split(".").at(-1) ?? ""] ?? "";
    url.value = URL.createObjectURL(new Blob([bytes as BlobPart], { type }));
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
