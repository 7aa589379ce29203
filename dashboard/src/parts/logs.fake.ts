/** For tests: logs of a job that answer as the server does. */

import { append, type Span, type Stream } from "../core/lines";

const encoder = new TextEncoder();

/** What it is asked for is counted. */
export class Job {
  readonly logs: Record<Stream, Uint8Array> = { stdout: new Uint8Array(), stderr: new Uint8Array() };
  readonly spans: Span[] = [];
  asked = 0;
  down = false;

  write(text: string, stream: Stream = "stdout"): void {
    const [old, more] = [this.logs[stream], encoder.encode(text)];
    append(this.spans, stream, old.length, more.length);
    const joined = new Uint8Array(old.length + more.length);
    joined.set(old);
    joined.set(more, old.length);
    this.logs[stream] = joined;
  }

  readonly fetch = async (path: string, { headers }: { headers: { Range: string } }): Promise<Response> => {
    if (this.down) throw new TypeError("Failed to fetch");
    this.asked += 1;
    const log = this.logs[path.split("/").at(-1) as Stream];
    const [from = 0, last = 0] = headers.Range.slice(6).split("-").map(Number);
    if (from >= log.length) return Response.json({ detail: "beyond", code: "bad_range" }, { status: 416 });
    return new Response(log.slice(from, last + 1), { status: 206 });
  };
}
