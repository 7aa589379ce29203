import { signal, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

import { type Schemas, told } from "../../api/client";
import { addressOf, listed } from "../../api/files";
import { bytes } from "../../core/words";
import { Button } from "../../parts/Button";
import { Dialog } from "../../parts/Dialog";
import { Icon } from "../../parts/Icon";
import { Preview } from "../../parts/Preview";
import type { JobState } from "./state";

type FileEntry = Schemas["FileEntry"];

/** Between two looks at a directory, in ms. */
const PAUSE = 1000;

/** The file that is looked at, as a path in the workspace. */
export const shown = signal<string | null>(null);

/** What is in the workspace; of a job that is over, what its ZIP has. */
export function Files({ state }: { state: JobState }) {
  const path = shown.value;
  useEffect(() => () => void (shown.value = null), [state.id]);
  return (
    <>
      <Directory state={state} path="" />
      {path !== null && <FileDialog id={state.id} path={path} />}
    </>
  );
}

function Directory({ state, path }: { state: JobState; path: string }) {
  const list = useSignal<Schemas["FileList"] | string | null>(null);
  const load = () =>
    void listed(state.id, path).then(
      (found) => (list.value = found),
      (error: unknown) => (list.value = told(error)),
    );
  const timer = useRef<ReturnType<typeof setTimeout> | null>(null);
  useEffect(load, [state.id, path]);
  useEffect(() => () => clearTimeout(timer.current ?? 0), []);
  // What a step did is seen when it is done, or soon after where steps are many.
  const [status, last] = [state.status.value, state.last.value];
  useEffect(() => {
    if (list.peek() === null) return;
    timer.current ??= setTimeout(() => {
      timer.current = null;
      load();
    }, PAUSE);
  }, [status, last]);
  const found = list.value;
  if (found === null) return <p class="dim small">Loading…</p>;
  if (typeof found === "string") return <p class="dim small">{found}</p>;
  if (found.entries.length === 0) return <p class="dim small">{path ? "An empty directory." : "No files."}</p>;
  return (
    <ul class="files">
      {sorted(found.entries).map((entry) => (
        <FileLine key={entry.name} state={state} entry={entry} path={path ? `${path}/${entry.name}` : entry.name} />
      ))}
      {found.more > 0 && <li class="dim small">and {found.more.toLocaleString("en")} more, in the ZIP</li>}
    </ul>
  );
}

function sorted(entries: readonly FileEntry[]): FileEntry[] {
  const rank = ({ kind }: FileEntry) => (kind === "directory" ? 0 : 1);
  return [...entries].sort((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1));
}

function FileLine({ state, entry, path }: { state: JobState; entry: FileEntry; path: string }) {
  const open = useSignal(false);
  const isDirectory = entry.kind === "directory";
  if (!isDirectory && entry.kind !== "file") {
    return (
      <li class="file dim">
        <Icon name="file" /> <bdi>{entry.name}</bdi> <span class="file-size">{entry.kind}</span>
      </li>
    );
  }
  return (
    <li>
      <div class="file">
        <button
          type="button"
          class={isDirectory ? "file-name directory" : "file-name"}
          {...(isDirectory ? { "aria-expanded": open.value } : {})}
          onClick={() => (isDirectory ? (open.value = !open.value) : (shown.value = path))}
        >
          <Icon name={isDirectory ? "next" : "file"} />
          <bdi>{entry.name}</bdi>
        </button>
        {!isDirectory && <span class="file-size">{bytes(entry.bytes)}</span>}
      </div>
      {open.value && <Directory state={state} path={path} />}
    </li>
  );
}

function FileDialog({ id, path }: { id: string; path: string }) {
  const at = addressOf(id, path);
  return (
    <div class="file-dialog">
      <Dialog title={path} onClose={() => (shown.value = null)}>
        <Preview path={path} at={at} />
        <div class="dialog-buttons">
          <a class="button" href={at} download>
            <Icon name="down" /> Download
          </a>
          <Button kind="main" onClick={() => (shown.value = null)}>
            Close
          </Button>
        </div>
      </Dialog>
    </div>
  );
}
