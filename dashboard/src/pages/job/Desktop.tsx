import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

import { fetchOk, told } from "../../api/client";
import { Button } from "../../parts/Button";
import RFB from "../../../../crates/portal/assets/novnc/novnc.js";
import { attempt, enter } from "./actions";
import type { JobState } from "./state";

type Mode = "watch" | "control";

/** The server closes with this when somebody else took control. */
const TAKEN_OVER = 4001;

/** Waits before the next try to connect, in ms; the last one again and again. */
const WAITS = [250, 500, 1000, 2000, 4000];

/** The job's desktop: to watch, or with mouse and keyboard. */
export default function Desktop({ state }: { state: JobState }) {
  const screen = useRef<HTMLDivElement>(null);
  const mode = useSignal<Mode>("watch");
  const [connected, trouble] = [useSignal(false), useSignal("")];
  useEffect(() => show(state.id, mode.value, screen.current as HTMLElement, {
    onConnected: (is) => {
      connected.value = is;
      if (is) trouble.value = "";
    },
    onTrouble: (text) => (trouble.value = text),
    onTaken: () => (mode.value = "watch"),
  }), [state.id, mode.value]);

  const isMine = mode.value === "control";
  const taken = state.timeline.value.taken && !isMine;
  return (
    <div class="desktop">
      <div class="desktop-screen" ref={screen} data-mode={mode.value} data-connected={connected.value} />
      <p class="small dim" role="status">
        {trouble.value || words(connected.value, isMine, taken)}
      </p>
      <div class="job-buttons">
        <Button kind={isMine ? "main" : "plain"} onClick={() => (mode.value = isMine ? "watch" : "control")}>
          {isMine ? "Give back control" : taken ? "Take over control" : "Take control"}
        </Button>
        <Button onClick={() => void screen.current?.requestFullscreen()}>Full screen</Button>
        <Button onClick={() => void attempt(() => enter(state.id, { view: isMine ? "control" : "watch" }))}>
          In its own tab
        </Button>
      </div>
    </div>
  );
}

function words(connected: boolean, isMine: boolean, taken: boolean): string {
  if (!connected) return "Connecting…";
  if (isMine) return "You have control; the agent keeps its hands off.";
  return taken ? "You watch; somebody else has control." : "You watch.";
}

interface Told {
  onConnected: (is: boolean) => void;
  onTrouble: (text: string) => void;
  onTaken: () => void;
}

/** Shows it until the returned function is called; comes back when the connection breaks off. */
function show(id: string, mode: Mode, screen: HTMLElement, told: Told): () => void {
  let over = false;
  let failures = 0;
  let viewer: RFB | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const connect = () => {
    const path = `/v1/jobs/${id}/rfb?view=${mode}`;
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}${path}`);
    const now = new RFB(screen, socket, { shared: true });
    viewer = now;
    now.viewOnly = mode !== "control";
    now.scaleViewport = true;
    now.addEventListener("disconnect", () => (viewer = viewer === now ? null : viewer));
    now.addEventListener("connect", () => {
      failures = 0;
      told.onConnected(true);
    });
    socket.addEventListener("close", ({ code }) => {
      if (over) return;
      told.onConnected(false);
      if (code === TAKEN_OVER) return told.onTaken();
      timer = setTimeout(connect, WAITS[Math.min(failures, WAITS.length - 1)]);
      failures += 1;
      if (failures > 1) void reason(id).then((text) => over || told.onTrouble(text));
    });
  };
  connect();
  return () => {
    over = true;
    clearTimeout(timer);
    viewer?.disconnect();
  };
}

/** Why there is no desktop to see, if the server knows. */
async function reason(id: string): Promise<string> {
  try {
    await fetchOk(`/v1/jobs/${id}/screenshot.png`);
    return "The desktop cannot be reached; trying again.";
  } catch (error) {
    return told(error);
  }
}
